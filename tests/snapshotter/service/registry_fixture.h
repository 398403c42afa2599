// Debian's docker-registry on a loopback port, beside the real locket-snapshotter.
#pragma once

#include "image/oci/reference.h"
#include "registry/client.h"
#include "tests/registry/real_registry.h"
#include "tests/snapshotter/image_fixture.h"
#include "tests/snapshotter/service/server_fixture.h"

namespace locket::snapshotter {

class RemoteTest : public ServerTest {
 protected:
  void SetUp() override {
    if (!RunCommand({"docker-registry", "--help"}).ok()) {
      GTEST_SKIP() << "needs Debian package docker-registry";
    }
    std::filesystem::create_directory(temp_.path() / "registry");
    registry_.emplace(temp_.path() / "registry");
    host_ = registry_->host();
    ASSERT_FALSE(host_.empty());
    registry::ClientOptions options;
    options.certs_directory = temp_.path();
    auto client = registry::RegistryClient::Create(std::move(options));
    ASSERT_TRUE(client.ok());
    registry_client_ = std::move(client).value();
  }

  void Push(const TestImage& image) {
    const auto reference = image::ParseReference(image.reference);
    ASSERT_TRUE(reference.ok());
    for (const std::string& bytes : image.layers) PushBytes(*reference, bytes);
    PushBytes(*reference, image.config);
    const auto pushed =
        registry_client_->PushManifest(*reference, image::kOciManifest, image.manifest);
    ASSERT_TRUE(pushed.ok()) << pushed.error().message();
  }
  void PushBytes(const image::Reference& reference, const std::string& bytes) {
    const auto pushed = registry_client_->PushBlobBytes(
        reference, image::DescriptorOf("application/octet-stream", bytes), bytes);
    ASSERT_TRUE(pushed.ok()) << pushed.error().message();
  }

  std::string host_;
  std::optional<registry::RegistryProcess> registry_;
  std::unique_ptr<registry::RegistryClient> registry_client_;
};

}  // namespace locket::snapshotter
