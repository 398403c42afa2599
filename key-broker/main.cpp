#include <signal.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>

#include "base/log.h"
#include "base/signals.h"
#include "key-broker/run.h"

namespace {

using namespace locket;

int Fail(const Error& error, int status) {
  std::fprintf(stderr, "locket-broker: %s\n", error.message().c_str());
  return status;
}

Status Main(const key_broker::CommandLine& line) {
  LOCKET_TRY_ASSIGN(const auto config, key_broker::LoadConfig(line.config_file));
  if (line.check_config) return key_broker::CheckConfig(config);
  LOCKET_TRY_ASSIGN(const auto stop, CatchSignals({SIGTERM, SIGINT, SIGHUP}));
  ::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to sockets without MSG_NOSIGNAL
  return key_broker::Run(config, stop.get());
}

}  // namespace

int main(int argc, char** argv) {
  ::umask(0077);
  const auto line = key_broker::ParseCommandLine({argv + 1, argv + argc});
  if (!line.ok()) return Fail(line.error(), 2);
  if (line->print) {
    std::fputs(line->print->c_str(), stdout);
    return EXIT_SUCCESS;
  }
  log::Init("locket-broker", line->log_level, log::Format::kText);
  const auto done = Main(*line);
  return done.ok() ? EXIT_SUCCESS : Fail(done.error(), EXIT_FAILURE);
}
