// Debian's docker-registry on a loopback port, beside the real locket-snapshotter.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "image/reference.h"
#include "registry/client.h"
#include "tests/snapshotter/image_fixture.h"
#include "tests/snapshotter/server_fixture.h"

namespace locket::snapshotter {

inline int FreePort() {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(fd.get(), generic, size) != 0 || ::getsockname(fd.get(), generic, &size) != 0)
    return 0;
  return ::ntohs(address.sin_port);
}

class RemoteTest : public ServerTest {
 protected:
  void SetUp() override {
    if (!RunCommand({"docker-registry", "--help"}).ok()) {
      GTEST_SKIP() << "needs Debian package docker-registry";
    }
    host_ = "127.0.0.1:" + std::to_string(FreePort());
    ASSERT_TRUE(ReplaceFileDurably(temp_.path() / "registry.yml",
                                   "version: 0.1\nstorage: {filesystem: {rootdirectory: " +
                                       (temp_.path() / "registry").string() +
                                       "}}\nhttp: {addr: \"" + host_ + "\"}\n")
                    .ok());
    auto started = Subprocess::Start({"docker-registry", "serve", temp_.path() / "registry.yml"},
                                     {.stderr_fd = OpenFile("/dev/null", O_WRONLY)->release()});
    ASSERT_TRUE(started.ok());
    registry_.emplace(std::move(started).value());
    registry::ClientOptions options;
    options.certs_directory = temp_.path();
    options.retry.max_attempts = 100;
    options.retry.max_delay = std::chrono::milliseconds(200);
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
    // The first push waits for the registry to come up: the client retries while it is refused.
    const auto pushed = registry_client_->PushBlobBytes(
        reference, image::DescriptorOf("application/octet-stream", bytes), bytes);
    ASSERT_TRUE(pushed.ok()) << pushed.error().message();
  }

  std::string host_;
  std::optional<Subprocess> registry_;
  std::unique_ptr<registry::RegistryClient> registry_client_;
};

}  // namespace locket::snapshotter
