#include <gmock/gmock.h>

#include "tests/cli/image/image_fixture.h"
#include "tests/registry/real_registry.h"

namespace locket::cli {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

// Debian's docker-registry on a free port.
class RegistryTest : public ImageTest {
 protected:
  void SetUp() override {
    if (!RunCommand({"docker-registry", "--help"}).ok()) {
      GTEST_SKIP() << "needs Debian package docker-registry";
    }
    std::filesystem::create_directory(Path("registry"));
    registry_.emplace(Path("registry"));
    host_ = registry_->host();
    ASSERT_FALSE(host_.empty());
  }

  std::string RegistryBlob(const std::string& digest) const {
    const std::string hex = digest.substr(7);
    return Path("registry/data/docker/registry/v2/blobs/sha256/" + hex.substr(0, 2) + "/" + hex +
                "/data");
  }

  std::optional<registry::RegistryProcess> registry_;
  std::string host_;
};

TEST_F(RegistryTest, SealsIntoARegistryAndChecksWhatIsThere) {
  const std::string image = host_ + "/team/app:1";
  const json sealed = SealApp(image);
  EXPECT_FALSE(TemporaryFilesLeft());
  const auto inspect = cli_.Run({"image", "inspect", image, "--json"});
  ASSERT_EQ(inspect.exit_code, 0) << inspect.err;
  EXPECT_EQ(json::parse(inspect.out)["manifest_digest"], sealed["manifest_digest"]);
  const std::string by_digest = host_ + "/team/app@" + sealed["manifest_digest"].get<std::string>();
  const auto verify = cli_.Run({"image", "verify", by_digest, "--kek", kek_});
  EXPECT_EQ(verify.exit_code, 0) << verify.err;
}

TEST_F(RegistryTest, SignaturesAreKeptBesideTheImage) {
  const std::string image = host_ + "/team/app:1";
  const json sealed = SealApp(image);
  const std::string digest = sealed["manifest_digest"];
  RunTool({"openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out",
           Path("key")});
  RunTool({"openssl", "pkey", "-in", Path("key"), "-pubout", "-out", Path("pub")});
  const auto sign = cli_.Run({"image", "sign", image, "--key", Path("key")});
  ASSERT_EQ(sign.exit_code, 0) << sign.err;
  const auto verify =
      cli_.Run({"image", "verify", host_ + "/team/app@" + digest, "--signed-by", Path("pub")});
  EXPECT_EQ(verify.exit_code, 0) << verify.err;
  const auto payload =
      RunCommand({"skopeo", "inspect", "--raw", "--tls-verify=false",
                  "docker://" + host_ + "/team/app:sha256-" + digest.substr(7) + ".sig"});
  EXPECT_THAT(payload->standard_output, HasSubstr("dev.cosignproject.cosign/signature"));

  const std::string copied = host_ + "/other/app:1";
  const auto copy = cli_.Run({"image", "copy", image, copied, "--json"});
  ASSERT_EQ(copy.exit_code, 0) << copy.err;
  EXPECT_EQ(json::parse(copy.out)["signed_documents"], 1);
  const auto there = cli_.Run({"image", "verify", copied, "--signed-by", Path("pub")});
  EXPECT_EQ(there.exit_code, 0) << there.err;
}

TEST_F(RegistryTest, CopiesAreByteExactAndBlobsOfTheRegistryAreMounted) {
  const std::string image = host_ + "/team/app:1";
  const json sealed = SealApp(image);
  const std::string digest = sealed["manifest_digest"];
  const auto mounted = cli_.Run({"image", "copy", image, host_ + "/other/app:2", "--json"});
  ASSERT_EQ(mounted.exit_code, 0) << mounted.err;
  EXPECT_EQ(json::parse(mounted.out)["digest"], digest);
  EXPECT_EQ(json::parse(mounted.out)["blobs_sent"], 0) << "the registry took them over itself";
  EXPECT_EQ(cli_.Run({"image", "verify", host_ + "/other/app:2", "--kek", kek_}).exit_code, 0);

  const auto down = cli_.Run({"image", "copy", image, Sealed(), "--json"});
  ASSERT_EQ(down.exit_code, 0) << down.err;
  EXPECT_EQ(json::parse(down.out)["digest"], digest);
  for (const auto& layer : sealed["layers"]) {
    EXPECT_EQ(Read(BlobPath(layer["digest"])), Read(RegistryBlob(layer["digest"])));
  }
  EXPECT_FALSE(TemporaryFilesLeft());
}

TEST_F(RegistryTest, SkopeoTakesASealedImageThroughUnchanged) {
  const json sealed = SealApp(Sealed());
  const std::string digest = sealed["manifest_digest"];
  RunTool({"skopeo", "inspect", Sealed()});
  RunTool({"skopeo", "copy", "-q", "--dest-tls-verify=false", Sealed(),
           "docker://" + host_ + "/skopeo:1"});
  RunTool({"skopeo", "copy", "-q", "--src-tls-verify=false", "docker://" + host_ + "/skopeo:1",
           "oci:" + Path("back") + ":app"});
  const std::string back = "oci:" + Path("back") + ":app";
  EXPECT_EQ(json::parse(cli_.Run({"image", "inspect", back, "--json"}).out)["manifest_digest"],
            digest);
  EXPECT_EQ(cli_.Run({"image", "verify", back, "--kek", kek_}).exit_code, 0);
  for (const auto& layer : sealed["layers"]) {
    const std::string name = layer["digest"].get<std::string>().substr(7);
    EXPECT_EQ(Read(Path("back/blobs/sha256/" + name)), Read(BlobPath(layer["digest"])));
  }
}

TEST_F(RegistryTest, RotationSendsNoLayer) {
  const std::string image = host_ + "/team/app:1";
  SealApp(image);
  ASSERT_EQ(cli_.Run({"key", "create", Path("new")}).exit_code, 0);
  const auto rotate = cli_.Run({"key", "rotate", image, host_ + "/team/app:2", "--old-kek", kek_,
                                "--new-kek", Path("new"), "--key-id", "kbs:///a/b/c", "--json"});
  ASSERT_EQ(rotate.exit_code, 0) << rotate.err;
  EXPECT_EQ(json::parse(rotate.out)["bytes_sent"], 0);
  EXPECT_EQ(cli_.Run({"image", "verify", host_ + "/team/app:2", "--kek", Path("new")}).exit_code,
            0);
}

TEST_F(RegistryTest, SealsFromARegistry) {
  RunTool({"skopeo", "copy", "-q", "--dest-tls-verify=false", Source("app"),
           "docker://" + host_ + "/plain:1"});
  const auto seal = cli_.Run({"image", "seal", host_ + "/plain:1", host_ + "/sealed:1",
                              "--encrypt-layers", "-1", "--kek", kek_, "--key-id", "kbs:///a/b/c"});
  ASSERT_EQ(seal.exit_code, 0) << seal.err;
  EXPECT_EQ(cli_.Run({"image", "verify", host_ + "/sealed:1", "--kek", kek_}).exit_code, 0);
}

TEST_F(RegistryTest, PublicLayersAreSentOnce) {
  const std::vector<std::string> arguments = {
      "image", "seal", Source("app"), host_ + "/app:1", "--encrypt-layers", "none"};
  ASSERT_EQ(cli_.Run(arguments).exit_code, 0);
  const json inspected =
      json::parse(cli_.Run({"image", "inspect", host_ + "/app:1", "--json"}).out);
  const std::string blob = RegistryBlob(inspected["layers"][0]["digest"]);
  const auto written = std::filesystem::last_write_time(blob);
  ASSERT_EQ(cli_.Run(arguments).exit_code, 0);
  EXPECT_EQ(std::filesystem::last_write_time(blob), written);
}

TEST_F(RegistryTest, DamagedBlobAndUnknownImageAreNamed) {
  const std::string image = host_ + "/app:1";
  const json sealed = SealApp(image);
  const std::string digest = sealed["layers"][1]["digest"];
  std::filesystem::resize_file(RegistryBlob(digest), 4096);
  const auto verify = cli_.Run({"image", "verify", image});
  EXPECT_EQ(verify.exit_code, 1);
  EXPECT_THAT(verify.err, AllOf(HasSubstr("layer 1"), HasSubstr(digest)));
  const auto none = cli_.Run({"image", "inspect", host_ + "/app:none"});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_THAT(none.err, HasSubstr(host_ + "/app:none"));
}

}  // namespace
}  // namespace locket::cli
