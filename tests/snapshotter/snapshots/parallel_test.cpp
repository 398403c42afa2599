// Sixteen clients at once on the real store: what the contract promises to one it promises to all.
#include <atomic>
#include <functional>
#include <latch>
#include <thread>

#include "snapshotter/store/store_rocksdb.h"
#include "tests/snapshotter/cache/cached_digests.h"
#include "tests/snapshotter/snapshots/snapshots_fixture.h"

namespace locket::snapshotter {
namespace {

constexpr int kNumClients = 16;
constexpr int kRounds = 20;

class ParallelTest : public ::testing::Test {
 protected:
  void SetUp() override { Open(); }

  void Open() {
    snapshots_.reset();
    store_.reset();
    auto store = OpenRocksDbStore(machine_.root.meta());
    ASSERT_TRUE(store.ok()) << store.error().message();
    store_ = std::move(store).value();
    machine_.blobs.emplace(machine_.root, machine_.fetcher);
    auto opened = Snapshots::Open({.root = machine_.root,
                                   .store = *store_,
                                   .blobs = *machine_.blobs,
                                   .clock = machine_.clock,
                                   .containerd = machine_.containerd});
    ASSERT_TRUE(opened.ok()) << opened.error().message();
    snapshots_ = std::move(opened).value();
  }

  // Runs `client(number)` sixteen times at once.
  static void AtOnce(const std::function<void(int)>& client) {
    std::latch ready(kNumClients);
    std::vector<std::jthread> threads;
    for (int i = 0; i < kNumClients; ++i) {
      threads.emplace_back([&, i] {
        ready.arrive_and_wait();
        client(i);
      });
    }
  }

  // Memory, store and disk say the same.
  void ExpectOneTruth() {
    ASSERT_TRUE(snapshots_->Cleanup().ok());
    const auto before = snapshots_->List({});
    ASSERT_TRUE(before.ok());
    size_t num_directories = 0;
    for (const Snapshot& snapshot : *before) {
      num_directories += snapshot.kind != Kind::kView || snapshot.parent.empty() ? 1 : 0;
    }
    EXPECT_EQ(machine_.Directories().size(), num_directories);
    Open();
    EXPECT_EQ(*snapshots_->List({}), *before);
    EXPECT_EQ(machine_.Directories().size(), num_directories);
  }

  Machine machine_;  // its own store and snapshots are not used
  std::unique_ptr<Store> store_;
  std::unique_ptr<Snapshots> snapshots_;
};

TEST_F(ParallelTest, ClientsThatShareNothingDoNotDisturbOneAnother) {
  AtOnce([&](int client) {
    for (int round = 0; round < kRounds; ++round) {
      const std::string name = std::to_string(client) + "/" + std::to_string(round);
      EXPECT_TRUE(snapshots_->Prepare({.key = name + "-a"}).ok());
      EXPECT_TRUE(snapshots_->Commit(name, name + "-a", {{"client", name}}).ok());
      EXPECT_TRUE(snapshots_->Prepare({.key = name + "-c", .parent = name}).ok());
      EXPECT_TRUE(snapshots_->View({.key = name + "-v", .parent = name}).ok());
      EXPECT_TRUE(snapshots_->Mounts(name + "-c").ok());
      EXPECT_EQ(snapshots_->Stat(name)->labels.at("client"), name);
      EXPECT_TRUE(snapshots_->UsageOf(name).ok());
      const std::vector<std::string> filter{"name==\"" + name + "\""};
      EXPECT_EQ(snapshots_->List(filter)->size(), 1U);
      EXPECT_TRUE(snapshots_->Remove(name + "-v").ok());
      EXPECT_TRUE(snapshots_->Remove(name + "-c").ok());
      if (round % 2 == 0) {
        EXPECT_TRUE(snapshots_->Remove(name).ok());
      }
      if (round % 10 == 0) {
        EXPECT_TRUE(snapshots_->Cleanup().ok());
      }
    }
  });
  EXPECT_EQ(snapshots_->List({})->size(), kNumClients * kRounds / 2U);
  ExpectOneTruth();
}

TEST_F(ParallelTest, OfSixteenWhoWantOneNameOneGetsIt) {
  for (int round = 0; round < kRounds; ++round) {
    const std::string name = std::to_string(round);
    std::atomic<int> made = 0;
    std::atomic<int> committed = 0;
    std::atomic<int> removed = 0;
    AtOnce([&](int) {
      const auto prepared = snapshots_->Prepare({.key = name + "-a"});
      if (prepared.ok()) ++made;
      if (!prepared.ok()) {
        EXPECT_EQ(prepared.error().code(), ErrorCode::kAlreadyExists);
      }
    });
    AtOnce([&](int client) {
      const Status done = client % 2 == 0 ? snapshots_->Commit(name, name + "-a", {})
                                          : snapshots_->Remove(name + "-a");
      if (done.ok()) ++(client % 2 == 0 ? committed : removed);
    });
    EXPECT_EQ(made, 1);
    EXPECT_EQ(committed + removed, 1) << committed << " commits, " << removed << " removals";
  }
  ExpectOneTruth();
}

TEST_F(ParallelTest, AParentNeverGoesUnderItsChild) {
  for (int round = 0; round < kRounds; ++round) {
    const std::string parent = std::to_string(round);
    ASSERT_TRUE(snapshots_->Prepare({.key = parent + "-a"}).ok());
    ASSERT_TRUE(snapshots_->Commit(parent, parent + "-a", {}).ok());
    std::atomic<int> children = 0;
    std::atomic<bool> removed = false;
    AtOnce([&](int client) {
      if (client % 4 == 0) {
        if (snapshots_->Remove(parent).ok()) removed = true;
        return;
      }
      const auto child =
          snapshots_->Prepare({.key = parent + "-c" + std::to_string(client), .parent = parent});
      if (child.ok()) ++children;
      if (!child.ok()) {
        EXPECT_EQ(child.error().code(), ErrorCode::kNotFound);
      }
    });
    EXPECT_NE(removed, children > 0) << children << " children";
  }
  ExpectOneTruth();
}

TEST_F(ParallelTest, UpdatesOfOneSnapshotAreNotLost) {
  ASSERT_TRUE(snapshots_->Prepare({.key = "a"}).ok());
  AtOnce([&](int client) {
    const std::string key = "client-" + std::to_string(client);
    const std::vector<std::string> path{"labels." + key};
    EXPECT_TRUE(snapshots_->Update("a", {{key, "here"}}, path).ok());
  });
  EXPECT_EQ(snapshots_->Stat("a")->labels.size(), static_cast<size_t>(kNumClients));
  ExpectOneTruth();
}

TEST_F(ParallelTest, PullsAndRemovalsOfOneSealedLayerLeaveItWholeOrGone) {
  const TestImage image = MakeImage("127.0.0.1:5000/app:1", "A");
  image.AddTo(machine_.fetcher);
  AtOnce([&](int client) {
    for (int round = 0; round < kRounds; ++round) {
      const std::string key = "k8s.io/" + std::to_string(client) + "/extract-1 x";
      const auto pulled = snapshots_->Prepare(image.Pull(0, "", key));
      EXPECT_FALSE(pulled.ok());
      EXPECT_EQ(pulled.error().code(), ErrorCode::kAlreadyExists) << pulled.error().message();
      const auto listed = snapshots_->List({});
      for (const Snapshot& snapshot : *listed) {
        const Status gone = snapshots_->Remove(snapshot.name);
        if (!gone.ok()) {
          EXPECT_EQ(gone.error().code(), ErrorCode::kNotFound);
        }
      }
    }
  });
  ASSERT_TRUE(snapshots_->Cleanup().ok());
  if (snapshots_->List({})->empty()) {
    EXPECT_TRUE(CachedDigests(*machine_.blobs).empty());
  } else {
    EXPECT_EQ(CachedDigests(*machine_.blobs).size(), 3U) << "layer, manifest, config";
  }
}

}  // namespace
}  // namespace locket::snapshotter
