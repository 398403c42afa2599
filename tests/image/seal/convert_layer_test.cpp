#include "image/seal/convert_layer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/file.h"
#include "base/subprocess.h"
#include "tests/erofs/tar_maker.h"

namespace locket::image {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

TarSource SourceOf(std::string_view bytes) {
  return [bytes](std::span<std::byte> out) mutable -> Result<size_t> {
    const size_t size = std::min(out.size(), bytes.size());
    std::memcpy(out.data(), bytes.data(), size);
    bytes.remove_prefix(size);
    return size;
  };
}

std::string TarWithAccounts() {
  TarMaker tar;
  tar.File("etc/passwd", "root:x:0:0\n");
  tar.File("etc/.wh.group", "");
  tar.File("data", std::string(100'000, 'd'));
  return tar.Finish();
}

class ConvertLayerTest : public ::testing::Test {
 protected:
  Result<ConvertedLayer> Convert(const std::string& input, const Digest& diff_id,
                                 const SealLayerOptions& options = {}) const {
    return ConvertLayer(options, SourceOf(input), diff_id, path_);
  }

  TempDir temp_ = std::move(TempDir::Create("/tmp", "convert-test-")).value();
  fs::path path_ = temp_.path() / "blob";
  const std::string tar_ = TarWithAccounts();
};

TEST_F(ConvertLayerTest, IsTheVerifyOnlyLayerHoweverPackedAndWhateverTheOptionsSay) {
  const auto sealed = SealLayer({}, SourceOf(tar_), temp_.path() / "sealed");
  ASSERT_TRUE(sealed.ok());
  const std::string gzip = RunCommand({"gzip", "-c"}, {.input = tar_})->standard_output;
  const std::string zstd = RunCommand({"zstd", "-c"}, {.input = tar_})->standard_output;
  for (const std::string& input : {tar_, gzip, zstd}) {
    const auto layer = Convert(input, Digest::Of(tar_), {.encrypt = true, .compress = true});
    ASSERT_TRUE(layer.ok()) << layer.error().message();
    EXPECT_EQ(layer->blob_digest.ToText(), sealed->blob_digest);
    EXPECT_EQ(layer->identity.root_hash, sealed->root_hash);
    EXPECT_EQ(Digest::Of(*ReadFile(path_, 1U << 20)), layer->blob_digest);
    EXPECT_EQ(layer->accounts.passwd.content, "root:x:0:0\n");
    EXPECT_TRUE(layer->accounts.group.hides_lower);
  }
}

TEST_F(ConvertLayerTest, AnotherTarThanTheConfigsIsRefusedAndLeavesNothing) {
  const auto layer = Convert(tar_, Digest::Of("another"));
  ASSERT_FALSE(layer.ok());
  EXPECT_EQ(layer.error().code(), ErrorCode::kDataLoss);
  EXPECT_THAT(layer.error().message(),
              HasSubstr("not the config's " + Digest::Of("another").ToText()));
  EXPECT_TRUE(fs::is_empty(temp_.path()));
}

TEST_F(ConvertLayerTest, ABrokenTarIsRefusedByNameOfItsEntry) {
  const auto layer = Convert(tar_.substr(0, tar_.size() / 2), Digest::Of(tar_));
  ASSERT_FALSE(layer.ok());
  EXPECT_THAT(layer.error().message(), HasSubstr("data"));
  EXPECT_TRUE(fs::is_empty(temp_.path()));
}

}  // namespace
}  // namespace locket::image
