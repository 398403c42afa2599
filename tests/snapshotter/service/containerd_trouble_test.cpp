// What goes wrong between containerd and us in the life of a node. Needs root.
#include <chrono>
#include <fstream>
#include <future>
#include <thread>

#include "tests/snapshotter/pull/loopback_registry.h"
#include "tests/snapshotter/service/containerd_fixture.h"

namespace locket::snapshotter {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr size_t kSomeBytes = 10'000;  // of a layer's 24 KiB

class ContainerdTroubleTest : public ContainerdTest {
 protected:
  TestImage PushOrdinary(const std::string& name) {
    const fs::path tree = temp_.path() / name;
    fs::create_directories(tree / "etc");
    std::ofstream(tree / "etc" / "passwd") << "root:x:0:0::/:/bin/sh\n";
    const std::string archive = temp_.path() / (name + ".tar");
    EXPECT_EQ(RunCommand({"tar", "-C", tree, "-cf", archive, "."})->exit_status, 0);
    TestImage image = MakeImageOf(host_ + "/" + name + ":1", {*ReadFile(archive, 1 << 20)});
    Push(image);
    return image;
  }
  void ExpectPull(const std::string& reference) {
    const grpc::Status pulled = Pull(reference);
    ASSERT_TRUE(pulled.ok()) << pulled.error_message() << containerd_log() << log_();
  }
  // As for a container: its snapshot on the image's last layer.
  void ExpectContainer(const TestImage& image, const std::string& name) {
    const auto prepared =
        Ctr({"snapshots", "--snapshotter", "locket", "prepare", name, image.chain_ids.back()});
    ASSERT_EQ(prepared.exit_status, 0) << prepared.standard_error << log_();
    const auto mounts = Ctr({"snapshots", "--snapshotter", "locket", "mounts", "/x", name});
    ASSERT_EQ(mounts.exit_status, 0) << mounts.standard_error << log_();
  }
  // After a restart of the server containerd pauses, for longer each time, between its attempts to
  // connect again; until then requests fail.
  void AwaitReconnection() {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (Ctr({"snapshots", "--snapshotter", "locket", "ls"}).exit_status != 0) {
      ASSERT_LT(std::chrono::steady_clock::now(), until) << containerd_log() << log_();
    }
  }
  // Forgets all images and snapshots, as after the loss of its disk or `rm` of its metadata.
  void LoseContainerdsMetadata() {
    StopContainerd();
    ASSERT_TRUE(fs::remove(temp_.path() / "c-root/io.containerd.metadata.v1.bolt/meta.db"));
    StartContainerd();
  }
};

TEST_F(ContainerdTroubleTest, CtrPullOfASealedImageFailsWithTheWayOutAndLeavesNothing) {
  const TestImage image = MakeImage(host_ + "/team/app:1", "AB");
  Push(image);
  for (const bool labelled : {false, true}) {
    std::vector<std::string> pull{"image", "pull", "--plain-http", "--snapshotter", "locket"};
    if (labelled) pull.insert(pull.end(), {"--label", "a=b"});
    pull.push_back(image.reference);
    const CommandOutput pulled = Ctr(pull);
    EXPECT_NE(pulled.exit_status, 0);
    EXPECT_THAT(pulled.standard_error,
                AllOf(HasSubstr("this layer is sealed"), HasSubstr("crictl pull")))
        << log_();
  }
  EXPECT_THAT(List({"kind==committed"}), IsEmpty());
  ExpectPull(image.reference);
  ExpectContainer(image, "web");
}

TEST_F(ContainerdTroubleTest, WithoutAnnotationsACriPullFailsWithTheWayOutAndWorksOnceTheyAreOn) {
  const TestImage image = MakeImage(host_ + "/team/app:1", "AB");
  Push(image);
  StopContainerd();
  StartContainerd("disable_snapshot_annotations = true");
  const grpc::Status pulled = Pull(image.reference);
  EXPECT_FALSE(pulled.ok());
  EXPECT_THAT(pulled.error_message(), HasSubstr("disable_snapshot_annotations = false"));
  EXPECT_THAT(List({"kind==committed"}), IsEmpty());
  StopContainerd();
  StartContainerd();
  ExpectPull(image.reference);
  ExpectContainer(image, "web");
}

TEST_F(ContainerdTroubleTest, ContainerdsLostMetadataCostsNoByteAndItsGarbageGoes) {
  const TestImage sealed = MakeImage(host_ + "/team/app:1", "AB");
  Push(sealed);
  const TestImage pause = PushOrdinary("pause");
  ExpectPull(pause.reference);
  ExpectPull(sealed.reference);
  ExpectContainer(sealed, "web");
  ExpectContainer(pause, "sandbox");
  LoseContainerdsMetadata();
  for (int round = 0; round < 2; ++round) {
    SCOPED_TRACE(round);
    ExpectPull(pause.reference);
    ExpectPull(sealed.reference);
    ExpectContainer(pause, "sandbox-" + std::to_string(round));
    ExpectContainer(sealed, "web-" + std::to_string(round));
    LoseContainerdsMetadata();
  }
  // As `locket doctor --fix`: containerd cleans up behind a snapshotter it removed something from.
  ASSERT_EQ(Ctr({"snapshots", "--snapshotter", "locket", "prepare", "x"}).exit_status, 0);
  ASSERT_EQ(Ctr({"snapshots", "--snapshotter", "locket", "rm", "x"}).exit_status, 0);
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!List().empty() && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  EXPECT_THAT(List(), IsEmpty());
}

TEST_F(ContainerdTroubleTest, OurLostRootIsMendedByRemovingTheImagesThatContainerdRemembers) {
  const TestImage sealed = MakeImage(host_ + "/team/app:1", "AB");
  Push(sealed);
  const TestImage pause = PushOrdinary("pause");
  ExpectPull(pause.reference);
  ExpectPull(sealed.reference);
  Stop(SIGTERM);
  fs::remove_all(root());
  Start();
  EXPECT_THAT(List(), IsEmpty());
  AwaitReconnection();
  for (const TestImage* image : {&pause, &sealed}) {
    SCOPED_TRACE(image->reference);
    ASSERT_TRUE(RemoveImage(image->reference).ok());
    ASSERT_EQ(Ctr({"images", "rm", "--sync", "none:1"}).exit_status, 0);
    ExpectPull(image->reference);
    ExpectContainer(*image, "c-" + image->chain_ids.back().substr(7, 8));
  }
}

TEST_F(ContainerdTroubleTest, NothingIsNeededOfContainersContentStore) {
  StopContainerd();
  StartContainerd("disable_snapshot_annotations = false\n    discard_unpacked_layers = true");
  const TestImage sealed = MakeImage(host_ + "/team/app:1", "AB");
  Push(sealed);
  const TestImage pause = PushOrdinary("pause");
  ExpectPull(pause.reference);
  ExpectPull(sealed.reference);
  ExpectContainer(sealed, "web");
  ExpectContainer(pause, "sandbox");
  const std::string content = Ctr({"content", "ls", "--quiet"}).standard_output;
  EXPECT_THAT(content, Not(HasSubstr(sealed.layer_digests[0])));
  ExpectPull(sealed.reference);
  ExpectContainer(sealed, "web-2");
}

TEST_F(ContainerdTroubleTest, AnImageThatAnotherSnapshotterHadFirstIsPulledAgain) {
  const TestImage pause = PushOrdinary("pause");
  const auto other =
      Ctr({"image", "pull", "--plain-http", "--snapshotter", "native", pause.reference});
  ASSERT_EQ(other.exit_status, 0) << other.standard_error;
  EXPECT_THAT(List(), IsEmpty());
  ExpectPull(pause.reference);
  ExpectContainer(pause, "sandbox");
  const TestImage sealed = MakeImage(host_ + "/team/app:1", "AB");
  Push(sealed);
  EXPECT_NE(Ctr({"image", "pull", "--plain-http", "--snapshotter", "native", sealed.reference})
                .exit_status,
            0);
  ExpectPull(sealed.reference);
  ExpectContainer(sealed, "web");
}

TEST_F(ContainerdTroubleTest, APullThatARestartCutOffGoesOnFromItsLastByte) {
  const std::map<int, std::string> fills{{SIGKILL, "AB"}, {SIGTERM, "CD"}};
  for (const auto& [signal, layers] : fills) {
    SCOPED_TRACE(signal);
    LoopbackRegistry registry;
    const TestImage image = MakeImage(registry.host() + "/app:1", layers);
    image.AddTo(registry);
    const std::string reference = registry.host() + "/app@" + image.manifest_digest();
    registry.StallAfter(image.layer_digests[1], kSomeBytes);
    auto pull = std::async(std::launch::async, [&] { return Pull(reference); });
    registry.WaitForStall();
    const fs::path partial = root() / "ingest" / image.layer_digests[1].substr(7);
    while (!fs::exists(partial) || fs::file_size(partial) < kSomeBytes) std::this_thread::yield();
    Stop(signal);
    EXPECT_FALSE(pull.get().ok());
    registry.StopStalling();
    Start();
    // The kubelet asks again until it works; containerd may still wait before it connects again.
    const auto until = std::chrono::steady_clock::now() + kPatience;
    grpc::Status again = Pull(reference);
    while (!again.ok() && std::chrono::steady_clock::now() < until) again = Pull(reference);
    ASSERT_TRUE(again.ok()) << again.error_message() << containerd_log() << log_();
    EXPECT_EQ(registry.OffsetsAsked(image.layer_digests[0]), std::vector<size_t>{0})
        << "the layer that was complete is not asked for again";
    EXPECT_EQ(registry.OffsetsAsked(image.layer_digests[1]).back(), kSomeBytes);
    EXPECT_THAT(List({"labels.\"containerd.io/snapshot/cri.image-ref\"~=app"}), SizeIs(2));
    ExpectContainer(image, "web-" + std::to_string(signal));
    ASSERT_EQ(Ctr({"snapshots", "--snapshotter", "locket", "rm", "web-" + std::to_string(signal)})
                  .exit_status,
              0);
    ASSERT_TRUE(RemoveImage(reference).ok());
    ASSERT_EQ(Ctr({"images", "rm", "--sync", "none:1"}).exit_status, 0);
    while (!List().empty() && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    ASSERT_THAT(List(), IsEmpty());
  }
}

}  // namespace
}  // namespace locket::snapshotter
