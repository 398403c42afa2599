#include "snapshotter/store/name_locks.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

namespace locket::snapshotter {
namespace {

TEST(NameLocksTest, OtherNamesAndSharersDoNotWait) {
  NameLocks locks;
  const NameLocks::Hold one(locks, {.exclusive = {"a", "a"}, .shared = {"p", ""}});
  const NameLocks::Hold two(locks, {.exclusive = {"b"}, .shared = {"p", ""}});
  const NameLocks::Hold three(locks, {.exclusive = {"c"}, .shared = {"c"}});
}

// The second wants what the first has; it gets it after the first let go, not before.
void ExpectSecondWaits(const NameLocks::Names& first, const NameLocks::Names& second) {
  NameLocks locks;
  std::atomic<bool> released = false;
  std::promise<void> begun;
  std::future<bool> late;
  {
    const NameLocks::Hold hold(locks, first);
    late = std::async(std::launch::async, [&] {
      begun.set_value();
      const NameLocks::Hold other(locks, second);
      return released.load();
    });
    begun.get_future().wait();
    released = true;
  }
  EXPECT_TRUE(late.get());
}

TEST(NameLocksTest, AnExclusiveNameIsHeldAlone) {
  ExpectSecondWaits({.exclusive = {"a"}}, {.exclusive = {"a"}});
  ExpectSecondWaits({.exclusive = {"a", "x"}}, {.shared = {"a"}});
  ExpectSecondWaits({.shared = {"a"}}, {.exclusive = {"b", "a"}});
  ExpectSecondWaits({.exclusive = {"a"}, .shared = {"a"}}, {.shared = {"a"}});
}

TEST(NameLocksTest, HoldersOfSeveralNamesNeitherMixNorDeadlock) {
  NameLocks locks;
  int value = 0;  // guarded by "b" alone; tsan sees to that
  const auto add = [&](const std::string& first, const std::string& second) {
    for (int i = 0; i < 500; ++i) {
      const NameLocks::Hold hold(locks, {.exclusive = {first, second}});
      ++value;
    }
  };
  {
    const std::jthread one(add, "a", "b");
    const std::jthread two(add, "b", "a");
    const std::jthread three(add, "b", "c");
  }
  EXPECT_EQ(value, 1500);
}

}  // namespace
}  // namespace locket::snapshotter
