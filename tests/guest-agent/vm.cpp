#include "tests/guest-agent/vm.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "rpc/transport.h"

namespace locket::guest_agent {
namespace {

constexpr int kConnectTimeoutMs = 20000;
constexpr int kTargets = 255;  // of a virtio-scsi adapter
constexpr size_t kMaxConsoleBytes = 4 << 20;

std::vector<std::string> QemuArguments(const VmOptions& options, const std::string& cmdline,
                                       const std::filesystem::path& directory) {
  const auto initrd = options.initrd.value_or(options.image_directory / "initramfs.img");
  std::vector<std::string> argv = {
      "qemu-system-x86_64",
      "-machine",
      "q35",
      "-accel",
      "tcg,thread=multi",
      "-cpu",
      "max",
      "-m",
      std::to_string(options.memory_mib),
      "-smp",
      "2",
      "-nodefaults",
      "-no-user-config",
      "-display",
      "none",
      "-no-reboot",
      "-kernel",
      (options.image_directory / "vmlinuz").string(),
      "-initrd",
      initrd.string(),
      "-append",
      cmdline,
      "-chardev",
      "socket,id=console,server=on,wait=off,telnet=on,path=" + (directory / "serial").string() +
          ",logfile=" + (directory / "console").string(),
      "-serial",
      "chardev:console",
      "-device",
      "virtio-serial-pci",
      "-chardev",
      "socket,id=agent,path=" + (directory / "agent").string(),
      "-device",
      "virtserialport,chardev=agent,name=dev.locket.agent",
      "-qmp",
      "unix:" + (directory / "qmp").string() + ",server=on,wait=off",
      "-device",
      "virtio-scsi-pci,id=scsi0"};
  if (options.nic_mac) {
    argv.insert(argv.end(), {"-netdev", "hubport,id=wire,hubid=0", "-device",
                             "virtio-net-pci,netdev=wire,romfile=,mac=" + *options.nic_mac});
  }
  int number = 0;
  for (const VmDisk& disk : options.disks) {
    const std::string node = "disk" + std::to_string(number);
    argv.insert(
        argv.end(),
        {"-blockdev",
         "driver=raw,read-only=" + std::string(disk.writable ? "off" : "on") +
             ",node-name=" + node + ",file.driver=file,file.filename=" + disk.file.string(),
         "-device",
         "scsi-hd,drive=" + node + ",bus=scsi0.0,scsi-id=" + std::to_string(number % kTargets) +
             ",lun=" + std::to_string(number / kTargets) + ",serial=" + disk.serial});
    ++number;
  }
  argv.insert(argv.end(), options.more_arguments.begin(), options.more_arguments.end());
  return argv;
}

Result<UniqueFd> Accept(int listener) {
  pollfd waiting{.fd = listener, .events = POLLIN, .revents = 0};
  if (::poll(&waiting, 1, kConnectTimeoutMs) <= 0) {
    return Error(ErrorCode::kDeadlineExceeded, "QEMU did not connect the agent's port");
  }
  UniqueFd stream(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  if (!stream.valid()) return Error::FromErrno(errno, "accept");
  return stream;
}

}  // namespace

Result<std::unique_ptr<Vm>> Vm::Boot(const VmOptions& options) {
  LOCKET_TRY_ASSIGN(const auto text,
                    ReadFile(options.image_directory / "guest-image.json", 1 << 20));
  const std::string cmdline =
      nlohmann::json::parse(text).at("cmdline").get<std::string>() + options.more_cmdline;
  LOCKET_TRY_ASSIGN(auto directory, TempDir::Create("/tmp", "locket-vm-"));
  auto vm = std::unique_ptr<Vm>(new Vm(std::move(directory)));
  const auto& path = vm->directory_.path();
  LOCKET_TRY_ASSIGN(const auto listener, rpc::ListenUnix(path / "agent"));
  LOCKET_TRY_ASSIGN(auto qemu, Subprocess::Start(QemuArguments(options, cmdline, path)));
  vm->qemu_.emplace(std::move(qemu));
  LOCKET_TRY_ASSIGN(auto stream, Accept(listener.get()));
  LOCKET_TRY_ASSIGN(vm->agent_, rpc::TtrpcClient::Create(std::move(stream)));
  return vm;
}

std::string Vm::Console() const {
  auto text = ReadFile(directory_.path() / "console", kMaxConsoleBytes);
  return text.ok() ? *text : text.error().message();
}

Status Vm::SendSysRq(char key) {
  if (!serial_.valid()) {
    LOCKET_TRY_ASSIGN(serial_, rpc::ConnectUnix(directory_.path() / "serial"));
  }
  const std::string text = {'\xff', '\xf3', key};  // telnet: IAC BREAK (RFC 854)
  return WriteFull(serial_.get(), AsBytes(text));
}

std::filesystem::path GuestImageDirectory() {
  const char* chosen = std::getenv("LOCKET_GUEST_IMAGE");
  return chosen != nullptr ? chosen : LOCKET_BINARY_DIR "/guest-image";
}

std::string LacksForVm(const std::filesystem::path& image_directory) {
  if (!std::filesystem::exists(image_directory / "guest-image.json")) {
    return "needs a guest image in '" + image_directory.string() +
           "': scripts/build-guest-image BUILD_DIR";
  }
  const auto version = RunCommand({"qemu-system-x86_64", "--version"});
  if (!version.ok()) return "needs qemu-system-x86_64: scripts/install-packages";
  return "";
}

}  // namespace locket::guest_agent
