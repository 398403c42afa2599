#include "image/seal/seal_layer.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "base/encoding.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "tests/erofs/tar_maker.h"
#include "verity/sector_cipher.h"

namespace locket::image {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

TarSource SourceOf(std::string_view bytes) {
  return [bytes](std::span<std::byte> out) mutable -> Result<size_t> {
    const size_t size = std::min({out.size(), bytes.size(), size_t{50000}});
    std::memcpy(out.data(), bytes.data(), size);
    bytes.remove_prefix(size);
    return size;
  };
}

std::string SomeTar() {
  TarMaker tar;
  for (int i = 0; i < 500; ++i) {
    tar.File("dir/" + std::to_string(i), std::string(static_cast<size_t>(i) * 41, 'x'));
  }
  return tar.Finish();
}

// A sealed layer in a directory of its own.
struct Sealed {
  TempDir temp = std::move(TempDir::Create("/tmp", "seal-test-")).value();
  fs::path path = temp.path() / "blob";

  Result<SealedLayer> Seal(std::string_view tar, const SealLayerOptions& options = {}) const {
    return SealLayer(options, SourceOf(tar), path);
  }
  size_t NumFiles() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(temp.path()), {}));
  }
  std::string Blob() const { return *ReadFile(path, 64U << 20); }
};

verity::LayerIdentity IdentityOf(const SealedLayer& layer) {
  return {.root_hash = layer.root_hash, .salt = layer.salt, .data_size = layer.data_size};
}

std::string Output(const std::vector<std::string>& argv) {
  const auto run = RunCommand(argv);
  if (!run.ok()) return run.error().message();
  return run->exit_status == 0 ? run->standard_output : "failed: " + run->standard_error;
}

class SealLayerTest : public ::testing::TestWithParam<bool> {};

TEST_P(SealLayerTest, WritesWhatItSaysAndToolsAccept) {
  const std::string tar = SomeTar();
  const Sealed sealed;
  const auto layer = sealed.Seal(tar, {.encrypt = GetParam()});
  ASSERT_TRUE(layer.ok()) << layer.error().message();
  EXPECT_EQ(sealed.NumFiles(), 1U);
  EXPECT_EQ(fs::file_size(sealed.path), layer->blob_size);
  EXPECT_EQ(fs::status(sealed.path).permissions(), fs::perms(0644));
  const std::string blob = sealed.Blob();
  EXPECT_EQ(layer->blob_digest, verity::DigestText(verity::Sha256Of(AsBytes(blob))));
  EXPECT_EQ(layer->diff_id, verity::DigestText(verity::Sha256Of(AsBytes(tar))));
  EXPECT_EQ(layer->key.has_value(), GetParam());
  EXPECT_EQ(Output({"veritysetup", "verify", sealed.path, sealed.path, HexEncode(layer->root_hash),
                    "--hash-offset=" + std::to_string(layer->data_size)}),
            "");
  EXPECT_THAT(Output({"veritysetup", "dump", sealed.path,
                      "--hash-offset=" + std::to_string(layer->data_size)}),
              HasSubstr(HexEncode(layer->salt)));
}

TEST_P(SealLayerTest, IsExtractedToAnImageThatFsckAccepts) {
  const Sealed sealed;
  const auto layer = sealed.Seal(SomeTar(), {.encrypt = GetParam()});
  ASSERT_TRUE(layer.ok());
  const fs::path image = sealed.temp.path() / "image";
  const auto blob = OpenFile(sealed.path, O_RDONLY);
  const auto out = OpenFile(image, O_WRONLY | O_CREAT);
  const Secret* key = layer->key.has_value() ? &*layer->key : nullptr;
  const auto extracted = ExtractLayer(blob->get(), IdentityOf(*layer), key, out->get());
  ASSERT_TRUE(extracted.ok()) << extracted.error().message();
  EXPECT_EQ(fs::file_size(image), layer->data_size);
  EXPECT_EQ(Output({"fsck.erofs", image}), "");
  EXPECT_THAT(Output({"dump.erofs", "-s", image}),
              HasSubstr("inode count:                       502"));
}

INSTANTIATE_TEST_SUITE_P(PlainAndEncrypted, SealLayerTest, ::testing::Bool());

TEST(SealLayerPlainTest, GivesTheSameBlobForTheSameTarHoweverPacked) {
  const std::string tar = SomeTar();
  const std::string gzip = RunCommand({"gzip", "-c"}, {.input = tar})->standard_output;
  const Sealed first;
  const Sealed second;
  const auto one = first.Seal(tar);
  const auto other = second.Seal(gzip);
  ASSERT_TRUE(one.ok() && other.ok());
  EXPECT_EQ(one->blob_digest, other->blob_digest);
  EXPECT_EQ(one->diff_id, other->diff_id);
  EXPECT_EQ(one->salt, verity::SaltForDiffId(one->diff_id));
}

TEST(SealLayerEncryptedTest, SharesNothingBetweenTwoRuns) {
  const Sealed first;
  const Sealed second;
  const auto one = first.Seal(SomeTar(), {.encrypt = true});
  const auto other = second.Seal(SomeTar(), {.encrypt = true});
  ASSERT_TRUE(one.ok() && other.ok());
  EXPECT_NE(HexEncode(one->key->Reveal()), HexEncode(other->key->Reveal()));
  EXPECT_NE(one->salt, other->salt);
  EXPECT_NE(one->salt, verity::SaltForDiffId(one->diff_id));
  EXPECT_NE(one->root_hash, other->root_hash);
  EXPECT_EQ(first.Blob().substr(0, one->data_size).find("xxxxxxxx"), std::string::npos);
}

TEST(SealLayerEncryptedTest, EncryptsThePlainLayerItself) {
  const Sealed plain;
  const Sealed encrypted;
  const auto open = plain.Seal(SomeTar());
  const auto closed = encrypted.Seal(SomeTar(), {.encrypt = true});
  ASSERT_TRUE(open.ok() && closed.ok());
  auto cipher = verity::SectorCipher::Create(*closed->key);
  std::string data = encrypted.Blob().substr(0, closed->data_size);
  ASSERT_TRUE(cipher->Decrypt(0, std::as_writable_bytes(std::span(data))).ok());
  EXPECT_EQ(data, plain.Blob().substr(0, open->data_size));
}

TEST(SealLayerEncryptedTest, GivenKeyAndSaltGiveTheSameBlobEachTime) {
  const Sealed one;
  const Sealed two;
  Secret secret(kConvergentSecretBytes);
  const auto given = DeriveConvergentKey(secret, Digest::Of("some tar"));
  ASSERT_TRUE(given.ok()) << given.error().message();
  const SealLayerOptions options{.encrypt = true, .given_key = &*given};
  const auto first = one.Seal(SomeTar(), options);
  const auto second = two.Seal(SomeTar(), options);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->blob_digest, second->blob_digest);
  EXPECT_EQ(first->salt, given->salt);
  EXPECT_EQ(HexEncode(first->key->Reveal()), HexEncode(given->key.Reveal()));
  EXPECT_EQ(one.Blob(), two.Blob());
}

TEST(SealLayerEncryptedTest, CompressesBeforeItEncrypts) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += std::to_string(i % 1000) + " ";
  const std::string tar = TarMaker().File("text", text).Finish();
  const Sealed plain;
  const Sealed compressed;
  const auto large = plain.Seal(tar, {.encrypt = true});
  const auto small = compressed.Seal(tar, {.encrypt = true, .compress = true});
  ASSERT_TRUE(large.ok() && small.ok());
  EXPECT_LT(small->blob_size * 2, large->blob_size);
  const fs::path image = compressed.temp.path() / "image";
  const auto blob = OpenFile(compressed.path, O_RDONLY);
  const auto out = OpenFile(image, O_WRONLY | O_CREAT);
  ASSERT_TRUE(ExtractLayer(blob->get(), IdentityOf(*small), &*small->key, out->get()).ok());
  const fs::path tree = compressed.temp.path() / "tree";
  EXPECT_THAT(Output({"fsck.erofs", "--extract=" + tree.string(), image}),
              ::testing::Not(HasSubstr("failed")));
  EXPECT_EQ(*ReadFile(tree / "text", 1U << 20), text);
}

TEST(SealLayerTest, LeavesNothingBehindAndTheOldFileAlone) {
  const Sealed sealed;
  ASSERT_TRUE(ReplaceFileDurably(sealed.path, "old").ok());
  const std::string tar = SomeTar();
  const auto cut = sealed.Seal(std::string_view(tar).substr(0, tar.size() / 2));
  ASSERT_FALSE(cut.ok());
  EXPECT_THAT(cut.error().message(), HasSubstr("read the layer's tar: entry 'dir/"));
  const auto large = sealed.Seal(tar, {.max_data_size = 65536});
  ASSERT_FALSE(large.ok());
  EXPECT_EQ(large.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_EQ(sealed.NumFiles(), 1U);
  EXPECT_EQ(sealed.Blob(), "old");
  const auto nowhere = SealLayer({}, SourceOf(tar), "/nowhere/blob");
  ASSERT_FALSE(nowhere.ok());
  EXPECT_THAT(nowhere.error().message(), HasSubstr("create '/nowhere/blob"));
}

TEST(SealLayerTest, RefusesALayerThatUnpacksToTooManyTimesItsSize) {
  const std::string tar = TarMaker().File("zeros", std::string(8U << 20, '\0')).Finish();
  const std::string zstd = RunCommand({"zstd", "-qc"}, {.input = tar})->standard_output;
  ASSERT_LT(zstd.size(), tar.size() / 1000);
  const Sealed sealed;
  const auto refused = sealed.Seal(zstd, {.unsuspicious_bytes = 2U << 20});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_THAT(refused.error().message(),
              HasSubstr("entry 'zeros': the layer unpacks to more than 1000 times"));
  EXPECT_EQ(sealed.NumFiles(), 0U);
  EXPECT_TRUE(sealed.Seal(zstd).ok()) << "small enough not to matter";
  EXPECT_TRUE(sealed.Seal(tar, {.unsuspicious_bytes = 2U << 20}).ok());
}

TEST(SealLayerTest, TellsHowFarItIs) {
  const Sealed sealed;
  const std::string tar = SomeTar();
  uint64_t last = 0;
  const auto layer = sealed.Seal(tar, {.on_progress = [&](uint64_t bytes) {
                                   EXPECT_GE(bytes, last);
                                   last = bytes;
                                 }});
  ASSERT_TRUE(layer.ok());
  EXPECT_EQ(last, tar.size());
}

TEST(ExtractLayerTest, StopsAtTheFirstChangedBlock) {
  const Sealed sealed;
  const auto layer = sealed.Seal(SomeTar(), {.encrypt = true});
  ASSERT_TRUE(layer.ok());
  const auto blob = OpenFile(sealed.path, O_RDWR);
  ASSERT_TRUE(PwriteFull(blob->get(), AsBytes("changed"), 5 * 4096).ok());
  const auto null = OpenFile("/dev/null", O_WRONLY);
  const auto extracted = ExtractLayer(blob->get(), IdentityOf(*layer), &*layer->key, null->get());
  ASSERT_FALSE(extracted.ok());
  EXPECT_EQ(extracted.error().code(), ErrorCode::kDataLoss);
  EXPECT_THAT(extracted.error().message(), HasSubstr("data block at byte 20480 "));
}

}  // namespace
}  // namespace locket::image
