#include "device-plugin/plugin.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/log.h"

namespace locket::device_plugin {

Result<std::unique_ptr<Plugin>> Plugin::Open(const Options& options, const Clock& clock) {
  LOCKET_TRY_ASSIGN(DirectoryWatch watch, DirectoryWatch::Open(options.kubelet_dir));
  return std::unique_ptr<Plugin>(new Plugin(options, clock, std::move(watch)));
}

Plugin::Plugin(const Options& options, const Clock& clock, DirectoryWatch watch)
    : options_(options), clock_(clock), watch_(std::move(watch)) {
  for (const Resource& resource : options_.resources) {
    if (resource.name.empty()) continue;
    if (resource.tee == Tee::kEmulated && resource.emulated == 0) continue;
    announcers_.push_back(std::make_unique<Announcer>(resource, options_, clock_));
  }
}

Status Plugin::Run(int stop_fd) {
  std::array<pollfd, 2> waiting{pollfd{.fd = stop_fd, .events = POLLIN, .revents = 0},
                                pollfd{.fd = watch_.fd(), .events = POLLIN, .revents = 0}};
  while (true) {
    LOCKET_TRY_ASSIGN(const bool there, watch_.Rearm());
    Look(there, stop_fd);
    ::poll(waiting.data(), waiting.size(), WaitMs());
    if (waiting[0].revents != 0) return Ok();
  }
}

void Plugin::Look(bool directory_there, int stop_fd) {
  const auto socket = options_.kubelet_dir / kKubeletSocket;
  const auto kubelet = IdOf(socket);
  if (!kubelet && !std::exchange(waiting_said_, true)) {
    log::Info(directory_there ? "waiting for the kubelet"
                              : "waiting for the kubelet, whose directory is not there",
              {{"socket", socket.string()}});
  }
  if (kubelet) waiting_said_ = false;
  for (const auto& announcer : announcers_) announcer->Step(kubelet, stop_fd);
}

int Plugin::WaitMs() const {
  std::chrono::milliseconds wait = options_.check_interval;
  for (const auto& announcer : announcers_) {
    if (const auto next = announcer->next_try()) {
      wait = std::min(wait, std::chrono::ceil<std::chrono::milliseconds>(*next - clock_.Steady()));
    }
  }
  return static_cast<int>(std::max<int64_t>(wait.count(), 0));
}

}  // namespace locket::device_plugin
