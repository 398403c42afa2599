// The seam at the hypervisor: a virtual machine that is running, in our words.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::runtime_shim {

enum class Accelerator { kKvm, kTcg };

// The emulated TEE that stands around the VM.
struct EmulatorSpec {
  std::filesystem::path program;
  std::filesystem::path dir;  // its keys
  std::string host_data_hex;  // 64 digits
};

// What every QEMU since 7.2 takes whole, on every transport: block node names end at 31 characters,
// virtio-blk cuts serials at 20 and scsi-hd refuses longer ones since 10.0.
inline constexpr size_t kMaxDiskId = 31;
inline constexpr size_t kMaxDiskSerial = 20;

struct DiskSpec {
  std::string id;  // [a-z][a-z0-9-]*, at most kMaxDiskId; unique in the VM
  std::filesystem::path path;
  std::string serial;  // [a-z0-9-]+, at most kMaxDiskSerial; unique in the VM
  bool direct_io = false;
  bool writable = false;  // and then of no use after the VM: the host's disk need not have it
  bool operator==(const DiskSpec&) const = default;
};

// A network device on a tap that the caller opened and lends until the VM is launched.
struct NicSpec {
  std::string mac;  // "02:00:00:00:00:01"
  int tap_fd;
  bool vhost;  // frames move in the host's kernel (/dev/vhost-net), not in the hypervisor
  bool operator==(const NicSpec&) const = default;
};

struct VmSpec {
  std::string name;
  std::filesystem::path dir;  // sockets, logs and pid files go here; exists and is ours
  std::filesystem::path qemu;
  std::filesystem::path kernel;
  std::filesystem::path initrd;
  std::string cmdline;
  uint32_t memory_mib;
  uint32_t vcpus;
  Accelerator accelerator;
  std::optional<EmulatorSpec> emulator{};
  std::optional<DiskSpec> initdata{};
  std::optional<DiskSpec> scratch{};
  std::vector<NicSpec> nics{};
  std::vector<std::filesystem::path> cgroups{};  // what is started starts in these
};

enum class Channel { kAgent, kRelay, kConsole };

// A VM that was launched but whose processors stand still until Resume. Thread-safe. Destruction
// kills it and waits until it is gone.
class Vmm {
 public:
  virtual ~Vmm() = default;

  // Our end of a channel. Each can be taken once.
  virtual Result<UniqueFd> TakeChannel(Channel channel) = 0;

  virtual Status Resume() = 0;

  // Hot-plugs a read-only disk. On failure nothing of it stays behind. kAlreadyExists: there is one
  // with this id, or one that has not left yet. kNotFound: no such file. kInvalidArgument: an id or
  // a serial that not every hypervisor takes. kResourceExhausted: it has as many as it can have.
  // kDeadlineExceeded: the hypervisor does not answer.
  virtual Status AttachDisk(const DiskSpec& disk) = 0;

  // Takes the disk away from the guest and closes its file. kNotFound: there is none.
  // kDeadlineExceeded: the hypervisor does not answer. After any other error the disk may leave at
  // any time: it is of no use any more, and keeps its id and place until it has left.
  virtual Status DetachDisk(const std::string& id) = 0;

  // Blocks until the VM is gone and says how it ended, in words for a log: "QEMU exited with
  // status 0". Later calls say the same.
  virtual std::string WaitForExit() = 0;

  // Ends the VM now, whatever it is doing. Does not wait. Harmless when it is gone.
  virtual void Kill() = 0;

  // The process that containerd is told of.
  virtual pid_t pid() const = 0;
};

// Starts a VM. On failure no process is left.
using VmLauncher = std::function<Result<std::unique_ptr<Vmm>>(const VmSpec&)>;

}  // namespace locket::runtime_shim
