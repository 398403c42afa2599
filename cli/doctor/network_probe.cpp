#include <sched.h>

#include <cerrno>
#include <optional>
#include <thread>

#include "cli/doctor/doctor.h"
#include "device/kernel_network_control.h"
#include "device/tap.h"

namespace locket::cli {
namespace {

constexpr int kLoopback = 1;  // its index in every network namespace

// On a thread that ends afterwards, and the namespace with it.
Status JoinTapInNewNamespace() {
  if (::unshare(CLONE_NEWNET) != 0) return Error::FromErrno(errno, "make a network namespace");
  LOCKET_TRY_ASSIGN(const UniqueFd tap, device::MakeTap("locket-probe"));
  LOCKET_TRY_ASSIGN(const auto network, device::OpenKernelNetworkControl());
  LOCKET_TRY_ASSIGN(const auto links, network->Links());
  for (const auto& link : links) {
    if (link.loopback) continue;
    LOCKET_TRY(network->AddIngress(link.index));
    return network->AddRedirect(link.index, kLoopback);
  }
  return Error(ErrorCode::kInternal, "the tap was not made");
}

}  // namespace

Status ProbePodNetwork() {
  std::optional<Status> done;
  std::thread([&] { done = JoinTapInNewNamespace(); }).join();
  return *done;
}

}  // namespace locket::cli
