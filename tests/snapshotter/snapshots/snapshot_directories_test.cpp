#include "snapshotter/snapshots/snapshot_directories.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/file.h"

namespace locket::snapshotter {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class SnapshotDirectoriesTest : public ::testing::Test {
 protected:
  static Snapshot Some(uint64_t id, Kind kind, const std::string& parent = "") {
    return {.id = id,
            .kind = kind,
            .name = "n" + std::to_string(id),
            .parent = parent,
            .created_ns = 1,
            .updated_ns = 1};
  }
  static Snapshot Container(uint64_t id) {
    Snapshot snapshot = Some(id, Kind::kActive, "layer");
    snapshot.image =
        ImageSource{.reference = "r/i:1", .manifest_digest = "m", .config_digest = "c"};
    return snapshot;
  }
  // A base whose directory is there.
  SnapshotPtr Base(uint64_t id) {
    const Snapshot base = Some(id, Kind::kCommitted);
    EXPECT_TRUE(directories_.Make(base, {}).ok());
    return std::make_shared<const Snapshot>(base);
  }
  mode_t ModeOf(const fs::path& path) const {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
    return status.st_mode & 07777;
  }

  TempDir temp_ = std::move(TempDir::Create("/tmp", "directories-")).value();
  RootDirectory root_ = std::move(RootDirectory::Open(temp_.path())).value();
  SnapshotDirectories directories_{root_, /*converter=*/nullptr};
};

TEST_F(SnapshotDirectoriesTest, MakesWhatEachKindNeedsAndNoMore) {
  const SnapshotPtr base = Base(1);
  struct Case {
    Snapshot snapshot;
    Chain parents;
    bool content;
    bool work;
  };
  const Case cases[] = {{Some(2, Kind::kActive), {}, true, false},
                        {Some(3, Kind::kActive, "n1"), {base}, true, true},
                        {Some(4, Kind::kView), {}, true, false},
                        {Some(5, Kind::kView, "n1"), {base}, false, false}};
  for (const auto& [snapshot, parents, content, work] : cases) {
    SCOPED_TRACE(snapshot.id);
    ASSERT_TRUE(directories_.Make(snapshot, parents).ok());
    EXPECT_EQ(fs::exists(root_.snapshot(snapshot.id)), content);
    EXPECT_EQ(fs::exists(root_.work(snapshot.id)), work);
    EXPECT_TRUE(directories_.AreWhole(snapshot));
  }
}

TEST_F(SnapshotDirectoriesTest, AContainerOnSealedLayersGetsAStubRootFileSystem) {
  ASSERT_TRUE(directories_.Make(Container(1), {}).ok());
  EXPECT_EQ(ModeOf(root_.snapshot(1)), 0700U);
  EXPECT_EQ(ModeOf(root_.rootfs(1)), 0755U);
  EXPECT_EQ(*ReadFile(root_.rootfs(1) / "etc/passwd", 100), "root:x:0:0:root:/root:/bin/sh\n");
  EXPECT_TRUE(fs::is_directory(root_.rootfs(1) / "proc"));
  EXPECT_TRUE(directories_.AreWhole(Container(1)));
  fs::remove_all(root_.rootfs(1));
  EXPECT_FALSE(directories_.AreWhole(Container(1)));
}

TEST_F(SnapshotDirectoriesTest, ASealedLayerIsWholeWithoutDirectories) {
  Snapshot layer = Some(1, Kind::kCommitted);
  layer.layer = SealedBlob{.digest = "d", .size_bytes = 1, .media_type = "t"};
  EXPECT_TRUE(directories_.AreWhole(layer));
}

TEST_F(SnapshotDirectoriesTest, TheOwnerOfAnOverlaysRootIsThatOfTheLayerBelow) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to change owners";
  const SnapshotPtr base = Base(1);
  ASSERT_EQ(::chown(root_.snapshot(1).c_str(), 12, 34), 0);
  ASSERT_TRUE(directories_.Make(Some(2, Kind::kActive, "n1"), {base}).ok());
  struct stat status {};
  ASSERT_EQ(::stat(root_.snapshot(2).c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 12U);
  EXPECT_EQ(status.st_gid, 34U);
}

TEST_F(SnapshotDirectoriesTest, NothingIsMadeOnAParentWhoseContentIsGone) {
  const SnapshotPtr base = Base(1);
  fs::remove(root_.snapshot(1));
  const auto made = directories_.Make(Some(2, Kind::kActive, "n1"), {base});
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code(), ErrorCode::kDataLoss);
  EXPECT_THAT(made.error().message(), HasSubstr("pull it again"));
  EXPECT_FALSE(fs::exists(root_.work(2)));
}

TEST_F(SnapshotDirectoriesTest, RepairMakesWhatIsLostButNeverCommittedContent) {
  const SnapshotPtr base = Base(1);
  const Snapshot active = Some(2, Kind::kActive, "n1");
  ASSERT_TRUE(directories_.Make(active, {base}).ok());
  fs::remove(root_.work(2));
  EXPECT_FALSE(directories_.AreWhole(active));
  ASSERT_TRUE(directories_.Repair(active, {base}).ok());
  EXPECT_TRUE(directories_.AreWhole(active));
  fs::remove(root_.snapshot(1));
  const auto repaired = directories_.Repair(*base, {});
  ASSERT_FALSE(repaired.ok());
  EXPECT_EQ(repaired.error().code(), ErrorCode::kDataLoss);
  EXPECT_THAT(repaired.error().message(), HasSubstr("snapshot 'n1': its content is gone"));
}

TEST_F(SnapshotDirectoriesTest, RemovingTwiceIsFine) {
  const SnapshotPtr base = Base(1);
  ASSERT_TRUE(directories_.Make(Some(2, Kind::kActive, "n1"), {base}).ok());
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(directories_.Remove(2).ok());
    EXPECT_FALSE(fs::exists(root_.snapshot(2)));
    EXPECT_FALSE(fs::exists(root_.work(2)));
  }
}

TEST_F(SnapshotDirectoriesTest, StraysGoAndWhatIsMadeWhileTheyAreListedStays) {
  Base(1);
  Base(2);
  ASSERT_TRUE(MakeDirectory(root_.work(3), 0711).ok());
  const auto known = [this] {
    Base(4);  // its ID is not in the answer, as when it was made a moment later
    return std::set<uint64_t>{1};
  };
  ASSERT_TRUE(directories_.RemoveStrays(known).ok());
  EXPECT_TRUE(fs::exists(root_.snapshot(1)));
  EXPECT_FALSE(fs::exists(root_.snapshot(2)));
  EXPECT_FALSE(fs::exists(root_.work(3)));
  EXPECT_TRUE(fs::exists(root_.snapshot(4)));
}

}  // namespace
}  // namespace locket::snapshotter
