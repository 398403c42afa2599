// A registry that lies, stalls and breaks off, and a client of it.
#pragma once

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/encoding.h"
#include "base/file.h"
#include "image/oci/media_type.h"
#include "registry/client.h"
#include "tests/registry/scripted_server.h"

namespace locket::registry {

inline const std::string kContent(200'000, 'b');
inline const image::Descriptor kBlob = image::DescriptorOf("x", kContent);
inline const std::string kManifest = image::EncodeManifest(
    {.media_type = std::string(image::kOciManifest), .config = kBlob, .layers = {kBlob}});
inline const std::string kManifestType = "Content-Type: " + std::string(image::kOciManifest);

// Range as a good server does it.
inline Reply ServeBlob(const SeenRequest& request) {
  const auto range = request.headers.find("range");
  if (range == request.headers.end()) return {.body = kContent};
  const size_t from = std::stoul(range->second.substr(6));
  return {.status = 206,
          .headers = {"Content-Range: bytes " + std::to_string(from) + "-" +
                      std::to_string(kContent.size() - 1) + "/" + std::to_string(kContent.size())},
          .body = kContent.substr(from)};
}

// A server, and a client whose waits are recorded and do not last.
class FaultyRegistryTest : public ::testing::Test {
 protected:
  void Start(Handler handler) {
    server_ = std::make_unique<ScriptedServer>(std::move(handler));
    image_ = *image::ParseReference(server_->host() + "/a/b:1");
  }
  void MakeClient() {
    ClientOptions options{.certs_directory = directory_.path(),
                          .credentials = std::move(credentials_),
                          .stall_timeout = std::chrono::seconds(1)};
    options.retry.max_attempts = 3;
    options.retry.wait = [this](std::chrono::milliseconds delay, const std::stop_token&) {
      waits_.push_back(delay);
    };
    client_ = *RegistryClient::Create(std::move(options));
  }
  void Serve(Handler handler) {
    Start(std::move(handler));
    MakeClient();
  }
  // hosts.toml of the server's own directory.
  void WriteHosts(const std::string& text) {
    const auto place = directory_.path() / server_->host();
    std::filesystem::create_directories(place);
    ASSERT_TRUE(ReplaceFileDurably(place / "hosts.toml", text).ok());
  }
  Result<std::string> Fetch(const CallOptions& call = {}) {
    std::string got;
    auto fetched = client_->FetchBlob(
        image_, kBlob,
        [&](std::span<const std::byte> bytes) {
          got += AsText(bytes);
          return Ok();
        },
        call);
    if (!fetched.ok()) return std::move(fetched).error();
    return got;
  }
  UniqueFd File(std::string_view content) {
    UniqueFd fd = *OpenFile(directory_.path(), O_RDWR | O_TMPFILE);
    EXPECT_TRUE(WriteFull(fd.get(), AsBytes(content)).ok());
    return fd;
  }
  static off_t SizeOf(const UniqueFd& fd) {
    struct stat status {};
    return ::fstat(fd.get(), &status) == 0 ? status.st_size : -1;
  }

  TempDir directory_ = *TempDir::Create("/tmp", "registry-test.");
  CredentialStore credentials_;
  std::unique_ptr<ScriptedServer> server_;
  image::Reference image_{.registry = {}, .repository = {}};
  std::vector<std::chrono::milliseconds> waits_;
  std::unique_ptr<RegistryClient> client_;
};

}  // namespace locket::registry
