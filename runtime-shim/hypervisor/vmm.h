// The seam at the hypervisor: what a virtual machine consists of, how one is started, and one that
// runs. Nothing above this room knows which hypervisor it is, its options or its limits.
//
// Life of a VM. `Hypervisor::Launch` starts it with its processors stopped. The caller takes the
// channels first, so that no byte of the console or of the agent is lost, and then calls `Resume`.
// Disks come and go while the VM runs. It ends when its guest powers off or panics, when somebody
// calls `Kill`, or with the Vmm object.
//
//   auto vm = hypervisor.Launch(spec);
//   auto agent = vm->TakeChannel(Channel::kAgent);
//   vm->Resume();
//   auto serial = vm->AttachDisk({.id = "layer-0", .path = "/var/lib/.../blob"});
//   ...                           // the guest finds the disk by `serial`
//   vm->DetachDisk("layer-0");
//   vm->Kill();
//   vm->WaitForExit();            // "QEMU exited with status 0: ... terminating on signal 15 ..."
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime-shim/config/config.h"

namespace locket::runtime_shim {

// What executes the guest's processors: the machine's own (KVM), or a translator (TCG).
enum class Accelerator { kKvm, kTcg };

// The emulated TEE, a program that starts the hypervisor as its child and answers the guest's
// requests for attestation reports.
struct EmulatorSpec {
  std::filesystem::path program;
  std::filesystem::path dir;  // has the emulator's keys
  std::string host_data_hex;  // what its reports have as host_data: 64 digits
};

// Lengths that every hypervisor of ours takes. QEMU: block node names have at most 31 characters;
// virtio-blk cuts serial numbers after 20, and scsi-hd refuses longer ones since QEMU 10.0.
inline constexpr size_t kMaxDiskId = 31;
inline constexpr size_t kMaxDiskSerial = 20;

struct DiskSpec {
  // By which the host names the disk: [a-z][a-z0-9-]*, at most kMaxDiskId; unique in the VM.
  std::string id;
  std::filesystem::path path;  // a regular file
  // By which the guest finds the disk: [a-z0-9-]+, at most kMaxDiskSerial; unique in the VM. A disk
  // that is hot-plugged may leave the choice to the hypervisor: empty.
  std::string serial{};
  bool direct_io = false;  // reads bypass the host's page cache
  // The guest writes to it. What it wrote is worth nothing once the VM has ended, so the hypervisor
  // need not bring it to the host's disk.
  bool writable = false;
  bool operator==(const DiskSpec&) const = default;
};

// A network device on a tap that the caller opened and lends until the VM is launched.
struct NicSpec {
  std::string mac;  // "02:00:00:00:00:01"
  int tap_fd;
  bool vhost;  // frames move in the host's kernel (/dev/vhost-net), not in the hypervisor
  bool operator==(const NicSpec&) const = default;
};

// What a VM is made of. PrepareVm and DescribeVm (vm/prepare_vm.h) fill it in.
struct VmSpec {
  std::string name;           // for people: the pod's ID
  std::filesystem::path dir;  // for sockets, logs and pid files; exists, for this VM alone
  std::filesystem::path kernel;
  std::filesystem::path initrd;
  std::string cmdline;
  uint32_t memory_mib;
  uint32_t vcpus;
  Accelerator accelerator;
  std::optional<EmulatorSpec> emulator{};  // absent: the VM has no TEE
  std::optional<DiskSpec> initdata{};
  std::optional<DiskSpec> scratch{};
  std::vector<NicSpec> nics{};
  // Directories of cgroups, one for each hierarchy. Every process of the VM starts in them.
  std::vector<std::filesystem::path> cgroups{};
};

// The byte streams between host and guest (docs/formats/guest-channels.md).
enum class Channel { kAgent, kRelay, kConsole };

// A VM that was launched. Thread-safe. Destruction kills the VM and waits until the VM is gone.
//
// Errors that Resume, AttachDisk and DetachDisk may all have:
//   kUnavailable        the VM is gone
//   kInternal           the hypervisor refused; the message has its words
//   kDeadlineExceeded   the hypervisor does not answer. It may obey late, and will not obey other
//                       calls either, so the caller should kill the VM.
class Vmm {
 public:
  virtual ~Vmm() = default;

  // Returns the host's end of a channel, a stream that ends with the VM. Each channel can be taken
  // once. Fails if the VM is gone.
  virtual Result<UniqueFd> TakeChannel(Channel channel) = 0;

  // Lets the processors run. To be called once.
  virtual Status Resume() = 0;

  // Hot-plugs a read-only disk. Returns the serial number by which the guest finds the disk: that
  // of `disk`, or else one that no other disk of this VM has while this one is plugged in. On
  // failure nothing of the disk stays behind, except perhaps after kDeadlineExceeded.
  // kAlreadyExists: there is a disk with this id, or one that has not left yet. kNotFound: there is
  // no such file. kInvalidArgument: an id or a serial that not every hypervisor takes.
  // kResourceExhausted: the VM has as many disks as it can have.
  virtual Result<std::string> AttachDisk(const DiskSpec& disk) = 0;

  // Takes the disk away from the guest, whether or not the guest still reads it, and closes its
  // file. Blocks until the disk has left, for some seconds at most. kNotFound: there is no such
  // disk, or it is leaving already. kFailedPrecondition: the disk has not left in time. After any
  // error but kNotFound the disk may leave at any time, so it must not be used any more. It keeps
  // its id and place until it has left, which the next AttachDisk or DetachDisk notices.
  virtual Status DetachDisk(const std::string& id) = 0;

  // Blocks until the VM is gone. Returns how the hypervisor ended and the end of what it printed,
  // in words for a log: "QEMU exited with status 0". Several threads may wait; all get the same
  // text.
  virtual std::string WaitForExit() = 0;

  // Begins to end the VM, whatever the VM is doing, and returns at once. A hypervisor that does not
  // end when it is asked is killed some seconds later. Harmless when the VM is gone.
  virtual void Kill() = 0;

  // Returns the ID of the process that was started, in the host's PID namespace: the hypervisor's,
  // or that of the emulated TEE around it.
  virtual pid_t pid() const = 0;
};

// A kind of hypervisor on this host. Thread-safe. Outlives the VMs that it launched.
class Hypervisor {
 public:
  virtual ~Hypervisor() = default;

  // Returns the hypervisor's name, for messages: "QEMU".
  virtual std::string_view name() const = 0;

  // Returns how much of the host's memory a VM takes beside the memory of its guest, in MiB: a
  // constant that has been enough so far, not a bound.
  virtual uint32_t overhead_mib() const = 0;

  // Decides how guests with this kernel run on this host. `choice` is the operator's: kAuto means
  // KVM where a guest comes up under it, else TCG. May take kProbeTimeout (accelerator.h) the first
  // time after the host has booted; the result is remembered. kFailedPrecondition: `choice` demands
  // KVM, and it does not work here; the message says why. kNotFound: the hypervisor's program is
  // not installed.
  virtual Result<Accelerator> ChooseAccelerator(AcceleratorChoice choice,
                                                const std::filesystem::path& kernel) = 0;

  // Starts a VM, and records its processes in `spec.dir` (process_record.h) before it waits for
  // anything. Returns the VM with its processors stopped. On failure no process is left, but files
  // in `spec.dir` are, and the error holds what the hypervisor printed. kInvalidArgument:
  // `spec.dir` is too long for sockets, or a disk is not as DiskSpec says. kNotFound: the
  // hypervisor's program is not installed, or a directory of `spec` is not there. kInternal: the
  // hypervisor ended at once. kDeadlineExceeded: the hypervisor did not come up in time.
  virtual Result<std::unique_ptr<Vmm>> Launch(const VmSpec& spec) = 0;
};

}  // namespace locket::runtime_shim
