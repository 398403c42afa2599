#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#include <cerrno>
#include <optional>
#include <thread>

#include "base/file.h"
#include "device/kernel_network_control.h"
#include "device/tap.h"
#include "runtime-shim/host/pod_network.h"

namespace locket::runtime_shim {
namespace {

Result<struct stat> Identify(const std::filesystem::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) return status;
  return Error::FromErrno(errno, "look at '" + path.string() + "'");
}

// Runs on a thread that ends afterwards.
Result<PodNetwork> EnterAndBuild(int netns, NetworkUse use) {
  if (::setns(netns, CLONE_NEWNET) != 0) return Error::FromErrno(errno, "enter it");
  LOCKET_TRY_ASSIGN(const auto network, device::OpenKernelNetworkControl());
  return BuildPodNetwork(*network, device::MakeTap, use);
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
