// A VM without a processor: channels are socket pairs whose other ends the test holds.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime-shim/hypervisor/qemu_args.h"
#include "runtime-shim/hypervisor/vmm.h"

namespace locket::runtime_shim {

// What outlives the FakeVmm, so that tests can look at it afterwards.
class FakeMachine {
 public:
  // The guest's end of a channel; once each, before or after the host took its own.
  UniqueFd TakeGuestEnd(Channel channel) { return std::move(Pair(channel)[1]); }

  // The VM ends as if its guest had powered off.
  void PowerOff(const std::string& how = "QEMU exited with status 0") {
    const std::lock_guard lock(mutex_);
    if (ended_.empty()) ended_ = how;
    changed_.notify_all();
  }

  // The nth disk operation from now on fails; 0: none.
  void FailDisk(int nth, ErrorCode code = ErrorCode::kInternal) {
    const std::lock_guard lock(mutex_);
    fail_disk_ = nth;
    disk_error_ = code;
  }

  std::map<std::string, DiskSpec> disks() const {
    const std::lock_guard lock(mutex_);
    return disks_;
  }
  bool resumed() const {
    const std::lock_guard lock(mutex_);
    return resumed_;
  }
  bool ended() const {
    const std::lock_guard lock(mutex_);
    return !ended_.empty();
  }
  VmSpec spec{};

 private:
  friend class FakeVmm;
  std::array<UniqueFd, 2>& Pair(Channel channel) {
    const std::lock_guard lock(mutex_);
    auto& pair = channels_[channel];
    if (!pair[0].valid() && !pair[1].valid()) {
      std::array<int, 2> fds{};
      if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) == 0) {
        pair[0].reset(fds[0]);
        pair[1].reset(fds[1]);
        breakers_.emplace_back(::dup(fds[0]));
        if (!ended_.empty()) ::shutdown(fds[0], SHUT_RDWR);
      }
    }
    return pair;
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Channel, std::array<UniqueFd, 2>> channels_;
  std::vector<UniqueFd> breakers_;  // end the channels with the VM, whoever holds their ends
  std::map<std::string, DiskSpec> disks_;
  bool resumed_ = false;
  int fail_disk_ = 0;
  ErrorCode disk_error_ = ErrorCode::kInternal;
  std::string ended_;
};

class FakeVmm final : public Vmm {
 public:
  explicit FakeVmm(std::shared_ptr<FakeMachine> machine) : machine_(std::move(machine)) {}
  ~FakeVmm() override { Kill(); }

  Result<UniqueFd> TakeChannel(Channel channel) override {
    return std::move(machine_->Pair(channel)[0]);
  }
  Status Resume() override {
    const std::lock_guard lock(machine_->mutex_);
    machine_->resumed_ = true;
    return Ok();
  }
  Result<std::string> AttachDisk(const DiskSpec& asked) override {
    LOCKET_TRY(CountDiskCall());
    DiskSpec disk = asked;
    if (disk.serial.empty()) disk.serial = disk.id;
    LOCKET_TRY(CheckDisk(disk));
    const std::lock_guard lock(machine_->mutex_);
    if (machine_->disks_.contains(disk.id)) return Error(ErrorCode::kAlreadyExists, "there");
    if (!std::filesystem::is_regular_file(disk.path)) {
      return Error(ErrorCode::kNotFound, "'" + disk.path.string() + "' is not there");
    }
    machine_->disks_.emplace(disk.id, disk);
    return disk.serial;
  }
  Status DetachDisk(const std::string& id) override {
    LOCKET_TRY(CountDiskCall());
    const std::lock_guard lock(machine_->mutex_);
    if (machine_->disks_.erase(id) == 0) return Error(ErrorCode::kNotFound, "not attached");
    return Ok();
  }
  std::string WaitForExit() override {
    std::unique_lock lock(machine_->mutex_);
    machine_->changed_.wait(lock, [&] { return !machine_->ended_.empty(); });
    for (const UniqueFd& fd : machine_->breakers_) ::shutdown(fd.get(), SHUT_RDWR);
    return machine_->ended_;
  }
  void Kill() override { machine_->PowerOff("QEMU was killed by signal 15"); }
  pid_t pid() const override { return 4242; }

 private:
  Status CountDiskCall() {
    const std::lock_guard lock(machine_->mutex_);
    if (machine_->fail_disk_ > 0 && --machine_->fail_disk_ == 0) {
      return Error(machine_->disk_error_, "disk call made to fail");
    }
    return Ok();
  }
  const std::shared_ptr<FakeMachine> machine_;
};

// Launches what a test gives it, on a host without KVM.
class FakeHypervisor final : public Hypervisor {
 public:
  using Launcher = std::function<Result<std::unique_ptr<Vmm>>(const VmSpec&)>;
  explicit FakeHypervisor(Launcher launch) : launch_(std::move(launch)) {}

  std::string_view name() const override { return "QEMU"; }
  uint32_t overhead_mib() const override { return 160; }
  Result<Accelerator> ChooseAccelerator(AcceleratorChoice choice,
                                        const std::filesystem::path&) override {
    if (choice != AcceleratorChoice::kKvm) return Accelerator::kTcg;
    return Error(ErrorCode::kFailedPrecondition, "no KVM");
  }
  Result<std::unique_ptr<Vmm>> Launch(const VmSpec& spec) override { return launch_(spec); }

 private:
  const Launcher launch_;
};

}  // namespace locket::runtime_shim
