// Builds images into files, and looks into them by way of the kernel.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "base/encoding.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "erofs/decompressor.h"
#include "erofs/image_builder.h"

namespace locket::erofs {

inline ByteSource SourceOf(std::string_view bytes, size_t piece = 70001) {
  return [bytes, piece](std::span<std::byte> out) mutable -> Result<size_t> {
    const size_t size = std::min({out.size(), bytes.size(), piece});
    std::memcpy(out.data(), bytes.data(), size);
    bytes.remove_prefix(size);
    return size;
  };
}

// All of `bytes` in one piece.
inline PieceSource PiecesOf(std::string_view bytes) {
  return [bytes]() mutable -> Result<std::span<const std::byte>> {
    return AsBytes(std::exchange(bytes, {}));
  };
}

// Writes to a file, holes for zeros, and insists on the order that BlockSink promises.
class CheckingSink final : public BlockSink {
 public:
  explicit CheckingSink(int fd) : fd_(fd) {}
  Status Write(uint64_t first_block, std::span<std::byte> blocks) override {
    EXPECT_FALSE(done_);
    EXPECT_EQ(blocks.size() % kBlockSize, 0U);
    if (first_block == 0) {
      done_ = true;
      EXPECT_EQ(blocks.size(), kBlockSize);
    } else {
      EXPECT_EQ(first_block, next_);
      next_ += blocks.size() / kBlockSize;
    }
    for (uint64_t i = 0; i < blocks.size(); i += kBlockSize) {
      const auto block = blocks.subspan(i, kBlockSize);
      static constexpr std::array<std::byte, kBlockSize> kZeros{};
      if (std::memcmp(block.data(), kZeros.data(), kBlockSize) == 0) continue;
      if (auto put = PwriteFull(fd_, block, first_block * kBlockSize + i); !put.ok()) return put;
    }
    return Ok();
  }
  uint64_t blocks() const { return next_; }

 private:
  int fd_;
  uint64_t next_ = 1;
  bool done_ = false;
};

inline constexpr size_t kPiece = 30011;
inline constexpr std::array<std::byte, 16> kSomeUuid{std::byte{0xaa}, std::byte{0xbb}};

struct Image {
  TempDir temp = std::move(TempDir::Create("/tmp", "erofs-test-")).value();
  std::filesystem::path path = temp.path() / "image";
  std::filesystem::path mount_point = temp.path() / "mnt";
  UniqueFd fd = std::move(OpenFile(path, O_RDWR | O_CREAT)).value();
  ImageInfo info{};
  std::string tar_seen{};
  Compression compression = Compression::kNone;
  const LowerDirectories* lower = nullptr;
  bool mounted = false;

  Image() = default;
  Image(const Image&) = delete;
  ~Image() {
    if (mounted) ::umount2(mount_point.c_str(), MNT_DETACH);
  }

  Status Build(const ByteSource& source, const ImageLimits& limits = {}, bool keep_tar = false) {
    CheckingSink sink(fd.get());
    LOCKET_TRY_ASSIGN(
        auto builder,
        ImageBuilder::Create(
            {.spool_directory = temp.path(), .limits = limits, .compression = compression}, sink));
    LOCKET_TRY_ASSIGN(auto tar, Decompressor::Open(source));
    std::vector<std::byte> piece(kPiece);
    LOCKET_TRY(builder.AddTar([&]() -> Result<std::span<const std::byte>> {
      LOCKET_TRY_ASSIGN(const size_t size, tar.Read(piece));
      if (keep_tar) tar_seen.append(reinterpret_cast<const char*>(piece.data()), size);
      return std::span<const std::byte>(piece).first(size);
    }));
    LOCKET_TRY_ASSIGN(info, builder.Finish(kSomeUuid, lower));
    EXPECT_EQ(info.size_bytes, sink.blocks() * kBlockSize);
    if (::ftruncate(fd.get(), static_cast<off_t>(info.size_bytes)) != 0) {
      return Error::FromErrno(errno, "truncate");
    }
    return Ok();
  }

  // The message of fsck.erofs, empty if it is content.
  std::string Fsck() const {
    const auto run = RunCommand({"fsck.erofs", path});
    if (!run.ok()) return run.error().message();
    return run->exit_status == 0 ? "" : run->standard_output + run->standard_error + "failed";
  }

  // Why it cannot be mounted, empty if it is.
  std::string Mount() {
    std::filesystem::create_directory(mount_point);
    const auto run = RunCommand({"mount", "-t", "erofs", "-o", "loop,ro", path, mount_point});
    if (!run.ok()) return run.error().message();
    mounted = run->exit_status == 0;
    return mounted ? "" : run->standard_error + "failed";
  }

  static bool CanMount() { return ::geteuid() == 0 && ::access("/dev/loop-control", R_OK) == 0; }
};

#define LOCKET_BUILD_AND_MOUNT(image, tar)                               \
  if (!Image::CanMount()) GTEST_SKIP() << "needs root and loop devices"; \
  {                                                                      \
    const std::string bytes_of_tar = (tar);                              \
    const auto built = (image).Build(SourceOf(bytes_of_tar));            \
    ASSERT_TRUE(built.ok()) << built.error().message();                  \
    ASSERT_EQ((image).Fsck(), "");                                       \
    ASSERT_EQ((image).Mount(), "");                                      \
  }                                                                      \
  static_assert(true)

}  // namespace locket::erofs
