// Against Debian's docker-registry, on a port the kernel picks.
#include "tests/registry/real_registry.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/encoding.h"
#include "base/file.h"
#include "image/oci/media_type.h"
#include "registry/registry_image.h"

namespace locket::registry {
namespace {

using image::Descriptor;
using image::Digest;
using ::testing::AllOf;
using ::testing::HasSubstr;

// user:s3cret
constexpr char kHtpasswd[] = "user:$2b$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK\n";

class RealRegistryTest : public ::testing::Test {
 protected:
  void StartRegistry(const std::string& http = "", const std::string& more = "") {
    registry_ = std::make_unique<RegistryProcess>(directory_.path(), http, more);
    image_ = *image::ParseReference(registry_->host() + "/team/app:1");
  }
  std::unique_ptr<RegistryClient> Client(const std::string& auth = "") {
    CredentialStore credentials;
    if (!auth.empty()) {
      EXPECT_TRUE(credentials
                      .Add(R"({"auths":{")" + registry_->host() + R"(":{"auth":")" +
                           Base64Encode(AsBytes(auth)) + R"("}}})")
                      .ok());
    }
    ClientOptions options{.certs_directory = directory_.path() / "certs.d",
                          .credentials = std::move(credentials)};
    options.retry.max_attempts = 1;
    return *RegistryClient::Create(std::move(options));
  }
  // Pushes through ImageTarget, pulls through ImageSource, compares.
  void RoundTrip(RegistryClient& client) {
    const std::string layer(3'000'000, 'l');
    const std::string config = image::EncodeImageConfig(
        {.architecture = "amd64", .os = "linux", .diff_ids = {Digest::Of(layer)}});
    const image::Manifest manifest{.media_type = std::string(image::kOciManifest),
                                   .config = image::DescriptorOf(image::kOciConfig, config),
                                   .layers = {image::DescriptorOf(image::kOciLayerTar, layer)}};
    const UniqueFd fd = *OpenFile(directory_.path(), O_RDWR | O_TMPFILE);
    ASSERT_TRUE(WriteFull(fd.get(), AsBytes(layer)).ok());
    const auto target = MakeRegistryTarget(client, image_);
    const auto pushed = target->PutBlob(manifest.layers[0], fd.get());
    ASSERT_TRUE(pushed.ok()) << pushed.error().message();
    ASSERT_TRUE(target->PutBlobBytes(manifest.config, config).ok());
    const auto named = target->PutManifest(image::kOciManifest, image::EncodeManifest(manifest));
    ASSERT_TRUE(named.ok()) << named.error().message();

    const auto source =
        MakeRegistrySource(client, image_, image::HostPlatform(), directory_.path());
    const auto content = source->GetManifest();
    ASSERT_TRUE(content.ok()) << content.error().message();
    EXPECT_EQ(content->descriptor, *named);
    EXPECT_EQ(*image::DecodeManifest(content->bytes), manifest);
    EXPECT_EQ(*image::ReadBlob(*source, manifest.layers[0], layer.size()), layer);
    EXPECT_TRUE(*client.AdoptBlob(image_, manifest.config, ""));
    EXPECT_FALSE(*client.AdoptBlob(image_, image::DescriptorOf("x", "absent"), ""));
  }

  TempDir directory_ = *TempDir::Create("/tmp", "real-registry-test.");
  image::Reference image_{.registry = {}, .repository = {}};
  std::unique_ptr<RegistryProcess> registry_;
};

TEST_F(RealRegistryTest, WhatIsPushedComesBack) {
  StartRegistry();
  const auto client = Client();
  RoundTrip(*client);
}

TEST_F(RealRegistryTest, RangesResumeAFile) {
  StartRegistry();
  const auto client = Client();
  const std::string content(500'000, 'r');
  const auto blob = image::DescriptorOf("x", content);
  ASSERT_TRUE(client->PushBlobBytes(image_, blob, content).ok());
  const UniqueFd fd = *OpenFile(directory_.path(), O_RDWR | O_TMPFILE);
  ASSERT_TRUE(WriteFull(fd.get(), AsBytes(content.substr(0, 123'456))).ok());
  uint64_t first = 0;
  const auto fetched =
      client->FetchBlobToFile(image_, blob, fd.get(), {.progress = [&](uint64_t done, uint64_t) {
                                if (first == 0) first = done;
                              }});
  ASSERT_TRUE(fetched.ok()) << fetched.error().message();
  EXPECT_GT(first, 123'456U);
}

TEST_F(RealRegistryTest, ABlobIsAdoptedWithoutItsBytes) {
  StartRegistry();
  const auto client = Client();
  const std::string content = "adopted";
  const auto blob = image::DescriptorOf("x", content);
  ASSERT_TRUE(client->PushBlobBytes(image_, blob, content).ok());
  auto other = image_;
  other.repository = "team/other";
  EXPECT_FALSE(*client->AdoptBlob(other, blob, "")) << "nobody said where it might be";
  EXPECT_FALSE(*client->AdoptBlob(other, blob, "team/none"));
  const auto adopted = client->AdoptBlob(other, blob, "team/app");
  ASSERT_TRUE(adopted.ok()) << adopted.error().message();
  EXPECT_TRUE(*adopted);
  EXPECT_TRUE(*client->AdoptBlob(image_, blob, "")) << "it was there";
}

TEST_F(RealRegistryTest, AnAbsentImageIsNotFound) {
  StartRegistry();
  const auto manifest = Client()->FetchManifest(image_);
  EXPECT_EQ(manifest.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(manifest.error().message(),
              AllOf(HasSubstr(image_.ToText()), HasSubstr("HTTP 404 MANIFEST_UNKNOWN"),
                    HasSubstr("check the name and tag")));
}

TEST_F(RealRegistryTest, AWrongUploadIsTheRegistrysRefusal) {
  StartRegistry();
  const Descriptor blob{.media_type = "x", .digest = Digest::Of("other"), .size = 5};
  EXPECT_THAT(Client()->PushBlobBytes(image_, blob, "12345").error().message(),
              HasSubstr("DIGEST_INVALID"));
}

TEST_F(RealRegistryTest, HtpasswdLetsTheRightOneIn) {
  std::ofstream(directory_.path() / "htpasswd") << kHtpasswd;
  StartRegistry("", "auth: {htpasswd: {realm: r, path: " +
                        (directory_.path() / "htpasswd").string() + "}}\n");
  const auto nobody = Client()->FetchManifest(image_);
  EXPECT_EQ(nobody.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(nobody.error().message(),
              AllOf(HasSubstr("HTTP 401"), HasSubstr("skopeo login " + registry_->host())));
  const auto wrong = Client("user:wrong")->FetchManifest(image_);
  EXPECT_EQ(wrong.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_EQ(wrong.error().message().find("wrong"), std::string::npos) << "passwords are not shown";
  const auto client = Client("user:s3cret");
  RoundTrip(*client);
}

TEST_F(RealRegistryTest, TlsNeedsACaAndHostsTomlGivesIt) {
  const auto [certificate, key] = MakeCertificate(directory_.path(), "server");
  StartRegistry(", tls: {certificate: " + certificate + ", key: " + key + "}");
  const auto place = directory_.path() / "certs.d" / registry_->host();
  std::filesystem::create_directories(place);
  const std::string server = "server = \"https://" + registry_->host() + "\"\n";
  ASSERT_TRUE(ReplaceFileDurably(place / "hosts.toml", server).ok());
  const auto refused = Client()->FetchManifest(image_);
  EXPECT_EQ(refused.error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(refused.error().message(), HasSubstr("name the server's CA"));
  ASSERT_TRUE(
      ReplaceFileDurably(place / "hosts.toml", server + "ca = \"" + certificate + "\"\n").ok());
  const auto client = Client();
  RoundTrip(*client);
  ASSERT_TRUE(ReplaceFileDurably(place / "hosts.toml", server + "skip_verify = true\n").ok());
  EXPECT_TRUE(Client()->FetchManifest(image_).ok());
}

}  // namespace
}  // namespace locket::registry
