#include <fcntl.h>
#include <linux/kvm.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/subprocess.h"
#include "base/unique_fd.h"
#include "cli/doctor/doctor.h"

namespace locket::cli {
namespace {

constexpr int kKvmApi = 12;  // KVM_GET_API_VERSION, fixed since Linux 2.6.22
constexpr size_t kPage = 4096;
constexpr uint64_t kCodeAddress = 0x1000;
constexpr uint8_t kHlt = 0xf4;
constexpr uint64_t kFlagsReserved = 2;  // bit 1 of RFLAGS is always set

// Where the child got to: its exit status, an index here.
constexpr std::array<const char*, 9> kSteps = {"works",
                                               "cannot be opened (permission?)",
                                               "has another API version",
                                               "cannot make a VM",
                                               "does not accept memory",
                                               "cannot make a CPU",
                                               "does not accept registers",
                                               "does not run the guest",
                                               "left the guest for another reason than hlt"};

// A real-mode CPU at kCodeAddress.
bool SetRegisters(int cpu) {
  kvm_sregs special{};
  if (::ioctl(cpu, KVM_GET_SREGS, &special) != 0) return false;
  special.cs.base = 0;
  special.cs.selector = 0;
  kvm_regs registers{};
  registers.rip = kCodeAddress;
  registers.rflags = kFlagsReserved;
  return ::ioctl(cpu, KVM_SET_SREGS, &special) == 0 && ::ioctl(cpu, KVM_SET_REGS, &registers) == 0;
}

// Runs in the forked child: system calls only, everything freed by its exit.
int RunOneInstruction(const char* device) {
  const int kvm = ::open(device, O_RDWR | O_CLOEXEC);
  if (kvm < 0) return 1;
  if (::ioctl(kvm, KVM_GET_API_VERSION, 0) != kKvmApi) return 2;
  const int vm = ::ioctl(kvm, KVM_CREATE_VM, 0);
  if (vm < 0) return 3;
  void* page = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return 4;
  std::memcpy(page, &kHlt, 1);
  kvm_userspace_memory_region region{};
  region.guest_phys_addr = kCodeAddress;
  region.memory_size = kPage;
  region.userspace_addr = reinterpret_cast<uintptr_t>(page);
  if (::ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) != 0) return 4;
  const int cpu = ::ioctl(vm, KVM_CREATE_VCPU, 0);
  if (cpu < 0) return 5;
  const int size = ::ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
  if (size < static_cast<int>(sizeof(kvm_run))) return 5;
  void* shared =
      ::mmap(nullptr, static_cast<size_t>(size), PROT_READ | PROT_WRITE, MAP_SHARED, cpu, 0);
  if (shared == MAP_FAILED) return 5;
  if (!SetRegisters(cpu)) return 6;
  if (::ioctl(cpu, KVM_RUN, 0) != 0) return 7;
  return static_cast<const kvm_run*>(shared)->exit_reason == KVM_EXIT_HLT ? 0 : 8;
}

// Waits for the child's end. False: it was still running after `timeout`.
bool EndsWithin(pid_t child, std::chrono::milliseconds timeout) {
  const UniqueFd handle(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  if (!handle.valid()) return true;  // waitpid below will tell
  pollfd fd{handle.get(), POLLIN, 0};
  return ::poll(&fd, 1, static_cast<int>(timeout.count())) != 0;
}

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};

struct HostPort {
  std::string host;
  std::string port;
};

Result<HostPort> SplitUrl(const std::string& url) {
  const Error bad(ErrorCode::kInvalidArgument, "'" + url + "' is not https://HOST[:PORT]");
  const size_t scheme_end = url.find("://");
  if (scheme_end == std::string::npos) return bad;
  const std::string scheme = url.substr(0, scheme_end);
  if (scheme != "https" && scheme != "http") return bad;
  std::string rest = url.substr(scheme_end + 3);
  rest = rest.substr(0, rest.find('/'));
  HostPort found{rest, scheme == "https" ? "443" : "80"};
  const size_t bracket = rest.find(']');
  const size_t colon = rest.find(':', bracket == std::string::npos ? 0 : bracket);
  if (colon != std::string::npos) {
    found.host = rest.substr(0, colon);
    found.port = rest.substr(colon + 1);
  }
  if (found.host.starts_with('[') && found.host.ends_with(']')) {
    found.host = found.host.substr(1, found.host.size() - 2);
  }
  if (found.host.empty() || found.port.empty()) return bad;
  return found;
}

Status ConnectTcp(const addrinfo& address, const std::string& doing,
                  std::chrono::milliseconds timeout) {
  const UniqueFd fd(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return Error::FromErrno(errno, "socket");
  if (::connect(fd.get(), address.ai_addr, address.ai_addrlen) == 0) return Ok();
  if (errno != EINPROGRESS) return Error::FromErrno(errno, doing);
  pollfd waiting{fd.get(), POLLOUT, 0};
  if (::poll(&waiting, 1, static_cast<int>(timeout.count())) == 0) {
    return Error(ErrorCode::kDeadlineExceeded, doing + ": no answer in time");
  }
  int failure = 0;
  socklen_t size = sizeof failure;
  ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &failure, &size);
  if (failure != 0) return Error::FromErrno(failure, doing);
  return Ok();
}

}  // namespace

Status ProbeKvm(const std::filesystem::path& device, std::chrono::milliseconds timeout) {
  const pid_t child = ::fork();
  if (child < 0) return Error::FromErrno(errno, "fork");
  if (child == 0) ::_exit(RunOneInstruction(device.c_str()));
  const bool ended = EndsWithin(child, timeout);
  if (!ended) ::kill(child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!ended) {
    return Error(ErrorCode::kDeadlineExceeded, "hangs: one instruction took longer than " +
                                                   std::to_string(timeout.count()) + " ms");
  }
  if (!WIFEXITED(status)) return Error(ErrorCode::kInternal, "kills the process that uses it");
  const auto step = static_cast<size_t>(WEXITSTATUS(status));
  if (step == 0) return Ok();
  return Error(ErrorCode::kFailedPrecondition, step < kSteps.size() ? kSteps[step] : "is broken");
}

Status ProbeQemuKvm(const std::string& qemu, std::chrono::milliseconds timeout) {
  // "info registers" makes QEMU hand the CPU's state to the kernel and fetch it again.
  LOCKET_TRY_ASSIGN(const CommandOutput output,
                    RunCommand({qemu, "-accel", "kvm", "-cpu", "host", "-m", "64", "-nodefaults",
                                "-no-user-config", "-display", "none", "-monitor", "stdio"},
                               {.input = "info registers\nquit\n", .timeout = timeout}));
  if (output.exit_status == 0) return Ok();
  const std::string& text = output.standard_error;
  return Error(ErrorCode::kFailedPrecondition,
               "QEMU does not run with it: " + text.substr(0, text.find('\n')));
}

Status ProbeTcp(const std::string& url, std::chrono::milliseconds timeout) {
  LOCKET_TRY_ASSIGN(const HostPort where, SplitUrl(url));
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* raw = nullptr;
  const int failure = ::getaddrinfo(where.host.c_str(), where.port.c_str(), &hints, &raw);
  const std::unique_ptr<addrinfo, FreeAddresses> list(raw);
  const std::string doing = "connect to " + where.host + ":" + where.port;
  if (failure != 0) return Error(ErrorCode::kUnavailable, doing + ": " + ::gai_strerror(failure));
  Status last = Error(ErrorCode::kUnavailable, doing + ": no address");
  for (const addrinfo* one = list.get(); one != nullptr; one = one->ai_next) {
    last = ConnectTcp(*one, doing, timeout);
    if (last.ok()) break;
  }
  return last;
}

}  // namespace locket::cli
