// Debian's containerd pulls over CRI, with locket-snapshotter behind it. Needs root.
#include <fstream>

#include "tests/snapshotter/pull/loopback_registry.h"
#include "tests/snapshotter/service/containerd_fixture.h"

namespace locket::snapshotter {
namespace {

namespace fs = std::filesystem;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

TEST_F(ContainerdTest, ASealedImageIsPulledWithoutAByteInContainerdAndGoesWithIt) {
  const TestImage image = MakeImage(host_ + "/team/app:1", "AB");
  Push(image);
  const grpc::Status pulled = Pull(image.reference);
  ASSERT_TRUE(pulled.ok()) << pulled.error_message() << containerd_log() << log_();
  EXPECT_THAT(List({"kind==committed"}), SizeIs(2));
  const std::string content = Ctr({"content", "ls", "--quiet"}).standard_output;
  EXPECT_THAT(content, HasSubstr(image.manifest_digest()));
  for (const std::string& digest : image.layer_digests) {
    EXPECT_THAT(content, Not(HasSubstr(digest))) << "containerd downloaded a sealed layer";
  }

  const CommandOutput prepared =
      Ctr({"snapshots", "--snapshotter", "locket", "prepare", "web", image.chain_ids[1]});
  ASSERT_EQ(prepared.exit_status, 0) << prepared.standard_error;
  const fs::path mounted = temp_.path() / "mnt";
  fs::create_directory(mounted);
  const CommandOutput mounts =
      Ctr({"snapshots", "--snapshotter", "locket", "mounts", mounted, "web"});
  EXPECT_THAT(mounts.standard_output, HasSubstr("dev.locket.rootfs="));
  const auto mount = RunCommand({"sh", "-c", mounts.standard_output});
  ASSERT_EQ(mount->exit_status, 0) << mount->standard_error;
  EXPECT_TRUE(fs::is_directory(mounted / "etc"));
  ASSERT_EQ(RunCommand({"umount", mounted})->exit_status, 0);
  ASSERT_EQ(Ctr({"snapshots", "--snapshotter", "locket", "rm", "web"}).exit_status, 0);

  ASSERT_TRUE(RemoveImage(image.reference).ok());
  // containerd deletes in its own time; a synchronous deletion makes it do so now.
  ASSERT_EQ(Ctr({"images", "rm", "--sync", "none:1"}).exit_status, 0);
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!List().empty() && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  EXPECT_THAT(List(), IsEmpty()) << containerd_log();
}

TEST_F(ContainerdTest, AnOrdinaryImageIsUnpackedAndMounts) {
  const fs::path tree = temp_.path() / "tree";
  fs::create_directories(tree / "etc");
  std::ofstream(tree / "etc" / "passwd") << "root:x:0:0::/:/bin/sh\n";
  const std::string archive = temp_.path() / "layer.tar";
  ASSERT_EQ(RunCommand({"tar", "-C", tree, "-cf", archive, "."})->exit_status, 0);
  const TestImage image = MakeImageOf(host_ + "/pause:1", {*ReadFile(archive, 1 << 20)});
  Push(image);
  const grpc::Status pulled = Pull(image.reference);
  ASSERT_TRUE(pulled.ok()) << pulled.error_message() << containerd_log() << log_();
  const auto snapshots = List({"kind==committed"});
  ASSERT_THAT(snapshots, SizeIs(1));
  EXPECT_TRUE(fs::exists(root() / "snapshots/1/etc/passwd"));
  const CommandOutput prepared =
      Ctr({"snapshots", "--snapshotter", "locket", "prepare", "web", image.chain_ids[0]});
  EXPECT_EQ(prepared.exit_status, 0) << prepared.standard_error;
  EXPECT_EQ(Ctr({"snapshots", "--snapshotter", "locket", "usage"}).exit_status, 0);
}

// The kubelet's images are served by the snapshotter.
class PullSecretTest : public ContainerdTest {
 protected:
  std::string Configuration() const override {
    return "[cri]\naddress = \"" + kubelet_socket() + "\"\ncontainerd = \"" + socket() + "\"\n";
  }
  std::string kubelet_socket() const { return temp_.path() / "k.sock"; }
  std::unique_ptr<cri::ImageService::Stub> Kubelet() const {
    return cri::ImageService::NewStub(
        grpc::CreateChannel("unix:" + kubelet_socket(), grpc::InsecureChannelCredentials()));
  }
  grpc::Status PullWithSecret(const std::string& reference, const std::string& password) {
    cri::PullImageRequest request;
    request.mutable_image()->set_image(reference);
    request.mutable_auth()->set_username("user");
    request.mutable_auth()->set_password(password);
    cri::PullImageResponse response;
    grpc::ClientContext context;
    return Kubelet()->PullImage(&context, request, &response);
  }
};

TEST_F(PullSecretTest, OpensTheRegistryForContainerdAndForUs) {
  LoopbackRegistry locked;
  locked.Follow([](const std::string& request) -> std::optional<LoopbackRegistry::Raw> {
    if (request.find("Basic dXNlcjpwYXNz") != std::string::npos) return std::nullopt;
    return LoopbackRegistry::Raw{.bytes =
                                     "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n"
                                     "WWW-Authenticate: Basic realm=\"r\"\r\n"
                                     "Connection: close\r\n\r\n"};
  });
  TestImage image = MakeImage(locked.host() + "/team/app", "AB");
  image.AddTo(locked);
  const std::string reference = image.reference + "@" + image.manifest_digest();
  EXPECT_FALSE(PullWithSecret(reference, "wrong").ok());
  const grpc::Status pulled = PullWithSecret(reference, "pass");
  ASSERT_TRUE(pulled.ok()) << pulled.error_message() << containerd_log() << log_();
  EXPECT_THAT(List({"kind==committed"}), SizeIs(2));
  EXPECT_THAT(log(), Not(AnyOf(HasSubstr("dXNlcjpwYXNz"), HasSubstr("wrong"))))
      << "a secret is in the log";
  cri::ListImagesResponse listed;
  grpc::ClientContext context;
  ASSERT_TRUE(Kubelet()->ListImages(&context, {}, &listed).ok());
  EXPECT_EQ(listed.images_size(), 1) << "other calls go on to containerd";
}

TEST_F(ContainerdTest, AFailedDownloadFailsThePullWithOurReason) {
  const TestImage image = MakeImage(host_ + "/team/app:1", "A");
  Push(image);
  const fs::path stored = temp_.path() / "registry/data/docker/registry/v2/blobs/sha256" /
                          image.layer_digests[0].substr(7, 2) / image.layer_digests[0].substr(7);
  ASSERT_TRUE(fs::remove_all(stored) > 0);
  const grpc::Status pulled = Pull(image.reference);
  ASSERT_FALSE(pulled.ok());
  EXPECT_THAT(pulled.error_message(), HasSubstr("fetch blob " + image.layer_digests[0]));
  EXPECT_THAT(List(), IsEmpty());
}

}  // namespace
}  // namespace locket::snapshotter
