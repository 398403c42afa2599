// Debian's containerd pulls over CRI, with locket-snapshotter behind it. Needs root.
#include <fstream>

#include "proto/cri.grpc.pb.h"
#include "tests/snapshotter/registry_fixture.h"

namespace locket::snapshotter {
namespace {

namespace fs = std::filesystem;
namespace cri = ::runtime::v1;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class ContainerdTest : public RemoteTest {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root: containerd mounts";
    if (!RunCommand({"containerd", "--version"}).ok()) {
      GTEST_SKIP() << "needs Debian package containerd";
    }
    RemoteTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    Configure("");
    Start();
    StartContainerd();
  }

  void TearDown() override {
    if (!containerd_) return;
    EXPECT_TRUE(containerd_->Kill(SIGTERM).ok());
    EXPECT_TRUE(containerd_->Wait(kPatience).ok());
  }

  void StartContainerd() {
    const std::string dir = temp_.path();
    ASSERT_TRUE(ReplaceFileDurably(temp_.path() / "containerd.toml", R"(version = 2
root = ")" + dir + R"(/c-root"
state = ")" + dir + R"(/c-state"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[grpc]
  address = ")" + socket() + R"("
[ttrpc]
  address = ")" + dir + R"(/c.ttrpc"
[proxy_plugins.locket]
  type = "snapshot"
  address = ")" + address() + R"("
[plugins."io.containerd.internal.v1.opt"]
  path = ")" + dir + R"(/c-opt"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".cni]
    conf_dir = ")" + dir + R"(/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "locket"
    disable_snapshot_annotations = false
)")
                    .ok());
    const auto log = OpenFile(temp_.path() / "containerd.log", O_WRONLY | O_CREAT | O_APPEND);
    auto started = Subprocess::Start({"containerd", "--config", temp_.path() / "containerd.toml"},
                                     {.stdout_fd = log->get(), .stderr_fd = log->get()});
    ASSERT_TRUE(started.ok());
    containerd_.emplace(std::move(started).value());
    const auto channel =
        grpc::CreateChannel("unix:" + socket(), grpc::InsecureChannelCredentials());
    ASSERT_TRUE(channel->WaitForConnected(std::chrono::system_clock::now() + kPatience))
        << containerd_log();
    images_ = cri::ImageService::NewStub(channel);
  }

  grpc::Status Pull(const std::string& reference) {
    cri::PullImageRequest request;
    request.mutable_image()->set_image(reference);
    cri::PullImageResponse response;
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    return images_->PullImage(&context, request, &response);
  }
  grpc::Status RemoveImage(const std::string& reference) {
    cri::RemoveImageRequest request;
    request.mutable_image()->set_image(reference);
    cri::RemoveImageResponse response;
    grpc::ClientContext context;
    return images_->RemoveImage(&context, request, &response);
  }
  CommandOutput Ctr(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"ctr", "--address", socket(), "--namespace", "k8s.io"});
    return *RunCommand(arguments);
  }

  std::string socket() const { return temp_.path() / "c.sock"; }
  std::string containerd_log() const {
    return "containerd wrote:\n" + ReadFile(temp_.path() / "containerd.log", 16 << 20).value();
  }

  std::optional<Subprocess> containerd_;
  std::unique_ptr<cri::ImageService::Stub> images_;
};

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

TEST_F(ContainerdTest, AFailedDownloadFailsThePullWithOurReason) {
  const TestImage image = MakeImage(host_ + "/team/app:1", "A");
  Push(image);
  const fs::path stored = temp_.path() / "registry/docker/registry/v2/blobs/sha256" /
                          image.layer_digests[0].substr(7, 2) / image.layer_digests[0].substr(7);
  ASSERT_TRUE(fs::remove_all(stored) > 0);
  const grpc::Status pulled = Pull(image.reference);
  ASSERT_FALSE(pulled.ok());
  EXPECT_THAT(pulled.error_message(), HasSubstr("fetch blob " + image.layer_digests[0]));
  EXPECT_THAT(List(), IsEmpty());
}

}  // namespace
}  // namespace locket::snapshotter
