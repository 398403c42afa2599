#include "guest-agent/hardening/kernel_settings.h"

#include <fcntl.h>

#include <array>

#include "base/encoding.h"
#include "base/file.h"

namespace locket::guest_agent {
namespace {

struct Setting {
  const char* name;
  std::string_view value;
  bool required;  // false: a kernel built without it has nothing to close
};

constexpr std::array kSettings = {
    // A BREAK on the serial line and Alt+SysRq on a keyboard are both the host's to send.
    Setting{.name = "kernel/sysrq", .value = "0", .required = true},
    // Else the kernel prints bytes of a crashing program on the console, which the host reads.
    Setting{.name = "debug/exception-trace", .value = "0", .required = true},
    // As loglevel=4 of the command line. Written again in case SysRq raised it before this.
    Setting{.name = "kernel/printk", .value = "4 4 1 4", .required = true},
    Setting{.name = "kernel/dmesg_restrict", .value = "1", .required = true},
    Setting{.name = "kernel/kptr_restrict", .value = "2", .required = true},
    Setting{.name = "kernel/unprivileged_bpf_disabled", .value = "1", .required = true},
    Setting{.name = "kernel/perf_event_paranoid", .value = "3", .required = true},
    Setting{.name = "kernel/kexec_load_disabled", .value = "1", .required = false},
    Setting{.name = "kernel/io_uring_disabled", .value = "2", .required = false},  // since 6.6
    // crun needs no user namespace, and in one a container would hold every capability.
    Setting{.name = "user/max_user_namespaces", .value = "0", .required = true},
    // What systemd sets on every node.
    Setting{.name = "fs/protected_symlinks", .value = "1", .required = true},
    Setting{.name = "fs/protected_hardlinks", .value = "1", .required = true},
    // What containerd and Docker give a container's network.
    Setting{.name = "net/ipv4/ip_unprivileged_port_start", .value = "0", .required = true},
    Setting{.name = "net/ipv4/ping_group_range", .value = "0 2147483647", .required = true}};

}  // namespace

Status SetKernelParameter(const std::string& name, std::string_view value) {
  LOCKET_TRY_ASSIGN(const auto file, OpenFile("/proc/sys/" + name, O_WRONLY));
  return WriteFull(file.get(), AsBytes(value)).While("set " + name);
}

Status FixKernelSettings(const SetParameter& set) {
  for (const Setting& setting : kSettings) {
    Status done = set(setting.name, setting.value);
    if (done.ok() || (!setting.required && done.error().code() == ErrorCode::kNotFound)) continue;
    return done;
  }
  return Ok();
}

}  // namespace locket::guest_agent
