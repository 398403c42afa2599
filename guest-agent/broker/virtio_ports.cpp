#include "guest-agent/broker/virtio_ports.h"

#include <thread>

#include "rpc/transport.h"

namespace locket::guest_agent {
namespace {

constexpr char kPorts[] = "/sys/class/virtio-ports";
constexpr auto kPause = std::chrono::milliseconds(20);

}  // namespace

bool AllPortsNamed(const std::filesystem::path& ports) {
  std::error_code error;
  size_t count = 0;
  for (std::filesystem::directory_iterator it(ports, error), end; !error && it != end;
       it.increment(error)) {
    ++count;
    if (!std::filesystem::exists(it->path() / "name", error)) return false;
  }
  return !error && count > 0;
}

void AwaitPortNames(std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!AllPortsNamed(kPorts) && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(kPause);
  }
}

Result<std::optional<UniqueFd>> OpenPortIfPresent(std::string_view name) {
  auto port = rpc::OpenVirtioPort(name, std::chrono::milliseconds(0));
  if (port.ok()) return std::optional(std::move(*port));
  if (port.error().code() == ErrorCode::kNotFound) return std::optional<UniqueFd>();
  return std::move(port).error();
}

}  // namespace locket::guest_agent
