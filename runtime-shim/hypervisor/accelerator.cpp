#include "runtime-shim/hypervisor/accelerator.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "base/file.h"
#include "base/log.h"
#include "base/subprocess.h"

namespace locket::runtime_shim {
namespace {

using nlohmann::json;

constexpr size_t kMaxFile = 65536;

std::filesystem::path MemoryPath(const std::filesystem::path& state_dir) {
  return state_dir / "accelerator.json";
}

// A file that is absent, broken or about something else remembers nothing.
std::optional<KvmProof> Remembered(const std::filesystem::path& state_dir, const std::string& key) {
  const auto text = ReadFile(MemoryPath(state_dir), kMaxFile);
  if (!text.ok()) return std::nullopt;
  const json memory = json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!memory.is_object() || memory.value("key", json()) != json(key)) return std::nullopt;
  const json works = memory.value("kvm", json());
  const json reason = memory.value("reason", json());
  if (!works.is_boolean() || !reason.is_string()) return std::nullopt;
  return KvmProof{.works = works.get<bool>(), .reason = reason.get<std::string>()};
}

KvmProof ProveOnce(const std::filesystem::path& state_dir, const std::string& key,
                   const KvmProbe& probe) {
  if (auto remembered = Remembered(state_dir, key)) return *remembered;
  KvmProof proof = probe();
  const json memory{{"key", key}, {"kvm", proof.works}, {"reason", proof.reason}};
  const auto kept = ReplaceFileDurably(MemoryPath(state_dir),
                                       memory.dump(-1, ' ', false, json::error_handler_t::replace));
  if (!kept.ok())
    log::Warning("KVM proof not remembered; next pod proves again", {log::Field(kept.error())});
  log::Info("proved KVM once", {{"works", proof.works ? "yes" : "no"}, {"reason", proof.reason}});
  return proof;
}

// Size and time of change tell one file from the one that replaces it.
std::string FileKey(const std::filesystem::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return path.string();
  return path.string() + ":" + std::to_string(info.st_size) + ":" +
         std::to_string(info.st_mtim.tv_sec);
}

}  // namespace

Result<Accelerator> ChooseAccelerator(AcceleratorChoice choice,
                                      const std::filesystem::path& state_dir,
                                      const std::string& key, const KvmProbe& probe) {
  if (choice == AcceleratorChoice::kTcg) return Accelerator::kTcg;
  const KvmProof proof = ProveOnce(state_dir, key, probe);
  if (proof.works) return Accelerator::kKvm;
  if (choice == AcceleratorChoice::kAuto) return Accelerator::kTcg;
  return Error(ErrorCode::kFailedPrecondition,
               "accelerator = \"kvm\", but KVM does not work here: " + proof.reason +
                   "; set \"auto\" or \"tcg\"");
}

std::string ProbeKey(const std::filesystem::path& qemu, const std::filesystem::path& kernel) {
  const auto boot = ReadFile("/proc/sys/kernel/random/boot_id", kMaxFile);
  return (boot.ok() ? *boot : "unknown boot\n") + FileKey(qemu) + "\n" + FileKey(kernel);
}

KvmProof ProbeKvm(const std::filesystem::path& qemu, const std::filesystem::path& kernel,
                  const std::filesystem::path& kvm_device, std::chrono::milliseconds timeout) {
  const auto device = OpenFile(kvm_device, O_RDWR);
  if (!device.ok()) return {.works = false, .reason = device.error().message()};
  // Without an initramfs the kernel panics as soon as it is up; panic=-1 then reboots at once,
  // which -no-reboot makes QEMU's end.
  const auto run = RunCommand({qemu.string(),
                               "-machine",
                               "q35",
                               "-accel",
                               "kvm",
                               "-cpu",
                               "host",
                               "-m",
                               "256M",
                               "-nodefaults",
                               "-no-user-config",
                               "-display",
                               "none",
                               "-nic",
                               "none",
                               "-no-reboot",
                               "-kernel",
                               kernel.string(),
                               "-append",
                               "console=ttyS0 panic=-1",
                               "-chardev",
                               "stdio,id=out,signal=off",
                               "-serial",
                               "chardev:out"},
                              {.timeout = timeout, .max_output_bytes = 1U << 20});
  if (!run.ok()) {
    if (run.error().code() != ErrorCode::kDeadlineExceeded) {
      return {.works = false, .reason = run.error().message()};
    }
    return {.works = false,
            .reason =
                "the guest kernel did not come up under KVM within " +
                std::to_string(std::chrono::duration_cast<std::chrono::seconds>(timeout).count()) +
                " s"};
  }
  if (run->exit_status == 0 && run->standard_output.find("Kernel panic") != std::string::npos) {
    return {.works = true, .reason = "the guest kernel came up under KVM"};
  }
  std::string why = run->standard_error.substr(0, run->standard_error.find('\n'));
  if (why.empty()) why = "the guest kernel stopped before it was up";
  return {.works = false, .reason = why};
}

}  // namespace locket::runtime_shim
