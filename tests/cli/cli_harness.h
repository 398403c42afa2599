// Runs the program in this process, with streams, environment and signals of the test's own.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "base/encoding.h"
#include "base/file.h"
#include "cli/context.h"
#include "cli/run.h"

namespace locket::cli {

struct CliResult {
  int exit_code;
  std::string out;
  std::string err;
};

class CliHarness {
 public:
  CliHarness() : signal_(::eventfd(0, EFD_CLOEXEC)) {}

  std::map<std::string, std::string> environment;
  // What the person at the terminal types. Unset: there is none.
  std::optional<std::string> typed;

  // What a SIGINT would do, from any thread.
  void Interrupt() const {
    const uint64_t one = 1;
    ASSERT_EQ(::write(signal_.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
  }

  CliResult Run(const std::vector<std::string>& arguments) {
    std::ostringstream out;
    std::ostringstream err;
    Context context{
        .out = out,
        .err = err,
        .environment = [this](const std::string& name) -> std::optional<std::string> {
          const auto found = environment.find(name);
          if (found == environment.end()) return std::nullopt;
          return found->second;
        },
        .catch_signals = [this]() -> Result<UniqueFd> {
          return UniqueFd(::fcntl(signal_.get(), F_DUPFD_CLOEXEC, 0));
        },
    };
    if (typed) {
      context.ask_passphrase = [this](const std::string&, const std::stop_token&) {
        Secret secret(typed->size());
        std::ranges::copy(AsBytes(*typed), secret.Reveal().begin());
        return Result<Secret>(std::move(secret));
      };
    }
    const int exit_code = cli::Run(arguments, context);
    return {exit_code, out.str(), err.str()};
  }

 private:
  UniqueFd signal_;
};

// A directory of the test's own.
class CliTest : public ::testing::Test {
 protected:
  CliTest() : dir_(TempDir::Create(::testing::TempDir(), "locket-cli-").value()) {}

  std::string Path(const std::string& name) const { return (dir_.path() / name).string(); }
  std::string Write(const std::string& name, const std::string& content) const {
    std::filesystem::create_directories(std::filesystem::path(Path(name)).parent_path());
    std::ofstream(Path(name), std::ios::binary) << content;
    return Path(name);
  }
  static std::string Read(const std::string& path) { return ReadFile(path, 64U << 20).value(); }

  TempDir dir_;
  CliHarness cli_;
};

}  // namespace locket::cli
