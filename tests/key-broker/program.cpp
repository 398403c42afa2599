#include "tests/key-broker/program.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "base/encoding.h"
#include "tests/attest/testing.h"

namespace locket::key_broker {
namespace {

const std::string kProgram = std::string(LOCKET_BINARY_DIR) + "/bin/locket-broker";

}  // namespace

std::string TlsText(const std::string& name) {
  return attest::ReadText(attest::TestTlsDirectory() / name);
}

Secret SecretOf(std::string_view text) {
  Secret out(text.size());
  std::ranges::copy(AsBytes(text), out.Reveal().begin());
  return out;
}

BrokerProgram::BrokerProgram() : directory_(TempDir::Create("/tmp", "broker").value()) {}

std::string BrokerProgram::Configure(const std::string& listen, const std::string& more) const {
  const auto& tls = attest::TestTlsDirectory();
  const std::string file = directory_.path() / "broker.toml";
  std::ofstream(file) << "listen = \"" << listen
                      << "\"\nstore_dir = " << directory_.path() / "store"
                      << "\naudit_log = " << audit_log()
                      << "\n[tls]\ncertificate = " << tls / "server.pem"
                      << "\nkey = " << tls / "server.key"
                      << "\n[admin]\npublic_key = " << tls / "admin.pub"
                      << "\n[emulated]\nallow = true\nroot = "
                      << attest::TestRootDirectory() / "ark.pem"
                      << "\n"
                      << more;
  return file;
}

CommandOutput BrokerProgram::Run(const std::vector<std::string>& arguments) {
  std::vector<std::string> argv{kProgram};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return RunCommand(argv).value();
}

std::string BrokerProgram::WaitForLog(const std::string& words) {
  size_t at = std::string::npos;
  while ((at = text_.find(words)) == std::string::npos ||
         text_.find('\n', at) == std::string::npos) {
    std::array<char, 512> buffer{};
    const ssize_t got = ::read(log_.get(), buffer.data(), buffer.size());
    if (got <= 0) {
      std::fprintf(stderr, "the broker ended before it said '%s':\n%s", words.c_str(),
                   text_.c_str());
      std::abort();
    }
    text_.append(buffer.data(), static_cast<size_t>(got));
  }
  return text_;
}

std::string BrokerProgram::Start(const std::string& more) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) std::abort();
  log_ = UniqueFd(ends[0]);
  UniqueFd write_end(ends[1]);
  text_.clear();
  const std::string config = Configure("127.0.0.1:0", more);
  process_.emplace(
      Subprocess::Start({kProgram, "--config", config}, {.stderr_fd = write_end.get()}).value());
  write_end.reset();
  const std::string words = "listening on 127.0.0.1:";
  std::string text = WaitForLog(words);
  port_ = std::stoi(text.substr(text.find(words) + words.size()));
  return text;
}

int BrokerProgram::Stop() {
  if (!process_->Kill(SIGTERM).ok()) return -1;
  const int status = process_->Wait(std::chrono::seconds(60)).value();
  process_.reset();
  return status;
}

size_t BrokerProgram::Memory(const std::string& field) const {
  std::ifstream status("/proc/" + std::to_string(process_->pid()) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(field + ":")) return std::stoul(line.substr(field.size() + 1));
  }
  std::abort();
}

attest::BrokerAdminClient BrokerProgram::Admin() const {
  return attest::BrokerAdminClient::Create({.url = "https://127.0.0.1:" + std::to_string(port_),
                                            .ca_pem = TlsText("ca.pem"),
                                            .private_key_pem = SecretOf(TlsText("admin.key"))},
                                           clock_)
      .value();
}

}  // namespace locket::key_broker
