// The golden vectors of docs/formats/sealed-layer.md and key-packet.md (tests/vectors/sealed). A
// change here is a change of the format.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "image/seal/seal_layer.h"
#include "image/sealed/key_packet.h"

namespace locket::image {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const fs::path kVectors = LOCKET_SOURCE_DIR "/tests/vectors/sealed";

json About(const std::string& name) {
  return json::parse(*ReadFile(kVectors / (name + ".json"), 1U << 20));
}

std::vector<std::byte> Bytes(const json& hex) { return *HexDecode(hex.get<std::string>()); }

verity::LayerIdentity IdentityIn(const json& about) {
  verity::LayerIdentity identity{.root_hash = {}, .salt = {}, .data_size = about["data_size"]};
  std::ranges::copy(Bytes(about["root_hash"]), identity.root_hash.begin());
  std::ranges::copy(Bytes(about["salt"]), identity.salt.begin());
  return identity;
}

Secret SecretIn(const json& hex) {
  const auto bytes = Bytes(hex);
  Secret secret(bytes.size());
  std::ranges::copy(bytes, secret.Reveal().begin());
  return secret;
}

// The EROFS image in a vector's blob, in a file of its own.
struct Extracted {
  TempDir temp = std::move(TempDir::Create("/tmp", "vectors-test-")).value();
  fs::path image = temp.path() / "image";

  Status From(const std::string& name, const Secret* key) const {
    LOCKET_TRY_ASSIGN(const auto blob, OpenFile(kVectors / (name + ".blob"), O_RDONLY));
    LOCKET_TRY_ASSIGN(const auto out, OpenFile(image, O_WRONLY | O_CREAT));
    return ExtractLayer(blob.get(), IdentityIn(About(name)), key, out.get());
  }
};

std::string DigestOf(const fs::path& path) {
  return verity::DigestText(verity::Sha256Of(AsBytes(*ReadFile(path, 1U << 20))));
}

TEST(SealedVectorsTest, AreSealedToTheDigestsTheyAlwaysHad) {
  const auto expected = About("expected");
  ASSERT_GE(expected.size(), 3U);
  for (const auto& [name, want] : expected.items()) {
    const Extracted place;
    std::string tar = *ReadFile(kVectors / name, 1U << 20);
    const auto source = [left = std::string_view(tar)](std::span<std::byte> out) mutable {
      const auto part = AsBytes(left.substr(0, out.size()));
      std::ranges::copy(part, out.begin());
      left.remove_prefix(part.size());
      return Result<size_t>(part.size());
    };
    const auto layer = SealLayer({}, source, place.image);
    ASSERT_TRUE(layer.ok()) << name << ": " << layer.error().message();
    EXPECT_EQ((json{{"blob_digest", layer->blob_digest},
                    {"blob_size", layer->blob_size},
                    {"data_size", layer->data_size},
                    {"diff_id", layer->diff_id},
                    {"root_hash", HexEncode(layer->root_hash)},
                    {"salt", HexEncode(layer->salt)}}),
              want)
        << name;
  }
}

TEST(SealedVectorsTest, AreOpenedWithTheKeyInTheirPacket) {
  const json about = About("encrypted");
  const auto packet = DecodeKeyPacket(about["annotation"].get<std::string>());
  ASSERT_TRUE(packet.ok()) << packet.error().message();
  EXPECT_EQ(packet->kid.ToUri(), "kbs:///vectors/key/files");
  const auto key = UnwrapLayerKeyFor(SecretIn(about["kek"]), *packet, IdentityIn(about));
  ASSERT_TRUE(key.ok()) << key.error().message();
  EXPECT_EQ(HexEncode(key->Reveal()), about["key"].get<std::string>());
  const Extracted extracted;
  const auto opened = extracted.From("encrypted", &*key);
  ASSERT_TRUE(opened.ok()) << opened.error().message();
  EXPECT_EQ(DigestOf(extracted.image), about["image_digest"].get<std::string>());
  EXPECT_EQ(DigestOf(kVectors / "encrypted.blob"), about["blob_digest"].get<std::string>());
}

TEST(SealedVectorsTest, HoldACompressedFileThatErofsUtilsRead) {
  const Extracted extracted;
  const auto opened = extracted.From("compressed", nullptr);
  ASSERT_TRUE(opened.ok()) << opened.error().message();
  const fs::path tree = extracted.temp.path() / "tree";
  const auto run = RunCommand({"fsck.erofs", "--extract=" + tree.string(), extracted.image});
  ASSERT_TRUE(run.ok()) << run.error().message();
  ASSERT_EQ(run->exit_status, 0) << run->standard_error;
  EXPECT_EQ(DigestOf(tree / "text"), About("compressed")["file_digest"].get<std::string>());
}

// The formats once more in Python, which shares no code with locket.
TEST(SealedVectorsTest, AreWhatTheModelComputes) {
  const auto run = RunCommand({"/usr/bin/python3", (kVectors / "model.py").string(), "check"});
  ASSERT_TRUE(run.ok()) << run.error().message();
  if (run->standard_error.find("No module named 'cryptography'") != std::string::npos) {
    GTEST_SKIP() << "needs python3-cryptography";
  }
  EXPECT_EQ(run->exit_status, 0) << run->standard_output << run->standard_error;
}

}  // namespace
}  // namespace locket::image
