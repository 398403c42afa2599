// Conversion by the real server, from Debian's docker-registry, against what the tenant's tool
// says.
#include <nlohmann/json.hpp>

#include "image/sealed/rootfs_description.h"
#include "tests/snapshotter/containerd/containerd_server.h"
#include "tests/snapshotter/convert/ordinary_image.h"
#include "tests/snapshotter/service/registry_fixture.h"
#include "tests/snapshotter/snapshots/snapshots_fixture.h"

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

  // Creates the snapshot and the record of container `id`. `told` becomes what its mounts tell the
  // shim, as JSON.
  void Run(const std::string& id, const TestImage& image, const std::string& top,
           std::string& told) {
    const std::string key = "k8s.io/7/" + id;
    const grpc::Status made = Prepare({.key = key, .parent = top});
    ASSERT_TRUE(made.ok()) << made.error_message() << log_();
    containerd_.AddImage("k8s.io", image);
    containerd_.AddContainer(
        "k8s.io", id,
        {.image = image.reference,
         .snapshot_key = id,
         .cri_metadata = CriMetadata(image.config_digest(), image.config_digest())});
    pb::MountsRequest request;
    request.set_key(key);
    pb::MountsResponse response;
    grpc::ClientContext context;
    const grpc::Status mounted = client_->Mounts(&context, request, &response);
    ASSERT_TRUE(mounted.ok()) << mounted.error_message() << log_();
    const std::string option = response.mounts(0).options(2);
    const auto read = ReadFile(option.substr(option.find('=') + 1), 1 << 20);
    ASSERT_TRUE(read.ok()) << read.error().message();
    told = *read;
  }

  std::string Socket() const { return temp_.path() / "c.sock"; }

  void Measure(const std::string& reference, json& said) {
    const auto measured = RunCommand(
        {LOCKET_BINARY_DIR "/bin/locket", "image", "measure", "docker://" + reference, "--json"});
    ASSERT_TRUE(measured.ok()) << measured.error().message();
    ASSERT_EQ(measured->exit_status, 0) << measured->standard_error;
    said = json::parse(measured->standard_output, nullptr, /*allow_exceptions=*/false);
    ASSERT_TRUE(said.is_object()) << measured->standard_output;
  }

  FakeContainerd containerd_;
};

TEST_F(ConvertRemoteTest, ArrivesAtExactlyWhatTheTenantMeasured) {
  if (!std::filesystem::exists(LOCKET_BINARY_DIR "/bin/locket")) {
    GTEST_SKIP() << "needs the tool: build target locket";
  }
  const TestImage image = MakeVariedImage(host_ + "/library/app:1");
  ASSERT_NO_FATAL_FAILURE(Push(image));
  json measured;
  ASSERT_NO_FATAL_FAILURE(Measure(image.reference, measured));
  const ContainerdServer containerd_server(containerd_, Socket());
  Configure("convert = true\n[cri]\ncontainerd = \"" + Socket() + "\"\n");
  Start();
  const std::string top = PullAll(image);
  std::string told;
  ASSERT_NO_FATAL_FAILURE(Run("web", image, top, told));
  const auto description = image::DecodeRootfsDescription(told);
  ASSERT_TRUE(description.ok());
  EXPECT_EQ(description->manifest_digest.ToText(), measured.at("sealed_manifest_digest"));
  EXPECT_EQ(description->config_digest.ToText(), measured.at("sealed_config_digest"));
  const auto manifest = image::DecodeManifest(*ReadFile(description->manifest_path, 1 << 20));
  ASSERT_EQ(manifest->layers.size(), measured.at("layers").size());
  for (size_t i = 0; i < manifest->layers.size(); ++i) {
    const image::Descriptor& layer = manifest->layers[i];
    EXPECT_EQ(layer.annotations.at("dev.locket.verity.root-hash"),
              measured.at("layers").at(i).at("root_hash"));
    EXPECT_EQ(layer.digest.ToText(), measured.at("layers").at(i).at("blob_digest"));
    EXPECT_EQ(image::Digest::Of(*ReadFile(description->layers[i].path, 64 << 20)), layer.digest);
  }
}

}  // namespace
}  // namespace locket::snapshotter
