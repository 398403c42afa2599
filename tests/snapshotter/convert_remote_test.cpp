// Conversion by the real server, from Debian's docker-registry, against what the tenant's tool
// says.
#include <nlohmann/json.hpp>

#include "image/rootfs_description.h"
#include "tests/snapshotter/ordinary_image.h"
#include "tests/snapshotter/registry_fixture.h"

namespace locket::snapshotter {
namespace {

using nlohmann::json;

class ConvertRemoteTest : public RemoteTest {
 protected:
  // Returns the name of the top snapshot.
  std::string PullAll(const TestImage& image) {
    std::string parent;
    for (size_t i = 0; i < image.layers.size(); ++i) {
      const grpc::Status pulled =
          Prepare(image.Pull(i, parent, "k8s.io/" + std::to_string(i) + "/extract-1 x"));
      EXPECT_EQ(pulled.error_code(), grpc::StatusCode::ALREADY_EXISTS) << pulled.error_message();
      parent = List({"labels.\"containerd.io/snapshot.ref\"==" + image.chain_ids[i]}).at(0).name();
    }
    return parent;
  }

  json Measure(const std::string& reference) {
    const auto measured = RunCommand(
        {LOCKET_BINARY_DIR "/bin/locket", "image", "measure", "docker://" + reference, "--json"});
    EXPECT_TRUE(measured.ok());
    EXPECT_EQ(measured->exit_status, 0) << measured->standard_error;
    return json::parse(measured->standard_output, nullptr, /*allow_exceptions=*/false);
  }
};

TEST_F(ConvertRemoteTest, ArrivesAtExactlyWhatTheTenantMeasured) {
  if (!std::filesystem::exists(LOCKET_BINARY_DIR "/bin/locket")) {
    GTEST_SKIP() << "needs the tool: build target locket";
  }
  const TestImage image = MakeVariedImage(host_ + "/library/app:1");
  Push(image);
  const json measured = Measure(image.reference);
  Configure("convert = true\n");
  Start();
  const std::string top = PullAll(image);
  pb::PrepareSnapshotResponse prepared;
  ASSERT_TRUE(Prepare({.key = "k8s.io/7/web", .parent = top}, prepared).ok());
  const std::string option = prepared.mounts(0).options(2);
  const auto description =
      image::DecodeRootfsDescription(*ReadFile(option.substr(option.find('=') + 1), 1 << 20));
  ASSERT_TRUE(description.ok());
  EXPECT_EQ(description->manifest_digest.ToText(), measured["sealed_manifest_digest"]);
  EXPECT_EQ(description->config_digest.ToText(), measured["sealed_config_digest"]);
  const auto manifest = image::DecodeManifest(*ReadFile(description->manifest_path, 1 << 20));
  ASSERT_EQ(manifest->layers.size(), measured["layers"].size());
  for (size_t i = 0; i < manifest->layers.size(); ++i) {
    const image::Descriptor& layer = manifest->layers[i];
    EXPECT_EQ(layer.annotations.at("dev.locket.verity.root-hash"),
              measured["layers"][i]["root_hash"]);
    EXPECT_EQ(layer.digest.ToText(), measured["layers"][i]["blob_digest"]);
    EXPECT_EQ(image::Digest::Of(*ReadFile(description->layers[i].path, 64 << 20)), layer.digest);
  }
}

}  // namespace
}  // namespace locket::snapshotter
