#include <sys/signalfd.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "base/file.h"
#include "base/log.h"
#include "base/signals.h"
#include "base/version.h"
#include "device-plugin/listing.h"
#include "device-plugin/plugin.h"

namespace {

using namespace locket;
using namespace locket::device_plugin;

constexpr int kUsage = 2;

int Fail(const Error& error, int status) {
  std::fprintf(stderr, "locket-device-plugin: %s\n", error.message().c_str());
  return status;
}

int Print(const std::string& text) {
  return std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0 ? EXIT_FAILURE
                                                                          : EXIT_SUCCESS;
}

int PrintList(const CommandLine& line) {
  const auto listed = List(line.options);
  if (!listed.ok()) return Fail(listed.error(), EXIT_FAILURE);
  return Print(line.action == Action::kListJson ? AsJson(*listed) : AsText(*listed));
}

// The configuration is read again; one that is wrong changes nothing. What changed is registered
// anew, all of it: the kubelet takes that for a restart, which no pod notices.
Status Reload(int argc, const char* const* argv, const Clock& clock,
              std::unique_ptr<Plugin>& plugin) {
  sd_notify(0, "RELOADING=1");
  const auto line = ParseCommandLine(argc, argv);
  if (!line.ok()) {
    log::Error("going on with the old configuration", {log::Field(line.error())});
  } else if (line->options == plugin->options()) {
    log::Info("configuration read again; nothing changed");
  } else {
    plugin.reset();  // first, so that the sockets are free
    LOCKET_TRY_ASSIGN(plugin, Plugin::Open(line->options, clock));
    log::Info("configuration read again; announcing anew");
  }
  sd_notify(0, "READY=1");
  return Ok();
}

Status Serve(const Options& options, int argc, const char* const* argv) {
  LOCKET_TRY_ASSIGN(const UniqueFd signals, CatchSignals({SIGTERM, SIGINT, SIGHUP}));
  std::signal(SIGPIPE, SIG_IGN);
  const SystemClock clock;
  LOCKET_TRY_ASSIGN(auto plugin, Plugin::Open(options, clock));
  log::Info("started", {{"kubelet_dir", options.kubelet_dir.string()}, {"version", kVersion}});
  sd_notify(0, "READY=1");
  signalfd_siginfo signal{};
  while (true) {
    LOCKET_TRY(plugin->Run(signals.get()));
    LOCKET_TRY(ReadFull(signals.get(), std::as_writable_bytes(std::span(&signal, 1))));
    if (signal.ssi_signo != SIGHUP) break;
    LOCKET_TRY(Reload(argc, argv, clock, plugin));
  }
  sd_notify(0, "STOPPING=1");
  log::Info("stopping", {{"signal", signal.ssi_signo}});
  return Ok();
}

}  // namespace

int main(int argc, char** argv) {
  ::umask(0077);
  const auto line = ParseCommandLine(argc, argv);
  if (!line.ok()) return Fail(line.error(), kUsage);
  if (line->print) return Print(*line->print);
  if (line->action == Action::kCheckConfig) return EXIT_SUCCESS;
  if (line->action != Action::kServe) return PrintList(*line);
  log::Init("locket-device-plugin", line->options.log_level, line->options.log_format);
  const auto done = Serve(line->options, argc, argv);
  return done.ok() ? EXIT_SUCCESS : Fail(done.error(), EXIT_FAILURE);
}
