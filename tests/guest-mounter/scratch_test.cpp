#include "guest-mounter/scratch.h"

#include <gmock/gmock.h>

#include "base/file.h"
#include "device/fake_block_devices.h"
#include "device/fake_dm_control.h"
#include "device/fake_mount_control.h"

namespace locket::guest_mounter {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr uint64_t kMib = uint64_t{1} << 20;

// A DmControl that keeps a copy of each key it is given, as the kernel does.
class KeyCopyingDm final : public device::DmControl {
 public:
  explicit KeyCopyingDm(device::FakeDmControl& fake) : fake_(fake) {}
  Result<std::string> Create(const std::string& name, std::span<const device::DmTarget> table,
                             device::DmAccess access) override {
    for (const auto& target : table) {
      if (target.key == nullptr) continue;
      const auto bytes = target.key->Reveal();
      keys.emplace_back(bytes.begin(), bytes.end());
    }
    return fake_.Create(name, table, access);
  }
  Status Remove(const std::string& name) override { return fake_.Remove(name); }
  Status RemoveWhenClosed(const std::string& name) override { return fake_.RemoveWhenClosed(name); }
  Result<std::string> TargetStatus(const std::string& name) override {
    return fake_.TargetStatus(name);
  }
  std::vector<std::vector<std::byte>> keys{};

 private:
  device::FakeDmControl& fake_;
};

class ScratchTest : public ::testing::Test {
 protected:
  ScratchTest() {
    Plug(64 * kMib + 1536);
    disks_.OnAwait([this](std::chrono::milliseconds at_most) { clock_.Advance(at_most); });
  }

  void Plug(uint64_t bytes) {
    disks_.Plug(std::string(kScratchSerial), {.path = "/dev/sdz", .size_bytes = bytes});
  }

  Result<std::unique_ptr<Scratch>> Open() {
    return Scratch::Open({.dm = dm_, .mounts = mounts_, .disks = disks_, .clock = clock_},
                         [this](const std::string& device) -> Status {
                           made_.push_back(device);
                           if (fail_make_) return Error(ErrorCode::kInternal, "mkfs: injected");
                           return Ok();
                         },
                         {.directory = directory_.path() / "run/scratch"});
  }

  bool NothingIsLeft() {
    return fake_dm_.devices().empty() && mounts_.mounts().empty() &&
           !std::filesystem::exists(directory_.path() / "run/scratch");
  }

  device::FakeDmControl fake_dm_;
  KeyCopyingDm dm_{fake_dm_};
  device::FakeMountControl mounts_;
  device::FakeBlockDevices disks_;
  FakeClock clock_;
  std::vector<std::string> made_;
  bool fail_make_ = false;
  TempDir directory_ = std::move(TempDir::Create(::testing::TempDir(), "scratch").value());
};

TEST_F(ScratchTest, StacksAuthenticatedEncryptionUnderAFileSystemMadeAnew) {
  auto scratch = Open();
  ASSERT_TRUE(scratch.ok()) << scratch.error().message();
  const auto& integrity = fake_dm_.devices().at("scratch-integrity").front();
  EXPECT_EQ(integrity.type, "integrity");
  EXPECT_THAT(integrity.params,
              AllOf(HasSubstr("/dev/sdz 0 32 D "), HasSubstr("meta_device:/dev/ram0")));
  EXPECT_EQ(integrity.num_sectors, 64 * kMib / 512) << "whole sectors of 4096 only";
  const auto& crypt = fake_dm_.devices().at("scratch-crypt").front();
  EXPECT_THAT(crypt.params,
              AllOf(HasSubstr("authenc(hmac(sha256),xts(aes))"),
                    HasSubstr("/dev/fake-scratch-integrity"), HasSubstr("integrity:32:aead")));
  EXPECT_EQ(crypt.num_sectors, integrity.num_sectors);
  EXPECT_TRUE(fake_dm_.writable("scratch-integrity"));
  EXPECT_TRUE(fake_dm_.writable("scratch-crypt"));
  EXPECT_THAT(made_, ElementsAre("/dev/fake-scratch-crypt"));
  ASSERT_EQ(mounts_.mounts().size(), 1U);
  EXPECT_EQ(mounts_.mounts()[0].source, "/dev/fake-scratch-crypt");
  EXPECT_TRUE(mounts_.mounts()[0].nodev && mounts_.mounts()[0].nosuid);
  EXPECT_EQ((*scratch)->path(), (directory_.path() / "run/scratch").string());
  scratch->reset();
  EXPECT_TRUE(NothingIsLeft());
}

TEST_F(ScratchTest, EveryScratchHasAKeyOfItsOwn) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Open().ok());
  ASSERT_EQ(dm_.keys.size(), 2U);
  EXPECT_EQ(dm_.keys[0].size(), device::kSealedCryptKeyBytes);
  EXPECT_NE(dm_.keys[0], dm_.keys[1]);
  // The kernel refuses AES-XTS keys of two equal halves; ours are three parts of one draw.
  EXPECT_FALSE(std::equal(dm_.keys[0].begin(), dm_.keys[0].begin() + 32, dm_.keys[0].begin() + 32));
}

TEST_F(ScratchTest, ASizeThatCannotBeIsSaid) {
  for (const uint64_t bytes :
       {uint64_t{4096}, kMinScratchBytes - 1, kMaxScratchBytes + 4096, UINT64_MAX - 511}) {
    Plug(bytes);
    const auto scratch = Open();
    ASSERT_FALSE(scratch.ok());
    EXPECT_EQ(scratch.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(
        scratch.error().message(),
        HasSubstr("scratch: the disk has " + std::to_string(bytes) + " bytes; 16777216 to"));
    EXPECT_TRUE(NothingIsLeft());
  }
}

TEST_F(ScratchTest, ADiskThatDoesNotComeIsWaitedForAndNamed) {
  device::FakeBlockDevices none;
  none.OnAwait([this](std::chrono::milliseconds at_most) { clock_.Advance(at_most); });
  const auto scratch = Scratch::Open({.dm = dm_, .mounts = mounts_, .disks = none, .clock = clock_},
                                     [](const std::string&) { return Ok(); },
                                     {.directory = directory_.path() / "run/scratch"});
  ASSERT_FALSE(scratch.ok());
  EXPECT_THAT(scratch.error().message(),
              AllOf(HasSubstr("scratch: "), HasSubstr("locket-scratch")));
  EXPECT_TRUE(NothingIsLeft());
}

TEST_F(ScratchTest, LeavesNothingBehindWhicheverStepFails) {
  fail_make_ = true;
  EXPECT_THAT(Open().error().message(), HasSubstr("scratch: mkfs: injected"));
  EXPECT_TRUE(NothingIsLeft());
  fail_make_ = false;
  for (const int nth : {1, 2}) {
    fake_dm_.FailCall(nth);
    EXPECT_THAT(Open().error().message(), HasSubstr("mapped device 'scratch-"));
    EXPECT_TRUE(NothingIsLeft()) << nth;
  }
  mounts_.FailCall(1);
  EXPECT_FALSE(Open().ok());
  EXPECT_TRUE(NothingIsLeft());
  disks_.FailCall(1);
  EXPECT_FALSE(Open().ok());
  EXPECT_TRUE(NothingIsLeft());
  EXPECT_TRUE(Open().ok()) << "nothing was in the way";
}

}  // namespace
}  // namespace locket::guest_mounter
