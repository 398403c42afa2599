#include "verity/verify_layer.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/encoding.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "verity/hash_tree.h"
#include "verity/superblock.h"

namespace locket::verity {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// A blob on disk of `blocks` data blocks, no two alike.
struct Blob {
  TempDir temp = std::move(TempDir::Create(fs::temp_directory_path(), "verity-test-")).value();
  fs::path path = temp.path() / "blob";
  UniqueFd fd = std::move(OpenFile(path, O_RDWR | O_CREAT)).value();
  LayerIdentity identity{.root_hash = {}, .salt = {}, .data_size = 0};

  explicit Blob(uint64_t blocks) {
    identity.salt.fill(std::byte{7});
    identity.data_size = blocks * kBlockSize;
    const Layout layout = *LayoutFor(identity.data_size);
    HashTreeBuilder builder(identity.salt, layout);
    // Backwards, since any order must do.
    for (uint64_t i = blocks; i-- > 0;) {
      const std::vector<std::byte> block(kBlockSize, static_cast<std::byte>(i + i / 251));
      builder.Put(i, block);
      EXPECT_TRUE(PwriteFull(fd.get(), block, i * kBlockSize).ok());
    }
    ::lseek(fd.get(), 0, SEEK_END);
    EXPECT_TRUE(WriteFull(fd.get(), EncodeSuperblock(SuperblockFor(identity.salt, layout))).ok());
    auto root = builder.Finish([&](auto level) { return WriteFull(fd.get(), level); });
    EXPECT_TRUE(root.ok());
    identity.root_hash = *root;
  }

  void Flip(uint64_t at) const {
    std::array<std::byte, 1> byte;
    EXPECT_TRUE(PreadFull(fd.get(), byte, at).ok());
    byte[0] ^= std::byte{1};
    EXPECT_TRUE(PwriteFull(fd.get(), byte, at).ok());
  }
};

class HashTreeTest : public ::testing::TestWithParam<uint64_t> {};

TEST_P(HashTreeTest, IsWhatVeritysetupExpects) {
  const Blob blob(GetParam());
  const auto run =
      RunCommand({"veritysetup", "verify", blob.path, blob.path, HexEncode(blob.identity.root_hash),
                  "--hash-offset=" + std::to_string(blob.identity.data_size)});
  if (!run.ok() && run.error().code() == ErrorCode::kNotFound) GTEST_SKIP() << "no veritysetup";
  ASSERT_TRUE(run.ok()) << run.error().message();
  EXPECT_EQ(run->exit_status, 0) << run->standard_error;
  const auto checked = VerifyLayer(blob.fd.get(), blob.identity);
  EXPECT_TRUE(checked.ok()) << checked.error().message();
}

// One block; one hash block full and not; two levels; three; a chunk of the reader and a bit.
INSTANTIATE_TEST_SUITE_P(Sizes, HashTreeTest, ::testing::Values(1, 2, 127, 128, 129, 1030, 16500));

TEST(HashTreeTest, PassesOnWriteErrors) {
  HashTreeBuilder two(Salt{}, *LayoutFor(2 * kBlockSize));
  two.Put(0, std::vector<std::byte>(2 * kBlockSize));
  const auto root = two.Finish([](auto) { return Status(Error(ErrorCode::kInternal, "full")); });
  ASSERT_FALSE(root.ok());
  EXPECT_EQ(root.error().message(), "full");
}

TEST(VerifyLayerTest, NamesTheFirstBadBlockWhereverItIs) {
  const Blob blob(300);
  const uint64_t data = 300 * kBlockSize;
  const std::pair<uint64_t, const char*> table[] = {
      {0, "data block at byte 0 "},
      {299 * kBlockSize + 5, "data block at byte 1224704 (block 299 of the blob)"},
      {data + 16, "verity superblock"},
      {data + kBlockSize, "hash block at byte 1232896 "},
      {data + 2 * kBlockSize, "hash block at byte 1236992 "},
      {data + 5 * kBlockSize - 1, "hash block at byte 1245184 "}};
  for (const auto& [at, reason] : table) {
    blob.Flip(at);
    const auto checked = VerifyLayer(blob.fd.get(), blob.identity);
    ASSERT_FALSE(checked.ok()) << at;
    EXPECT_EQ(checked.error().code(), ErrorCode::kDataLoss);
    EXPECT_THAT(checked.error().message(), HasSubstr(reason));
    blob.Flip(at);
  }
  EXPECT_TRUE(VerifyLayer(blob.fd.get(), blob.identity).ok());
}

TEST(VerifyLayerTest, RefusesAnotherIdentity) {
  const Blob blob(3);
  LayerIdentity other = blob.identity;
  other.root_hash[0] ^= std::byte{1};
  EXPECT_THAT(VerifyLayer(blob.fd.get(), other).error().message(), HasSubstr("hash block"));
  other = blob.identity;
  other.salt[0] ^= std::byte{1};
  EXPECT_THAT(VerifyLayer(blob.fd.get(), other).error().message(), HasSubstr("salt"));
  other = blob.identity;
  other.data_size = 4 * kBlockSize;
  EXPECT_THAT(VerifyLayer(blob.fd.get(), other).error().message(), HasSubstr("it must be"));
}

TEST(VerifyLayerTest, RefusesABlobCutShort) {
  const Blob blob(3);
  ASSERT_EQ(::ftruncate(blob.fd.get(), 4 * 4096), 0);
  EXPECT_THAT(VerifyLayer(blob.fd.get(), blob.identity).error().message(),
              HasSubstr("16384 bytes long"));
}

TEST(VerifyLayerTest, HandsOutOnlyCheckedDataAndStopsWhenTold) {
  const Blob blob(1100);  // more than one chunk
  blob.Flip(1090 * kBlockSize);
  uint64_t blocks = 0;
  const auto count = [&](uint64_t first, std::span<std::byte> chunk) {
    EXPECT_EQ(first, blocks);
    blocks += chunk.size() / kBlockSize;
    return Ok();
  };
  EXPECT_FALSE(VerifyLayer(blob.fd.get(), blob.identity, count).ok());
  EXPECT_EQ(blocks, 1024U);
  const auto stop = [](uint64_t, std::span<std::byte>) {
    return Status(Error(ErrorCode::kCancelled, "enough"));
  };
  EXPECT_EQ(VerifyLayer(blob.fd.get(), blob.identity, stop).error().message(), "enough");
}

}  // namespace
}  // namespace locket::verity
