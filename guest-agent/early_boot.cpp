#include "guest-agent/early_boot.h"

#include <cpuid.h>
#include <fcntl.h>
#include <linux/random.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/encoding.h"
#include "base/file.h"
#include "base/secret.h"
#include "device/kernel_mount_control.h"
#include "guest-agent/policy/guest_config.h"

namespace locket::guest_agent {
namespace {

constexpr size_t kSeedWords = 32;    // 2048 bits
constexpr int kRdrandAttempts = 10;  // Intel's SDM, 7.3.17.1: ten tries, then it is broken

__attribute__((target("rdrnd"))) bool Rdrand(unsigned long long& word) {
  for (int i = 0; i < kRdrandAttempts; ++i) {
    if (__builtin_ia32_rdrand64_step(&word) == 1) return true;
  }
  return false;
}

bool HasRdrand() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_RDRND) != 0;
}

Status MakeDirectory(const char* path) {
  if (::mkdir(path, 0755) == 0 || errno == EEXIST) return Ok();
  return Error::FromErrno(errno, std::string("make directory '") + path + "'");
}

}  // namespace

Status LeaveInitramfs() {
  static constexpr char kNewRoot[] = "/run/root";
  LOCKET_TRY(MakeDirectory("/run"));
  LOCKET_TRY(MakeDirectory(kNewRoot));
  // The initramfs is a tmpfs already; only its place, the root of all mounts, is in the way. A bind
  // mount of it moved over "/" costs no copy.
  if (::mount("/", kNewRoot, nullptr, MS_BIND, nullptr) != 0 || ::chdir(kNewRoot) != 0 ||
      ::mount(".", "/", nullptr, MS_MOVE, nullptr) != 0 || ::chroot(".") != 0 ||
      ::chdir("/") != 0) {
    return Error::FromErrno(errno, "move to a root mount of our own");
  }
  return Ok();
}

Status MountBase() {
  const std::array<device::MountSpec, 8> mounts{{
      {.source = "proc", .target = "/proc", .type = "proc", .nosuid = true},
      {.source = "sysfs", .target = "/sys", .type = "sysfs", .nosuid = true},
      {.source = "devtmpfs", .target = "/dev", .type = "devtmpfs", .nosuid = true},
      {.source = "devpts", .target = "/dev/pts", .type = "devpts", .nosuid = true},
      {.source = "tmpfs", .target = "/dev/shm", .type = "tmpfs", .nodev = true, .nosuid = true},
      {.source = "tmpfs", .target = "/run", .type = "tmpfs", .data = "mode=0755", .nosuid = true},
      {.source = "tmpfs", .target = "/tmp", .type = "tmpfs", .nodev = true, .nosuid = true},
      {.source = "cgroup2", .target = "/sys/fs/cgroup", .type = "cgroup2", .nosuid = true},
  }};
  device::KernelMountControl control;
  for (const auto& mount : mounts) {
    LOCKET_TRY(MakeDirectory(mount.target.c_str()));
    LOCKET_TRY(control.Mount(mount));
  }
  return Ok();
}

Status SeedEntropy() {
  if (!HasRdrand()) {
    return Error(ErrorCode::kFailedPrecondition,
                 "this CPU has no RDRAND, and all other entropy is the host's");
  }
  Secret seed(sizeof(rand_pool_info) + kSeedWords * sizeof(unsigned long long));
  const auto words = seed.Reveal().subspan(sizeof(rand_pool_info));
  for (size_t i = 0; i < kSeedWords; ++i) {
    unsigned long long word = 0;
    if (!Rdrand(word)) return Error(ErrorCode::kFailedPrecondition, "RDRAND gives no numbers");
    std::memcpy(words.data() + i * sizeof(word), &word, sizeof(word));
  }
  const rand_pool_info header{.entropy_count = static_cast<int>(words.size() * 8),
                              .buf_size = static_cast<int>(words.size())};
  std::memcpy(seed.Reveal().data(), &header, sizeof(header));
  LOCKET_TRY_ASSIGN(const UniqueFd random, OpenFile("/dev/random", O_WRONLY));
  const int added = ::ioctl(random.get(), RNDADDENTROPY, seed.Reveal().data());
  const int error = errno;
  if (added != 0) return Error::FromErrno(error, "add entropy to the kernel's pool");
  return Ok();
}

Status RaiseLoopback() {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return Error::FromErrno(errno, "open a socket");
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) {
    return Error::FromErrno(errno, "bring interface 'lo' up");
  }
  return Ok();
}

Status RaiseOwnLimits() {
  const rlimit files{.rlim_cur = kOpenFiles, .rlim_max = kOpenFiles};
  if (::setrlimit(RLIMIT_NOFILE, &files) != 0) {
    return Error::FromErrno(errno, "raise the limit of open files");
  }
  LOCKET_TRY_ASSIGN(const UniqueFd file, OpenFile("/proc/self/oom_score_adj", O_WRONLY));
  return WriteFull(file.get(), AsBytes("-1000")).While("set oom_score_adj");
}

void PowerOff() {
  // Without sync(2): nothing in this guest outlives it, and the host may answer no write.
  ::reboot(RB_POWER_OFF);
  // Only a kernel without power management comes here; panic=-1 on the command line ends it.
  ::_exit(1);
}

}  // namespace locket::guest_agent
