// What every Vmm promises, tried on the fake and on QEMU (whose guest is never let run).
#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "runtime-shim/config/program_path.h"
#include "runtime-shim/hypervisor/process_record.h"
#include "runtime-shim/hypervisor/qemu_vmm.h"
#include "runtime-shim/hypervisor/scratch.h"
#include "tests/runtime-shim/hypervisor/fake_vmm.h"

namespace locket::runtime_shim {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

// QEMU_UNDER_TEST names another one, to try other versions by hand.
std::string QemuUnderTest() {
  const char* other = ::getenv("QEMU_UNDER_TEST");  // NOLINT(concurrency-mt-unsafe): one thread yet
  return other == nullptr ? "qemu-system-x86_64" : other;
}

enum class Kind { kFake, kReal };
void PrintTo(Kind kind, std::ostream* out) { *out << (kind == Kind::kFake ? "fake" : "QEMU"); }

class VmmConformanceTest : public ::testing::TestWithParam<Kind> {
 protected:
  VmmConformanceTest() : dir_(TempDir::Create("/tmp", "shim-vmm").value()) {}
  void SetUp() override {
    (void)::signal(SIGPIPE, SIG_IGN);
    if (GetParam() == Kind::kReal && !FindProgram(QemuUnderTest()).ok()) {
      GTEST_SKIP() << "needs qemu-system-x86_64";
    }
    auto vmm = Launch();
    ASSERT_TRUE(vmm.ok()) << vmm.error().message();
    vmm_ = std::move(vmm).value();
    for (const char* name : {"disk-a", "disk-b"}) {
      ASSERT_TRUE(ReplaceFileDurably(dir_.path() / name, std::string(8192, 'x')).ok());
    }
  }
  Result<std::unique_ptr<Vmm>> Launch() {
    if (GetParam() == Kind::kFake) {
      return std::unique_ptr<Vmm>(std::make_unique<FakeVmm>(std::make_shared<FakeMachine>()));
    }
    return Qemu().Launch(Spec());
  }
  QemuHypervisor Qemu(const std::filesystem::path& program = QemuUnderTest(),
                      std::chrono::milliseconds timeout = seconds(30)) const {
    return QemuHypervisor({.program = program, .state_dir = dir_.path(), .call_timeout = timeout});
  }
  VmSpec Spec() {
    // QEMU reads the headers of a kernel (Linux boot protocol 2.15) and no more until it runs.
    std::string kernel(4096, '\0');
    kernel[0x1fe] = '\x55';
    kernel[0x1ff] = '\xaa';
    kernel.replace(0x202, 4, "HdrS");
    kernel[0x206] = '\x0f';
    kernel[0x207] = '\x02';
    kernel[0x1f1] = 1;
    kernel[0x211] = 1;
    kernel.replace(0x22c, 4, "\xff\xff\xff\x7f");  // the highest address of an initrd
    EXPECT_TRUE(ReplaceFileDurably(dir_.path() / "kernel", kernel).ok());
    EXPECT_TRUE(ReplaceFileDurably(dir_.path() / "initrd", "initrd").ok());
    return {.name = "test",
            .dir = dir_.path(),
            .kernel = dir_.path() / "kernel",
            .initrd = dir_.path() / "initrd",
            .cmdline = "quiet",
            .memory_mib = 128,
            .vcpus = 1,
            .accelerator = Accelerator::kTcg};
  }
  DiskSpec Disk(const std::string& id, const std::string& file) {
    return {.id = id, .path = dir_.path() / file, .serial = id};
  }
  TempDir dir_;
  std::unique_ptr<Vmm> vmm_;
};

TEST_P(VmmConformanceTest, DisksComeAndGo) {
  for (int round = 0; round < 3; ++round) {
    const auto one = vmm_->AttachDisk(Disk("layer-1", "disk-a"));
    ASSERT_TRUE(one.ok()) << one.error().message();
    const auto two = vmm_->AttachDisk(Disk("layer-2", "disk-b"));
    ASSERT_TRUE(two.ok()) << two.error().message();
    for (const char* id : {"layer-1", "layer-2"}) {
      const auto gone = vmm_->DetachDisk(id);
      ASSERT_TRUE(gone.ok()) << gone.error().message();
    }
  }
}

TEST_P(VmmConformanceTest, OneFileMayBeTwoDisks) {
  EXPECT_TRUE(vmm_->AttachDisk(Disk("layer-1", "disk-a")).ok());
  EXPECT_TRUE(vmm_->AttachDisk(Disk("layer-2", "disk-a")).ok());
}

TEST_P(VmmConformanceTest, AnIdIsUsedOnce) {
  ASSERT_TRUE(vmm_->AttachDisk(Disk("layer-1", "disk-a")).ok());
  EXPECT_EQ(vmm_->AttachDisk(Disk("layer-1", "disk-b")).error().code(), ErrorCode::kAlreadyExists);
}

TEST_P(VmmConformanceTest, AMissingFileIsNamedAndLeavesNothing) {
  const auto attached = vmm_->AttachDisk(Disk("layer-1", "none"));
  ASSERT_FALSE(attached.ok());
  EXPECT_EQ(attached.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(attached.error().message(), HasSubstr("none' is not there"));
  EXPECT_TRUE(vmm_->AttachDisk(Disk("layer-1", "disk-a")).ok());
}

TEST_P(VmmConformanceTest, IdsAndSerialsAreTakenUpToTheirLimits) {
  auto disk = Disk("a" + std::string(kMaxDiskId - 1, '9'), "disk-a");
  disk.serial = std::string(kMaxDiskSerial, '7');
  const auto attached = vmm_->AttachDisk(disk);
  EXPECT_TRUE(attached.ok()) << attached.error().message();
  disk.id += "9";
  EXPECT_EQ(vmm_->AttachDisk(disk).error().code(), ErrorCode::kInvalidArgument);
}

TEST_P(VmmConformanceTest, ADiskHasTheSerialItWasGivenOrOneOfItsOwn) {
  auto disk = Disk("layer-1", "disk-a");
  disk.serial = "given";
  EXPECT_EQ(vmm_->AttachDisk(disk).value(), "given");
  const auto one = vmm_->AttachDisk({.id = "layer-2", .path = dir_.path() / "disk-a"});
  const auto two = vmm_->AttachDisk({.id = "layer-3", .path = dir_.path() / "disk-a"});
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_THAT(one->size(), ::testing::AllOf(::testing::Gt(0U), ::testing::Le(kMaxDiskSerial)));
  EXPECT_NE(*one, *two);
}

TEST_P(VmmConformanceTest, AnAbsentDiskCannotBeDetached) {
  EXPECT_EQ(vmm_->DetachDisk("layer-1").error().code(), ErrorCode::kNotFound);
}

TEST_P(VmmConformanceTest, AKilledVmEndsWithItsChannelsAndSaysSoAgain) {
  std::vector<UniqueFd> channels;
  for (const Channel channel : {Channel::kAgent, Channel::kRelay, Channel::kConsole}) {
    auto taken = vmm_->TakeChannel(channel);
    ASSERT_TRUE(taken.ok()) << taken.error().message();
    channels.push_back(std::move(taken).value());
  }
  vmm_->Kill();
  vmm_->Kill();
  const std::string how = vmm_->WaitForExit();
  EXPECT_THAT(how, HasSubstr("QEMU"));
  EXPECT_EQ(vmm_->WaitForExit(), how);
  for (const UniqueFd& channel : channels) {
    char byte = 0;
    EXPECT_LE(::read(channel.get(), &byte, 1), 0);
  }
}

TEST_P(VmmConformanceTest, ThePidIsAProcesss) { EXPECT_GT(vmm_->pid(), 1); }

INSTANTIATE_TEST_SUITE_P(Fake, VmmConformanceTest, ::testing::Values(Kind::kFake));
INSTANTIATE_TEST_SUITE_P(Qemu, VmmConformanceTest, ::testing::Values(Kind::kReal));

class QemuVmmTest : public VmmConformanceTest {};

TEST_P(QemuVmmTest, IsRecordedUntilItIsGone) {
  const auto recorded = ReadProcessRecord(dir_.path());
  ASSERT_EQ(recorded.size(), 1U);
  EXPECT_EQ(recorded[0].pid, vmm_->pid());
  EXPECT_EQ(KillRecorded(dir_.path(), seconds(10)), 2) << "once by record, once by pid file";
  EXPECT_THAT(vmm_->WaitForExit(), HasSubstr("terminating on signal 15"));
}

TEST_P(QemuVmmTest, HoldsAScratchThatIsGoneWithIt) {
  auto spec = Spec();
  spec.dir = dir_.path() / "other";
  std::filesystem::create_directory(spec.dir);
  auto scratch = MakeScratch(dir_.path() / "scratch", 16);
  ASSERT_TRUE(scratch.ok() && scratch->has_value());
  struct stat status {};
  ASSERT_EQ(::fstat((*scratch)->fd.get(), &status), 0);
  spec.scratch = (*scratch)->disk;
  auto vmm = Qemu().Launch(spec);
  ASSERT_TRUE(vmm.ok()) << vmm.error().message();
  scratch->reset();
  const auto held = [&](pid_t pid) {
    std::error_code gone;
    const auto fds = "/proc/" + std::to_string(pid) + "/fd";
    return std::ranges::any_of(std::filesystem::directory_iterator(fds, gone), [&](const auto& fd) {
      struct stat one {};
      return ::stat(fd.path().c_str(), &one) == 0 && one.st_ino == status.st_ino &&
             one.st_dev == status.st_dev;
    });
  };
  EXPECT_TRUE(held((*vmm)->pid()));
  EXPECT_TRUE(std::filesystem::is_empty(dir_.path() / "scratch"));
  // Its place is its own: layers go elsewhere.
  EXPECT_EQ((*vmm)->AttachDisk(Disk("scratch", "disk-a")).error().code(),
            ErrorCode::kAlreadyExists);
  EXPECT_TRUE((*vmm)->AttachDisk(Disk("layer-1", "disk-a")).ok());
}

TEST_P(QemuVmmTest, SaysWhatQemuSaid) {
  auto spec = Spec();
  spec.dir = dir_.path() / "other";
  std::filesystem::create_directory(spec.dir);
  spec.kernel = "/nowhere/kernel";
  const auto vmm = Qemu().Launch(spec);
  ASSERT_FALSE(vmm.ok());
  EXPECT_THAT(vmm.error().message(), HasSubstr("QEMU exited with status 1"));
  EXPECT_THAT(vmm.error().message(), HasSubstr("/nowhere/kernel"));
}

TEST_P(QemuVmmTest, AQemuThatDiesAfterItOpenedItsSocketsSaysWhy) {
  auto spec = Spec();
  spec.dir = dir_.path() / "other";
  std::filesystem::create_directory(spec.dir);
  std::string kernel = ReadFile(spec.kernel, 4096).value();
  kernel.replace(0x22c, 4, std::string(4, '\0'));
  ASSERT_TRUE(ReplaceFileDurably(spec.kernel, kernel).ok());
  const auto vmm = Qemu().Launch(spec);
  ASSERT_FALSE(vmm.ok());
  EXPECT_THAT(vmm.error().message(), HasSubstr("initrd is too large"));
}

TEST_P(QemuVmmTest, AMissingProgramIsNamed) {
  auto spec = Spec();
  const auto vmm = Qemu("/nowhere/qemu").Launch(spec);
  ASSERT_FALSE(vmm.ok());
  EXPECT_THAT(vmm.error().message(), HasSubstr("/nowhere/qemu"));
}

TEST_P(QemuVmmTest, AQemuThatHangsIsGivenUp) {
  auto spec = Spec();
  const auto program = dir_.path() / "hang";
  ASSERT_TRUE(ReplaceFileDurably(program, "#!/bin/sh\nexec sleep 1000\n", 0700).ok());
  std::filesystem::remove(dir_.path() / "qmp.sock");
  vmm_.reset();
  const auto vmm = Qemu(program, std::chrono::milliseconds(100)).Launch(spec);
  ASSERT_FALSE(vmm.ok());
  EXPECT_EQ(vmm.error().code(), ErrorCode::kDeadlineExceeded);
}

INSTANTIATE_TEST_SUITE_P(Qemu, QemuVmmTest, ::testing::Values(Kind::kReal));

}  // namespace
}  // namespace locket::runtime_shim
