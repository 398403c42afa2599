#include "runtime-shim/task/events.h"

#include <gmock/gmock.h>

#include "base/file.h"
#include "tests/runtime-shim/task/fake_containerd.h"

namespace locket::runtime_shim {
namespace {

using std::chrono::system_clock;
using ::testing::ElementsAre;

class EventsTest : public ::testing::Test {
 protected:
  EventsTest() : dir_(TempDir::Create("/tmp", "shim-events").value()) {}
  std::string Socket() const { return (dir_.path() / "events.sock").string(); }
  TempDir dir_;
};

TEST_F(EventsTest, ArriveInOrderWithTheirContents) {
  FakeContainerd containerd(Socket());
  {
    EventPublisher events("unix://" + Socket(), "k8s.io");
    events.Created(
        {.id = "a", .bundle = "/b", .in = "", .out = "", .err = "", .terminal = false, .pid = 1});
    events.Started("a", 1);
    events.OutOfMemory("a");
    events.Exited("a", 1, 7, system_clock::now());
    events.Deleted("a", 1, 7, system_clock::now());
  }
  EXPECT_THAT(containerd.events(), ElementsAre("/tasks/create a", "/tasks/start a", "/tasks/oom a",
                                               "/tasks/exit a 7", "/tasks/delete a 7"));
  EXPECT_EQ(containerd.namespace_name(), "k8s.io");
}

TEST_F(EventsTest, AreTriedAgain) {
  FakeContainerd containerd(Socket());
  containerd.FailNext(2);
  EventPublisher events(Socket(), "n");
  events.Started("a", 1);
  EXPECT_TRUE(containerd.WaitEvent("/tasks/start a"));
}

TEST_F(EventsTest, SurviveARestartOfContainerd) {
  EventPublisher events(Socket(), "n");
  {
    FakeContainerd first(Socket());
    events.Started("a", 1);
    EXPECT_TRUE(first.WaitEvent("/tasks/start a"));
  }
  FakeContainerd second(Socket());
  events.Started("b", 1);
  EXPECT_TRUE(second.WaitEvent("/tasks/start b"));
}

TEST_F(EventsTest, AContainerdThatIsGoneHoldsNothingUp) {
  const auto start = std::chrono::steady_clock::now();
  {
    EventPublisher events(Socket(), "n");
    for (int i = 0; i < 100; ++i) events.Started("a", 1);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, kEventFlush + std::chrono::seconds(5));
}

TEST_F(EventsTest, WithoutAnAddressThereAreNone) {
  EventPublisher events("", "n");
  events.Started("a", 1);
}

}  // namespace
}  // namespace locket::runtime_shim
