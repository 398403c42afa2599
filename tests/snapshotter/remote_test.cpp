// Pulls from Debian's docker-registry, as containerd asks for them.
#include <netinet/in.h>
#include <sys/socket.h>

#include "image/reference.h"
#include "registry/client.h"
#include "tests/snapshotter/image_fixture.h"
#include "tests/snapshotter/server_fixture.h"

namespace locket::snapshotter {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

int FreePort() {
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

TEST_F(RemoteTest, ASealedImageIsPulledAndAnOrdinaryOneIsLeftToContainerd) {
  const TestImage sealed = MakeImage(host_ + "/team/app:1", "AB");
  const TestImage plain = MakeImage(host_ + "/pause:1", "x");
  Push(sealed);
  Push(plain);
  Configure("");
  Start();
  std::string parent;
  for (size_t i = 0; i < 2; ++i) {
    const grpc::Status pulled =
        Prepare(sealed.Pull(i, parent, "k8s.io/" + std::to_string(i) + "/extract-1 x"));
    ASSERT_EQ(pulled.error_code(), grpc::StatusCode::ALREADY_EXISTS) << pulled.error_message();
    parent = List({"labels.\"containerd.io/snapshot.ref\"==" + sealed.chain_ids[i]}).at(0).name();
    EXPECT_EQ(*ReadFile(root() / "blobs/sha256" / sealed.layer_digests[i].substr(7), 1 << 20),
              sealed.layers[i]);
  }
  ASSERT_TRUE(Prepare({.key = "k8s.io/7/web", .parent = parent}).ok());
  EXPECT_THAT(prepared_.mounts(0).options(2), HasSubstr("dev.locket.rootfs="));
  const grpc::Status ordinary = Prepare(plain.Pull(0, "", "k8s.io/8/extract-1 x"));
  EXPECT_TRUE(ordinary.ok()) << ordinary.error_message();
}

TEST_F(RemoteTest, AnImageTheRegistryLacksIsNotFound) {
  Push(MakeImage(host_ + "/team/app:1", "A"));
  const TestImage absent = MakeImage(host_ + "/team/app:2", "Q");
  Configure("");
  Start();
  const grpc::Status pulled = Prepare(absent.Pull(0, "", "k8s.io/1/extract-1 x"));
  EXPECT_EQ(pulled.error_code(), grpc::StatusCode::NOT_FOUND) << pulled.error_message();
  EXPECT_THAT(pulled.error_message(), HasSubstr(absent.manifest_digest()));
}

}  // namespace
}  // namespace locket::snapshotter
