#include "runtime-shim/hypervisor/accelerator.h"

#include <gmock/gmock.h>

#include <fstream>

#include "base/file.h"

namespace locket::runtime_shim {
namespace {

using ::testing::HasSubstr;

class AcceleratorTest : public ::testing::Test {
 protected:
  AcceleratorTest() : dir_(TempDir::Create("/tmp", "shim-accel").value()) {}
  Result<Accelerator> Choose(AcceleratorChoice choice, const std::string& key = "key") {
    return ChooseAccelerator(choice, dir_.path(), key, [this] {
      ++probes_;
      return KvmProof{.works = works_, .reason = "the probe said so"};
    });
  }
  // A program that stands in for QEMU.
  std::filesystem::path Program(const std::string& script) {
    const auto path = dir_.path() / "qemu";
    std::ofstream(path) << "#!/bin/sh\n" << script << "\n";
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return path;
  }
  KvmProof Probe(const std::string& script,
                 std::chrono::milliseconds timeout = std::chrono::seconds(20)) {
    return ProbeKvm(Program(script), "/k", "/dev/null", timeout);
  }
  TempDir dir_;
  bool works_ = true;
  int probes_ = 0;
};

TEST_F(AcceleratorTest, TcgProvesNothing) {
  EXPECT_EQ(Choose(AcceleratorChoice::kTcg).value(), Accelerator::kTcg);
  EXPECT_EQ(probes_, 0);
}

TEST_F(AcceleratorTest, AProofIsMadeOnceForItsKey) {
  EXPECT_EQ(Choose(AcceleratorChoice::kAuto).value(), Accelerator::kKvm);
  works_ = false;
  EXPECT_EQ(Choose(AcceleratorChoice::kAuto).value(), Accelerator::kKvm);
  EXPECT_EQ(probes_, 1);
  EXPECT_EQ(Choose(AcceleratorChoice::kAuto, "other boot").value(), Accelerator::kTcg);
  EXPECT_EQ(Choose(AcceleratorChoice::kAuto, "other boot").value(), Accelerator::kTcg);
  EXPECT_EQ(probes_, 2);
}

TEST_F(AcceleratorTest, ABrokenMemoryIsNoMemory) {
  for (const char* text : {"", "[]", "{\"key\":\"key\"}", "{\"key\":\"key\",\"kvm\":1}"}) {
    ASSERT_TRUE(ReplaceFileDurably(dir_.path() / "accelerator.json", text).ok());
    probes_ = 0;
    EXPECT_TRUE(Choose(AcceleratorChoice::kAuto).ok());
    EXPECT_EQ(probes_, 1) << text;
  }
}

TEST_F(AcceleratorTest, DemandedKvmThatDoesNotWorkIsAnError) {
  works_ = false;
  const auto chosen = Choose(AcceleratorChoice::kKvm);
  ASSERT_FALSE(chosen.ok());
  EXPECT_EQ(chosen.error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(chosen.error().message(), HasSubstr("KVM does not work here: the probe said so"));
}

TEST_F(AcceleratorTest, AnAbsentDeviceIsTheReason) {
  const auto proof = ProbeKvm("/bin/true", "/k", "/nowhere/kvm", std::chrono::seconds(1));
  EXPECT_FALSE(proof.works);
  EXPECT_THAT(proof.reason, HasSubstr("/nowhere/kvm"));
}

TEST_F(AcceleratorTest, OnlyAKernelThatGetsFarEnoughProves) {
  EXPECT_TRUE(Probe("echo 'Kernel panic - not syncing: VFS'").works);
  const auto silent = Probe("exit 0");
  EXPECT_FALSE(silent.works);
  EXPECT_THAT(silent.reason, HasSubstr("stopped before it was up"));
  const auto failing = Probe("echo 'ioctl(KVM_CREATE_VM) failed' >&2; exit 1");
  EXPECT_FALSE(failing.works);
  EXPECT_THAT(failing.reason, HasSubstr("ioctl(KVM_CREATE_VM) failed"));
  const auto hanging = Probe("exec sleep 1000", std::chrono::milliseconds(100));
  EXPECT_FALSE(hanging.works);
  EXPECT_THAT(hanging.reason, HasSubstr("did not come up under KVM"));
}

TEST_F(AcceleratorTest, TheKeyChangesWithTheKernel) {
  const auto kernel = dir_.path() / "kernel";
  ASSERT_TRUE(ReplaceFileDurably(kernel, "a").ok());
  const auto before = ProbeKey("/q", kernel);
  EXPECT_EQ(before, ProbeKey("/q", kernel));
  ASSERT_TRUE(ReplaceFileDurably(kernel, "ab").ok());
  EXPECT_NE(before, ProbeKey("/q", kernel));
}

}  // namespace
}  // namespace locket::runtime_shim
