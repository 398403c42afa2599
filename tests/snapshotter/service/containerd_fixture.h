// Debian's containerd, with locket-snapshotter behind it. Needs root.
#pragma once

#include "proto/cri.grpc.pb.h"
#include "tests/snapshotter/service/registry_fixture.h"

namespace locket::snapshotter {

namespace cri = ::runtime::v1;

class ContainerdTest : public RemoteTest {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root: containerd mounts";
    if (!RunCommand({"containerd", "--version"}).ok()) {
      GTEST_SKIP() << "needs Debian package containerd";
    }
    RemoteTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    Configure(Configuration());
    Start();
    StartContainerd();
  }

  void TearDown() override { StopContainerd(); }

  void StopContainerd() {
    if (!containerd_) return;
    EXPECT_TRUE(containerd_->Kill(SIGTERM).ok());
    EXPECT_TRUE(containerd_->Wait(kPatience).ok());
    containerd_.reset();
  }

  // The snapshotter's.
  virtual std::string Configuration() const { return "[cri]\ncontainerd = \"" + socket() + "\"\n"; }

  // The part of the configuration we ship that says what becomes of sealed layers elsewhere.
  static std::string StreamProcessors() {
    const std::string shipped = *ReadFile(LOCKET_SOURCE_DIR "/deploy/containerd.toml", 1 << 20);
    return shipped.substr(shipped.find("[stream_processors"));
  }

  // `containerd_keys`: the rest of CRI's section `containerd`.
  void StartContainerd(
      const std::string& containerd_keys = "disable_snapshot_annotations = false") {
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
  [proxy_plugins.locket.exports]
    root = ")" + root().string() + R"("
    enable_remote_snapshot_annotations = "true"
[[plugins."io.containerd.transfer.v1.local".unpack_config]]
  platform = "linux"
  snapshotter = "overlayfs"
[[plugins."io.containerd.transfer.v1.local".unpack_config]]
  platform = "linux"
  snapshotter = "locket"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.internal.v1.opt"]
  path = ")" + dir + R"(/c-opt"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".cni]
    conf_dir = ")" + dir + R"(/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "locket"
    )" + containerd_keys + "\n" + StreamProcessors())
                    .ok());
    const auto log = OpenFile(temp_.path() / "containerd.log", O_WRONLY | O_CREAT | O_APPEND);
    auto started = Subprocess::Start({"containerd", "--config", temp_.path() / "containerd.toml"},
                                     {.stdout_fd = log->get(), .stderr_fd = log->get()});
    ASSERT_TRUE(started.ok());
    containerd_.emplace(std::move(started).value());
    // A channel of its own each time, as in ServerTest::Connect.
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const auto channel = grpc::CreateCustomChannel("unix:" + socket(),
                                                   grpc::InsecureChannelCredentials(), arguments);
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

}  // namespace locket::snapshotter
