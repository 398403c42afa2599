// Debian's containerd pulls over CRI, with locket-snapshotter behind it. Needs root.
#include <fstream>

#include "tests/snapshotter/containerd_fixture.h"

namespace locket::snapshotter {
namespace {

namespace fs = std::filesystem;
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
