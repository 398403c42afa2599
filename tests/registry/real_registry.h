// Debian's docker-registry, on a port the kernel picks.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "base/subprocess.h"
#include "base/unique_fd.h"

namespace locket::registry {

// A running `docker-registry serve` that keeps its data in `directory`/data. `http` continues the
// configuration's http section; `more` follows that section. The registry takes a port that the
// kernel picks and says on standard error which: a port picked beforehand may be taken by the time
// the registry binds it. Destruction stops the registry.
class RegistryProcess {
 public:
  explicit RegistryProcess(const std::filesystem::path& directory, const std::string& http = "",
                           const std::string& more = "") {
    const auto config = directory / "config.yml";
    std::ofstream(config)
        << "version: 0.1\nlog: {level: info}\nstorage: {filesystem: {rootdirectory: "
        << (directory / "data").string() << "}}\nhttp: {addr: \"127.0.0.1:0\"" << http << "}\n"
        << more;
    int ends[2] = {-1, -1};
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    log_.reset(ends[0]);
    UniqueFd write_end(ends[1]);
    auto started = Subprocess::Start({"docker-registry", "serve", config.string()},
                                     {.stderr_fd = write_end.get()});
    EXPECT_TRUE(started.ok()) << (started.ok() ? "" : started.error().message());
    if (started.ok()) process_.emplace(std::move(*started));
    write_end.reset();  // so that the registry's end is the end of its log
    ReadPort();
    drain_ = std::jthread([this] {
      std::array<char, 4096> ignored;
      while (::read(log_.get(), ignored.data(), ignored.size()) > 0) {
      }
    });
  }
  ~RegistryProcess() {
    if (process_) static_cast<void>(process_->Kill(SIGTERM).ok());
  }
  RegistryProcess(const RegistryProcess&) = delete;
  // Returns "127.0.0.1:PORT", or an empty text and a failed test when the registry did not start.
  const std::string& host() const { return host_; }

 private:
  void ReadPort() {
    constexpr std::string_view kSays = "listening on ";
    std::string text;
    char byte = 0;
    while (::read(log_.get(), &byte, 1) == 1) {
      text += byte;
      if (byte != '\n') continue;
      const size_t at = text.find(kSays);
      if (at != std::string::npos) {
        const size_t from = at + kSays.size();
        host_ = text.substr(from, text.find_first_of("\",", from) - from);
        return;
      }
      text.clear();
    }
    ADD_FAILURE() << "docker-registry did not start";
  }

  UniqueFd log_;
  std::optional<Subprocess> process_;
  std::string host_;
  std::jthread drain_;  // so that the registry never waits for its log to be read
};

// A new certificate for 127.0.0.1 that signs itself, and its key.
inline std::pair<std::string, std::string> MakeCertificate(const std::filesystem::path& directory,
                                                           const std::string& name) {
  const auto key = (directory / (name + ".key")).string();
  const auto certificate = (directory / (name + ".pem")).string();
  const auto made =
      RunCommand({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                  "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=test",
                  "-addext", "subjectAltName=IP:127.0.0.1"});
  EXPECT_TRUE(made.ok() && made->exit_status == 0);
  return {certificate, key};
}

}  // namespace locket::registry
