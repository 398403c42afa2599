// The scratch on the kernel's device mapper and ext4. The guest plays the host too: what the host
// does to its file, these tests do to the disk below.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>

#include "base/encoding.h"
#include "base/file.h"
#include "device/kernel_dm_control.h"
#include "device/kernel_mount_control.h"
#include "device/sysfs_block_devices.h"
#include "guest-mounter/make_ext4.h"
#include "guest-mounter/scratch.h"

namespace locket::guest_mounter {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr size_t kBlock = 4096;
constexpr char kDirectory[] = "/run/test-scratch";

class ScratchInVmTest : public ::testing::Test {
 protected:
  ScratchInVmTest() {
    const auto begin = std::chrono::steady_clock::now();
    auto made = Scratch::Open({.dm = *dm_, .mounts = mounts_, .disks = *disks_, .clock = clock_},
                              MakeExt4, {.directory = kDirectory});
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().message());
    if (made.ok()) scratch_ = std::move(*made);
    const auto took = std::chrono::steady_clock::now() - begin;
    std::printf("scratch opened in %ld ms\n",
                std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
  }

  // Writes a file whose every block begins with its number and `mark`, down to the disk.
  static void WriteMarked(const std::string& mark, size_t blocks) {
    std::string text;
    for (size_t i = 0; i < blocks; ++i) {
      std::string block = std::to_string(i) + mark;
      block.resize(kBlock, '.');
      text += block;
    }
    auto file = OpenFile(File(), O_WRONLY | O_CREAT);
    ASSERT_TRUE(file.ok()) << file.error().message();
    ASSERT_TRUE(WriteFull(file->get(), AsBytes(text)).ok());
    ASSERT_EQ(::fsync(file->get()), 0);
  }

  static std::string File() { return std::string(kDirectory) + "/file"; }

  static void DropCaches() {
    ::sync();
    auto file = OpenFile("/proc/sys/vm/drop_caches", O_WRONLY);
    ASSERT_TRUE(file.ok() && WriteFull(file->get(), AsBytes("3")).ok());
  }

  // What is in block `index` of the file, after the caches have been emptied; or why not.
  static std::string Read(size_t index) {
    DropCaches();
    auto file = OpenFile(File(), O_RDONLY);
    if (!file.ok()) return file.error().message();
    EXPECT_EQ(::posix_fadvise(file->get(), 0, 0, POSIX_FADV_RANDOM), 0);  // that block alone
    std::string block(kBlock, '\0');
    const Status got =
        PreadFull(file->get(), std::as_writable_bytes(std::span(block)), index * kBlock);
    return got.ok() ? block.substr(0, block.find('.')) : got.error().message();
  }

  // Where block `index` of the file lies on the disk.
  static uint64_t PlaceOf(size_t index) {
    auto file = OpenFile(File(), O_RDONLY);
    EXPECT_TRUE(file.ok());
    int block = static_cast<int>(index);
    EXPECT_EQ(::ioctl(file->get(), FIBMAP, &block), 0);
    EXPECT_GT(block, 0);
    return static_cast<uint64_t>(block) * kBlock;
  }

  // The disk as the host sees it.
  std::string HostRead(uint64_t offset, size_t bytes) {
    std::string text(bytes, '\0');
    ::ioctl(disk_.get(), BLKFLSBUF, 0);
    EXPECT_TRUE(PreadFull(disk_.get(), std::as_writable_bytes(std::span(text)), offset).ok());
    return text;
  }
  void HostWrite(uint64_t offset, const std::string& text) {
    EXPECT_TRUE(PwriteFull(disk_.get(), AsBytes(text), offset).ok());
    EXPECT_EQ(::fsync(disk_.get()), 0);
  }

  std::unique_ptr<device::DmControl> dm_ = std::move(*device::OpenKernelDmControl());
  device::KernelMountControl mounts_;
  std::unique_ptr<device::SysfsBlockDevices> disks_ = std::move(*device::SysfsBlockDevices::Open());
  SystemClock clock_;
  UniqueFd disk_ = std::move(*OpenFile("/dev/" + (*disks_->Find(kScratchSerial))->name, O_RDWR));
  std::unique_ptr<Scratch> scratch_;
};

TEST_F(ScratchInVmTest, WhatTheHostDoesToItsFileFailsToReadAndNothingElseDoes) {
  ASSERT_TRUE(scratch_ != nullptr);
  WriteMarked("-old-needle", 16);
  for (size_t i = 0; i < 16; ++i) EXPECT_EQ(Read(i), std::to_string(i) + "-old-needle");
  const uint64_t flipped = PlaceOf(3);
  const uint64_t swapped = PlaceOf(5);
  const uint64_t replayed = PlaceOf(7);
  const std::string old = HostRead(replayed, kBlock);
  EXPECT_THAT(old, Not(HasSubstr("needle")));

  std::string block = HostRead(flipped, kBlock);
  block[2000] = static_cast<char>(block[2000] ^ 1);
  HostWrite(flipped, block);
  HostWrite(swapped, HostRead(PlaceOf(6), kBlock));
  EXPECT_THAT(Read(3), HasSubstr("nput/output error")) << "one bit of ciphertext";
  EXPECT_THAT(Read(5), HasSubstr("nput/output error")) << "another sector's ciphertext";
  EXPECT_EQ(Read(6), "6-old-needle");

  WriteMarked("-new-needle", 16);
  for (size_t i = 0; i < 16; ++i) EXPECT_EQ(Read(i), std::to_string(i) + "-new-needle");
  ASSERT_EQ(PlaceOf(7), replayed) << "written in place";
  HostWrite(replayed, old);
  EXPECT_THAT(Read(7), HasSubstr("nput/output error")) << "an older state of the same sector";
}

TEST_F(ScratchInVmTest, TheHostsDiskHoldsNoPlaintextAndNoHeader) {
  ASSERT_TRUE(scratch_ != nullptr);
  WriteMarked("-needle-in-the-stack", 1024);
  DropCaches();
  struct stat status {};
  ASSERT_EQ(::fstat(disk_.get(), &status), 0);
  constexpr size_t kStep = 1 << 20;
  const uint64_t size = (*disks_->Find(kScratchSerial))->size_bytes;
  for (uint64_t at = 0; at < size; at += kStep) {
    const std::string part = HostRead(at, kStep);
    ASSERT_EQ(part.find("needle-in-the-stack"), std::string::npos) << at;
    ASSERT_EQ(part.find("integrt"), std::string::npos) << "dm-integrity's magic at " << at;
    ASSERT_EQ(part.find(std::string("\x53\xef\x01\x00\x02", 5)), std::string::npos)
        << "ext4's at " << at;
  }
}

TEST_F(ScratchInVmTest, ASectorNobodyWroteDoesNotRead) {
  ASSERT_TRUE(scratch_ != nullptr);
  // In the middle, where mke2fs had nothing to write.
  const uint64_t size = (*disks_->Find(kScratchSerial))->size_bytes;
  auto crypt = OpenFile("/dev/dm-1", O_RDONLY | O_DIRECT);
  ASSERT_TRUE(crypt.ok()) << crypt.error().message();
  alignas(kBlock) static std::array<std::byte, kBlock> block;
  EXPECT_LT(::pread(crypt->get(), block.data(), block.size(),
                    static_cast<off_t>(size / kBlock / 4 * 3 * kBlock)),
            0);
}

TEST_F(ScratchInVmTest, AFullScratchSaysSoAndGoesOn) {
  ASSERT_TRUE(scratch_ != nullptr);
  auto file = OpenFile(File(), O_WRONLY | O_CREAT);
  ASSERT_TRUE(file.ok());
  const std::string part(1 << 20, 'x');
  Status written = Ok();
  for (int i = 0; i < 1000 && written.ok(); ++i) written = WriteFull(file->get(), AsBytes(part));
  ASSERT_FALSE(written.ok());
  EXPECT_THAT(written.error().message(), HasSubstr("No space left on device"));
  file->reset();
  std::filesystem::remove(File());
  WriteMarked("-room again", 4);
  EXPECT_EQ(Read(3), "3-room again");
}

// The last one: it takes the disk away.
TEST_F(ScratchInVmTest, ADiskThatVanishesGivesErrorsAndCanBeTakenDown) {
  ASSERT_TRUE(scratch_ != nullptr);
  WriteMarked("-soon gone", 16);
  DropCaches();
  const std::string disk = (*disks_->Find(kScratchSerial))->name;
  auto remove = OpenFile("/sys/block/" + disk + "/device/delete", O_WRONLY);
  ASSERT_TRUE(remove.ok() && WriteFull(remove->get(), AsBytes("1")).ok());
  auto file = OpenFile(File(), O_RDWR);
  if (file.ok()) {  // its inode was still known
    EXPECT_THAT(Read(3), HasSubstr("nput/output error"));
    (void)WriteFull(file->get(), AsBytes("into the void"));
    EXPECT_NE(::fsync(file->get()), 0);
    file->reset();
  }
  scratch_.reset();
  EXPECT_FALSE(std::filesystem::exists(kDirectory));
  EXPECT_EQ(dm_->TargetStatus("scratch-crypt").error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(dm_->TargetStatus("scratch-integrity").error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace locket::guest_mounter
