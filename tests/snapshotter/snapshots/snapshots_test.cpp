#include "snapshotter/snapshots/snapshots.h"

#include <sys/mount.h>
#include <unistd.h>

#include <fstream>

#include "tests/snapshotter/snapshots/snapshots_fixture.h"

namespace locket::snapshotter {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using ::testing::UnorderedElementsAreArray;

TEST_F(SnapshotsTest, AnActiveSnapshotBecomesCommittedUnderItsNewName) {
  const auto mounts = snapshots().Prepare({.key = "a", .labels = {{"l", "1"}}});
  ASSERT_TRUE(mounts.ok()) << mounts.error().message();
  EXPECT_EQ(mounts->front().type, "bind");
  EXPECT_EQ(*snapshots().Mounts("a"), *mounts);
  machine_.clock.Advance(std::chrono::seconds(1));
  ASSERT_TRUE(snapshots().Commit("c", "a", {{"m", "2"}}).ok());
  const auto stat = snapshots().Stat("c");
  ASSERT_TRUE(stat.ok());
  EXPECT_EQ(stat->kind, Kind::kCommitted);
  EXPECT_EQ(stat->labels, (Labels{{"m", "2"}})) << "labels are replaced, not inherited";
  EXPECT_EQ(stat->created_ns, 1'700'000'001'000'000'000);
  ExpectError(snapshots().Stat("a"), ErrorCode::kNotFound, "snapshot 'a' does not exist");
}

TEST_F(SnapshotsTest, ChildrenStackOnTheirParents) {
  CommitBase("one");
  ASSERT_TRUE(snapshots().Prepare({.key = "two-active", .parent = "one"}).ok());
  ASSERT_TRUE(snapshots().Commit("two", "two-active", {}).ok());
  const auto mounts = snapshots().View({.key = "view", .parent = "two"});
  ASSERT_TRUE(mounts.ok());
  const std::string dir = machine_.root.snapshots();
  EXPECT_EQ(mounts->front().options.back(), "lowerdir=" + dir + "/2:" + dir + "/1");
  EXPECT_EQ(snapshots().Stat("view")->parent, "two");
}

TEST_F(SnapshotsTest, SaysWhyARequestIsRefused) {
  CommitBase("base");
  ASSERT_TRUE(snapshots().Prepare({.key = "active", .parent = "base"}).ok());
  ASSERT_TRUE(snapshots().View({.key = "view", .parent = "base"}).ok());
  ExpectError(snapshots().Prepare({.key = ""}), ErrorCode::kInvalidArgument, "needs a name");
  ExpectError(snapshots().Prepare({.key = "active"}), ErrorCode::kAlreadyExists, "'active'");
  ExpectError(snapshots().View({.key = "base"}), ErrorCode::kAlreadyExists, "'base'");
  ExpectError(snapshots().Prepare({.key = "x", .parent = "none"}), ErrorCode::kNotFound, "'none'");
  ExpectError(snapshots().Prepare({.key = "x", .parent = "active"}), ErrorCode::kInvalidArgument,
              "not committed");
  ExpectError(snapshots().Prepare({.key = "x", .labels = {{"k", std::string(5000, 'v')}}}),
              ErrorCode::kInvalidArgument, "4096");
  ExpectError(snapshots().Mounts("base"), ErrorCode::kFailedPrecondition, "committed");
  ExpectError(snapshots().Mounts("none"), ErrorCode::kNotFound, "'none'");
  ExpectError(snapshots().Commit("base", "active", {}), ErrorCode::kAlreadyExists, "'base'");
  ExpectError(snapshots().Commit("y", "view", {}), ErrorCode::kFailedPrecondition, "not active");
  ExpectError(snapshots().Commit("y", "none", {}), ErrorCode::kNotFound, "'none'");
  ExpectError(snapshots().Remove("base"), ErrorCode::kFailedPrecondition, "cannot remove");
  ExpectError(snapshots().Remove("none"), ErrorCode::kNotFound, "'none'");
  ExpectError(snapshots().UsageOf("none"), ErrorCode::kNotFound, "'none'");
  const std::vector<std::string> bad_filter{"name=="};
  ExpectError(snapshots().List(bad_filter), ErrorCode::kInvalidArgument, "filter");
  EXPECT_THAT(machine_.Names(), UnorderedElementsAre("base", "active", "view"));
}

TEST_F(SnapshotsTest, RemovingFreesTheNameAndTheDisk) {
  CommitBase("base");
  ASSERT_TRUE(snapshots().Prepare({.key = "a", .parent = "base"}).ok());
  std::ofstream(machine_.root.snapshot(2) / "file") << "x";
  ASSERT_TRUE(snapshots().Remove("a").ok());
  ASSERT_TRUE(snapshots().Cleanup().ok());
  EXPECT_THAT(machine_.Directories(), ElementsAre("1"));
  ASSERT_TRUE(snapshots().Prepare({.key = "a"}).ok());
  EXPECT_THAT(machine_.Directories(), UnorderedElementsAre("1", "3")) << "ids are not used again";
  EXPECT_TRUE(snapshots().Remove("base").ok()) << "its only child is gone";
}

TEST_F(SnapshotsTest, UpdateChangesLabelsAndNothingElse) {
  ASSERT_TRUE(snapshots().Prepare({.key = "a", .labels = {{"x", "1"}, {"y", "2"}}}).ok());
  machine_.clock.Advance(std::chrono::seconds(5));
  const std::vector<std::string> some{"labels.x", "labels.y"};
  const auto updated = snapshots().Update("a", {{"x", "9"}, {"z", "3"}}, some);
  ASSERT_TRUE(updated.ok());
  EXPECT_EQ(updated->labels, (Labels{{"x", "9"}})) << "y had no new value; z was not named";
  EXPECT_EQ(updated->updated_ns - updated->created_ns, 5'000'000'000);
  EXPECT_EQ(snapshots().Update("a", {{"q", "1"}}, {})->labels, (Labels{{"q", "1"}}));
  const std::vector<std::string> all{"labels"};
  EXPECT_THAT(snapshots().Update("a", {{"r", ""}}, all)->labels, IsEmpty());
  const std::vector<std::string> wrong{"parent"};
  ExpectError(snapshots().Update("a", {}, wrong), ErrorCode::kInvalidArgument, "'parent'");
  ExpectError(snapshots().Update("none", {}, {}), ErrorCode::kNotFound, "'none'");
}

TEST_F(SnapshotsTest, UsageIsToldThoughItCannotBeRemembered) {
  CommitBase("c");
  machine_.store.FailCall(1);
  const auto usage = snapshots().UsageOf("c");
  ASSERT_TRUE(usage.ok()) << usage.error().message();
  EXPECT_EQ(usage->inodes, 1U);
  EXPECT_FALSE(snapshots().Stat("c")->usage);
  EXPECT_EQ(*snapshots().UsageOf("c"), *usage);
  EXPECT_TRUE(snapshots().Stat("c")->usage) << "the store works again";
}

TEST_F(SnapshotsTest, CommittedUsageIsMeasuredOnceAndAfterCommit) {
  ASSERT_TRUE(snapshots().Prepare({.key = "a"}).ok());
  std::ofstream(machine_.root.snapshot(1) / "file") << std::string(9000, 'x');
  const int calls = machine_.store.num_calls();
  ASSERT_TRUE(snapshots().Commit("c", "a", {}).ok());
  EXPECT_EQ(machine_.store.num_calls(), calls + 1) << "Commit is one write";
  const auto usage = snapshots().UsageOf("c");
  ASSERT_TRUE(usage.ok());
  EXPECT_GE(usage->size_bytes, 9000U);
  EXPECT_EQ(usage->inodes, 2U);
  ASSERT_TRUE(machine_.Restart().ok());
  fs::remove(machine_.root.snapshot(1) / "file");
  EXPECT_EQ(*snapshots().UsageOf("c"), *usage) << "it was not remembered";
  ASSERT_TRUE(snapshots().View({.key = "v", .parent = "c"}).ok());
  EXPECT_EQ(*snapshots().UsageOf("v"), Usage{});
}

TEST_F(SnapshotsTest, EverythingIsThereAfterARestart) {
  CommitBase("base");
  ASSERT_TRUE(snapshots().Prepare({.key = "a", .parent = "base", .labels = {{"l", "1"}}}).ok());
  const auto before = snapshots().List({});
  const auto mounts = snapshots().Mounts("a");
  ASSERT_TRUE(machine_.Restart().ok());
  EXPECT_EQ(*snapshots().List({}), *before);
  EXPECT_EQ(*snapshots().Mounts("a"), *mounts);
}

TEST_F(SnapshotsTest, StartUpRemovesDirectoriesThatBelongToNobody) {
  fs::create_directories(machine_.root.snapshot(77) / "x");
  ASSERT_TRUE(machine_.Restart().ok());
  EXPECT_THAT(machine_.Directories(), IsEmpty());
}

TEST_F(SnapshotsTest, RefusesAStoreThatContradictsItself) {
  CommitBase("base");
  Snapshot twin = *snapshots().Stat("base");
  twin.id = 50;
  ASSERT_TRUE(machine_.store.Apply({.put = {twin}}).ok());
  ExpectError(machine_.Restart(), ErrorCode::kDataLoss, "two snapshots are called 'base'");
  twin.name = "orphan";
  twin.parent = "nobody";
  ASSERT_TRUE(machine_.store.Apply({.put = {twin}}).ok());
  ExpectError(machine_.Restart(), ErrorCode::kDataLoss, "lost parent 'nobody'");
}

// One request on a machine with a committed snapshot "base" and an active one "old".
struct Step {
  const char* name;
  Status (*run)(Snapshots&);
};

Status Drop(Result<std::vector<Mount>> mounts) {
  if (!mounts.ok()) return std::move(mounts).error();
  return Ok();
}

const Step kSteps[] = {
    {"prepare", [](Snapshots& s) { return Drop(s.Prepare({.key = "new", .parent = "base"})); }},
    {"view", [](Snapshots& s) { return Drop(s.View({.key = "new", .parent = "base"})); }},
    {"commit", [](Snapshots& s) { return s.Commit("new", "old", {}); }},
    {"remove", [](Snapshots& s) { return s.Remove("old"); }},
};

// Breaks every call to the store in turn, and restarts at each: nothing half-done is ever visible,
// and names and directories agree.
TEST(SnapshotsCrashTest, AFailedWriteLeavesTheOldStateOrTheNew) {
  for (const Step& step : kSteps) {
    for (int nth = 1;; ++nth) {
      SCOPED_TRACE(std::string(step.name) + ", broken call " + std::to_string(nth));
      Machine machine;
      ASSERT_TRUE(machine.Restart().ok());
      ASSERT_TRUE(machine.snapshots->Prepare({.key = "base-a"}).ok());
      ASSERT_TRUE(machine.snapshots->Commit("base", "base-a", {}).ok());
      ASSERT_TRUE(machine.snapshots->Prepare({.key = "old", .parent = "base"}).ok());
      const int calls = machine.store.num_calls();
      machine.store.FailCall(nth);
      const Status done = step.run(*machine.snapshots);
      const bool broke = machine.store.num_calls() - calls >= nth;
      machine.store.FailCall(0);
      const auto visible = machine.Names();
      if (!done.ok()) {
        EXPECT_THAT(visible, UnorderedElementsAre("base", "old"));
        EXPECT_THAT(done.error().message(), ::testing::HasSubstr("injected"));
      }
      ASSERT_TRUE(machine.Restart().ok());
      EXPECT_EQ(machine.Names(), visible) << "a restart changed what is there";
      EXPECT_THAT(machine.Directories(), UnorderedElementsAreArray(machine.NeededDirectories()));
      EXPECT_TRUE(machine.snapshots->Prepare({.key = "later", .parent = "base"}).ok());
      if (!broke) break;
    }
  }
}

// What a kill leaves: directories whose record was not written yet, or is not there any more.
TEST_F(SnapshotsTest, CleanupRemovesDirectoriesThatBelongToNobodyAndNoOthers) {
  ASSERT_TRUE(snapshots().Prepare({.key = "stays"}).ok());
  fs::create_directories(machine_.root.snapshot(77) / "x");
  ASSERT_TRUE(snapshots().Cleanup().ok());
  EXPECT_THAT(machine_.Directories(), ElementsAre("1"));
}

TEST_F(SnapshotsTest, ADirectoryThatResistsKeepsNobodyFromTheOthers) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to mount";
  ASSERT_TRUE(snapshots().Prepare({.key = "stays"}).ok());
  for (const uint64_t id : {76U, 77U, 78U}) fs::create_directories(machine_.root.snapshot(id));
  const fs::path mounted = machine_.root.snapshot(77);
  ASSERT_EQ(::mount("none", mounted.c_str(), "tmpfs", 0, nullptr), 0);
  const Status cleaned = snapshots().Cleanup();
  const Status restarted = machine_.Restart();
  ASSERT_EQ(::umount2(mounted.c_str(), MNT_DETACH), 0);
  EXPECT_TRUE(cleaned.ok()) << cleaned.error().message();
  EXPECT_TRUE(restarted.ok()) << restarted.error().message();
  EXPECT_THAT(machine_.Directories(), UnorderedElementsAre("1", "77"));
}

TEST_F(SnapshotsTest, StartUpMakesDirectoriesAgainThatAPowerCutTook) {
  CommitBase("base");
  ASSERT_TRUE(snapshots().Prepare({.key = "a", .parent = "base"}).ok());
  ASSERT_TRUE(snapshots().View({.key = "v"}).ok());
  const auto mounts = snapshots().Mounts("a");
  fs::remove_all(machine_.root.snapshot(2));
  fs::remove_all(machine_.root.snapshot(3));
  ASSERT_TRUE(machine_.Restart().ok());
  EXPECT_THAT(machine_.Directories(), UnorderedElementsAre("1", "2", "3"));
  EXPECT_TRUE(fs::is_directory(machine_.root.work(2)));
  EXPECT_EQ(*snapshots().Mounts("a"), *mounts);
}

TEST_F(SnapshotsTest, LostContentIsAnErrorForWhoeverNeedsItAndForNobodyElse) {
  CommitBase("base");
  CommitBase("other");
  fs::remove_all(machine_.root.snapshot(1));
  ASSERT_TRUE(machine_.Restart().ok());
  ExpectError(snapshots().Prepare({.key = "a", .parent = "base"}), ErrorCode::kDataLoss,
              "remove the image and pull it again");
  EXPECT_TRUE(snapshots().Prepare({.key = "a", .parent = "other"}).ok());
  EXPECT_TRUE(snapshots().Remove("base").ok());
}

TEST_F(SnapshotsTest, IdsAreNotGivenAgainAfterARestart) {
  ASSERT_TRUE(snapshots().Prepare({.key = "a"}).ok());
  const uint64_t first = snapshots().Stat("a")->id;
  ASSERT_TRUE(snapshots().Remove("a").ok());
  ASSERT_TRUE(machine_.Restart().ok());
  ASSERT_TRUE(snapshots().Prepare({.key = "a"}).ok());
  EXPECT_GT(snapshots().Stat("a")->id, first);
}

TEST_F(SnapshotsTest, ARequestIsOneWriteToTheStore) {
  CommitBase("base");
  int calls = machine_.store.num_calls();
  const auto writes = [&] {
    return machine_.store.num_calls() - std::exchange(calls, machine_.store.num_calls());
  };
  ASSERT_TRUE(snapshots().Prepare({.key = "a", .parent = "base"}).ok());
  EXPECT_EQ(writes(), 1);
  ASSERT_TRUE(snapshots().Commit("c", "a", {}).ok());
  EXPECT_EQ(writes(), 1);
  ASSERT_TRUE(snapshots().Remove("c").ok());
  EXPECT_EQ(writes(), 1);
}

}  // namespace
}  // namespace locket::snapshotter
