#include "device/block_devices.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <fstream>

#include "base/file.h"
#include "device/fake_block_devices.h"
#include "device/sysfs_block_devices.h"

namespace locket::device {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

TEST(AwaitDeviceTest, FindsADiskThatComesUpWhileItWaits) {
  FakeBlockDevices disks;
  FakeClock clock;
  disks.OnAwait([&](milliseconds at_most) {
    clock.Advance(at_most);
    disks.Plug("abc", {.path = "/dev/sdb", .size_bytes = 8192});
  });
  const auto found = AwaitDevice(disks, clock, "abc", milliseconds(1000));
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->number, "/dev/sdb");
  EXPECT_EQ(found->size_bytes, 8192U);
}

TEST(AwaitDeviceTest, GivesUpAtItsTimeAndNamesTheSerial) {
  FakeBlockDevices disks;
  FakeClock clock;
  disks.OnAwait([&](milliseconds at_most) { clock.Advance(at_most); });
  const auto found = AwaitDevice(disks, clock, "abc", milliseconds(1000));
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code(), ErrorCode::kDeadlineExceeded);
  EXPECT_THAT(found.error().message(), HasSubstr("no disk with serial 'abc'"));
  EXPECT_EQ(clock.Steady().time_since_epoch(), milliseconds(1000));
}

TEST(AwaitDeviceTest, ADiskThatIsOverdueIsLookedForWhereverTheKernelMayHaveOverlookedIt) {
  FakeBlockDevices disks;
  FakeClock clock;
  int looked = 0;
  disks.OnAwait([&](milliseconds at_most) { clock.Advance(at_most); });
  disks.OnLookAgain([&] {
    EXPECT_GE(clock.Steady().time_since_epoch(), kOverdue * ++looked);
    if (looked == 3) disks.Plug("abc", {.path = "/dev/sdb", .size_bytes = 8192});
  });
  EXPECT_TRUE(AwaitDevice(disks, clock, "abc", kOverdue * 10).ok());
  EXPECT_EQ(looked, 3);
  EXPECT_EQ(clock.Steady().time_since_epoch(), kOverdue * 3);
}

TEST(AwaitDeviceTest, AFailureToLookIsNotWaitedOut) {
  FakeBlockDevices disks;
  disks.FailCall(1);
  const auto found = AwaitDevice(disks, FakeClock(), "abc", milliseconds(1000));
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code(), ErrorCode::kUnavailable);
}

UniqueFd ListenOn(const std::filesystem::path& path) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  EXPECT_LT(path.string().size(), sizeof(address.sun_path));
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  return socket;
}

// A sysfs of directories. Disks are the zero device under other names: it opens, has a number, and
// answers reads.
class SysfsBlockDevicesTest : public ::testing::Test {
 protected:
  struct Disk {
    std::string size = "16";
    std::string number = "1:5";
    std::string state = "running";
    std::string node = "/dev/zero";
  };

  void SetUp() override {
    std::filesystem::create_directories(root_.path() / "block");
    std::filesystem::create_directories(root_.path() / "class/scsi_host/host0");
    std::filesystem::create_directories(root_.path() / "dev");
    auto opened = SysfsBlockDevices::Open(root_.path(), root_.path() / "dev");
    ASSERT_TRUE(opened.ok()) << opened.error().message();
    disks_ = std::move(*opened);
  }

  void Add(const std::string& name, const std::string& serial, const Disk& disk) {
    Remove(name);
    const auto directory = root_.path() / "block" / name;
    std::filesystem::create_directories(directory / "device");
    Write(directory / "size", disk.size + "\n");
    Write(directory / "dev", disk.number + "\n");
    Write(directory / "device/state", disk.state + "\n");
    SetSerial(name, serial);
    if (!disk.node.empty()) {
      std::filesystem::create_symlink(disk.node, root_.path() / "dev" / name);
    }
  }
  void Add(const std::string& name, const std::string& serial) { Add(name, serial, Disk{}); }

  void Remove(const std::string& name) {
    std::filesystem::remove_all(root_.path() / "block" / name);
    std::filesystem::remove(root_.path() / "dev" / name);
  }

  void SetSerial(const std::string& name, const std::string& serial) {
    Write(root_.path() / "block" / name / "device/vpd_pg80",
          std::string("\0\x80\0", 3) + static_cast<char>(serial.size()) + serial);
  }

  // What a disk shows at `attribute` from now on.
  void Set(const std::string& name, const std::string& attribute, const std::string& text) {
    Write(root_.path() / "block" / name / attribute, text);
  }

  static void Write(const std::filesystem::path& file, const std::string& text) {
    std::ofstream(file, std::ios::binary) << text;
  }

  // The name of the disk that is found; empty if none is.
  std::string Found(std::string_view serial) {
    const auto found = disks_->Find(serial);
    EXPECT_TRUE(found.ok()) << found.error().message();
    return found.ok() && *found ? (*found)->name : "";
  }

  TempDir root_ = std::move(TempDir::Create(::testing::TempDir(), "sysfs").value());
  std::unique_ptr<SysfsBlockDevices> disks_;
};

TEST_F(SysfsBlockDevicesTest, FindsADiskByTheSerialOfItsPage80AndHoldsIt) {
  Add("sda", "locket-initdata");
  Add("sdb", "0123456789abcdef0123456789abcdef", {.size = "32"});
  const auto found = disks_->Find("0123456789abcdef0123456789abcdef");
  ASSERT_TRUE(found.ok());
  ASSERT_TRUE(found->has_value());
  EXPECT_EQ((*found)->name, "sdb");
  EXPECT_EQ((*found)->number, "1:5");
  EXPECT_EQ((*found)->size_bytes, 16384U);
  EXPECT_TRUE((*found)->file.valid());
}

TEST_F(SysfsBlockDevicesTest, BlanksAroundASerialDoNotCount) {
  Add("sda", std::string("  abc \0", 7));
  EXPECT_EQ(Found("abc"), "sda");
}

TEST_F(SysfsBlockDevicesTest, OfTwoWithOneSerialTheFirstByNameThatIsReadyIsTaken) {
  Add("sdb", "abc");
  Add("sda", "abc");
  EXPECT_EQ(Found("abc"), "sda");
  Set("sda", "device/state", "deleted\n");
  EXPECT_EQ(Found("abc"), "sdb");
}

TEST_F(SysfsBlockDevicesTest, DisksThatAreNotReadyAreNotFound) {
  Add("sda", "zero", {.size = "0"});
  Add("sdb", "text", {.size = "many"});
  Add("sdc", "huge", {.size = "18446744073709551615"});
  Add("sdd", "coming", {.state = "created"});
  Add("sde", "leaving", {.state = "cancel"});
  Add("sdf", "given-up", {.state = "offline"});
  Add("sdg", "no-node", {.node = ""});
  Add("sdh", "node-of-another", {.number = "8:112"});
  Add("sdi", "no-number", {.number = ""});
  Add("sdj", "not-opened", {.node = (root_.path() / "dev/socket").string()});
  const auto listener = ListenOn(root_.path() / "dev/socket");  // open(2) says ENXIO, as of a disk
  Add("vda", "virtio");
  std::filesystem::create_directories(root_.path() / "block/sdk");
  for (const char* serial :
       {"zero", "text", "huge", "coming", "leaving", "given-up", "no-node", "node-of-another",
        "no-number", "not-opened", "virtio", "absent", ""}) {
    EXPECT_EQ(Found(serial), "") << serial;
  }
}

TEST_F(SysfsBlockDevicesTest, ADiskIsFoundOnceItIsReady) {
  Add("sda", "", {.size = "0", .state = "created"});
  EXPECT_EQ(Found("abc"), "");
  SetSerial("sda", "abc");
  EXPECT_EQ(Found("abc"), "");
  Set("sda", "size", "16\n");
  EXPECT_EQ(Found("abc"), "");
  Set("sda", "device/state", "running\n");
  EXPECT_EQ(Found("abc"), "sda");
}

TEST_F(SysfsBlockDevicesTest, ANameThatIsGivenOutAgainIsAnotherDisk) {
  Add("sda", "old");
  EXPECT_EQ(Found("old"), "sda");
  // Something else in between, so that the new directory is not the old one's inode.
  Add("sdb", "other");
  std::filesystem::rename(root_.path() / "block/sda", root_.path() / "was-sda");
  Add("sda", "new");
  EXPECT_EQ(Found("new"), "sda");
  EXPECT_EQ(Found("old"), "");
}

TEST_F(SysfsBlockDevicesTest, ADiskServesWhileItIsPluggedInAndAnswers) {
  Add("sda", "good");
  Add("sdb", "silent", {.number = "1:3", .node = "/dev/null"});
  auto good = disks_->Find("good");
  auto silent = disks_->Find("silent");
  ASSERT_TRUE(good.ok() && *good && silent.ok() && *silent);
  EXPECT_TRUE(disks_->Serves(**good));
  EXPECT_FALSE(disks_->Serves(**silent)) << "nothing can be read";
  Set("sda", "device/state", "cancel\n");
  EXPECT_FALSE(disks_->Serves(**good)) << "on its way out";
  Remove("sda");
  EXPECT_FALSE(disks_->Serves(**good)) << "gone";
}

TEST_F(SysfsBlockDevicesTest, EveryAdapterIsAskedToLookAgain) {
  std::filesystem::create_directories(root_.path() / "class/scsi_host/host1");
  std::filesystem::create_directories(root_.path() / "class/scsi_host/cannot");
  for (const char* host : {"host0", "host1"}) {
    Write(root_.path() / "class/scsi_host" / host / "scan", "");
  }
  disks_->LookAgain();
  for (const char* host : {"host0", "host1"}) {
    EXPECT_EQ(*ReadFile(root_.path() / "class/scsi_host" / host / "scan", 64), "- - -") << host;
  }
}

TEST_F(SysfsBlockDevicesTest, SaysWhereItCouldNotLook) {
  const auto gone = SysfsBlockDevices::Open(root_.path() / "absent", root_.path());
  ASSERT_TRUE(gone.ok());
  const auto found = (*gone)->Find("abc");
  ASSERT_FALSE(found.ok());
  EXPECT_THAT(found.error().message(), HasSubstr("absent/block'"));
}

}  // namespace
}  // namespace locket::device
