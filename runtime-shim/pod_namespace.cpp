#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <thread>

#include "base/encoding.h"
#include "base/file.h"
#include "device/kernel_network_control.h"
#include "runtime-shim/pod_network.h"

namespace locket::runtime_shim {
namespace {

Result<struct stat> Identify(const std::filesystem::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) return status;
  return Error::FromErrno(errno, "look at '" + path.string() + "'");
}

// Not up, not persistent, with room before each packet for what virtio says of it.
Result<UniqueFd> MakeTap(const std::string& name) {
  auto opened = OpenFile("/dev/net/tun", O_RDWR);
  if (!opened.ok()) {
    return std::move(opened).error().While("a VM with a network needs it, so 'modprobe tun'");
  }
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  if (::ioctl(opened->get(), TUNSETIFF, &request) != 0) {
    return Error::FromErrno(errno, "make tap '" + name + "'");
  }
  // The pod's own kernel would greet the guest with IPv6 messages of its own. Where there is no
  // IPv6, it does not.
  const auto ipv6 = OpenFile("/proc/sys/net/ipv6/conf/" + name + "/disable_ipv6", O_WRONLY);
  if (ipv6.ok())
    LOCKET_TRY(WriteFull(ipv6->get(), AsBytes("1")).While("silence tap '" + name + "'"));
  return opened;
}

// Runs on a thread that ends afterwards.
Result<PodNetwork> EnterAndBuild(int netns, NetworkUse use) {
  if (::setns(netns, CLONE_NEWNET) != 0) return Error::FromErrno(errno, "enter it");
  LOCKET_TRY_ASSIGN(const auto network, device::OpenKernelNetworkControl());
  return BuildPodNetwork(*network, MakeTap, use);
}

}  // namespace

Result<PodNetwork> OpenPodNetwork(const std::filesystem::path& path, NetworkUse use) {
  const std::string doing = "network namespace '" + path.string() + "'";
  LOCKET_TRY_ASSIGN(const auto own, Identify("/proc/thread-self/ns/net"));
  LOCKET_TRY_ASSIGN(const auto pods, Identify(path).While(doing));
  // A pod with hostNetwork: the host's interfaces are not for a guest to take over.
  if (own.st_dev == pods.st_dev && own.st_ino == pods.st_ino) return PodNetwork{};
  LOCKET_TRY_ASSIGN(const UniqueFd netns, OpenFile(path, O_RDONLY).While(doing));
  std::optional<Result<PodNetwork>> built;
  std::thread([&] { built = EnterAndBuild(netns.get(), use); }).join();
  return std::move(*built).While(doing);
}

}  // namespace locket::runtime_shim
