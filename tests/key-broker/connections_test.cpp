// Who may stay connected, and who has to make room.
#include "key-broker/connections.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "key-broker/body_buffer.h"
#include "key-broker/refusals.h"

namespace locket::key_broker {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

class ConnectionsTest : public ::testing::Test {
 protected:
  static constexpr ConnectionLimits kLimits{
      .max_connections = 4, .max_per_peer = 3, .request_timeout = 10s, .grace = 2s};

  // The number that the test knows it by.
  size_t Connect(const std::string& peer) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    ours_.emplace_back(ends[0]);
    theirs_.emplace_back(ends[1]);
    connections_.Add(Fd(ours_.size() - 1), peer);
    return ours_.size() - 1;
  }
  int Fd(size_t number) const { return ours_[number].get(); }
  bool HungUp(size_t number) const {
    pollfd polled{.fd = theirs_[number].get(), .events = POLLIN, .revents = 0};
    return ::poll(&polled, 1, 0) == 1;
  }
  std::vector<size_t> AllHungUp() const {
    std::vector<size_t> out;
    for (size_t i = 0; i < ours_.size(); ++i) {
      if (HungUp(i)) out.push_back(i);
    }
    return out;
  }

  FakeClock clock_;
  std::vector<UniqueFd> ours_;
  std::vector<UniqueFd> theirs_;
  Connections connections_{kLimits, clock_};
};

TEST_F(ConnectionsTest, EndWhenTheTimeForHandshakeHeadAndBodyIsOver) {
  const size_t silent = Connect("a");
  const size_t begun = Connect("b");
  clock_.Advance(9s);
  connections_.Begin(Fd(begun));
  connections_.EndLate();
  EXPECT_THAT(AllHungUp(), ElementsAre());
  clock_.Advance(1s);
  connections_.EndLate();
  EXPECT_THAT(AllHungUp(), ElementsAre(silent, begun)) << "a head gives no more time";
}

TEST_F(ConnectionsTest, HaveTheirTimeAgainForTheAnswerAndNoLonger) {
  const size_t one = Connect("a");
  clock_.Advance(9s);
  connections_.Answer(Fd(one));
  clock_.Advance(9s);
  connections_.EndLate();
  EXPECT_FALSE(HungUp(one));
  clock_.Advance(1s);
  connections_.EndLate();
  EXPECT_TRUE(HungUp(one));
}

TEST_F(ConnectionsTest, OfAFullPeerMakeRoomOldestFirstAndOnlyTheSlow) {
  const size_t oldest = Connect("a");
  Connect("a");
  clock_.Advance(2s);
  Connect("a");
  Connect("a");
  EXPECT_THAT(AllHungUp(), ElementsAre(oldest));
  EXPECT_EQ(connections_.size(), 3U);
}

TEST_F(ConnectionsTest, OfAFullPeerAreRefusedWhileNoneIsSlow) {
  for (int i = 0; i < 3; ++i) Connect("a");
  clock_.Advance(1999ms);
  const size_t refused = Connect("a");
  EXPECT_THAT(AllHungUp(), ElementsAre(refused));
}

TEST_F(ConnectionsTest, ThatAreBeingAnsweredMakeRoomForNobody) {
  for (int i = 0; i < 3; ++i) connections_.Answer(Fd(Connect("a")));
  clock_.Advance(5s);
  const size_t refused = Connect("a");
  EXPECT_THAT(AllHungUp(), ElementsAre(refused));
}

TEST_F(ConnectionsTest, TakeRoomFromThePeerThatHasMostWhenAllPlacesAreTaken) {
  const size_t victim = Connect("many");
  Connect("many");
  Connect("many");
  Connect("few");
  clock_.Advance(3s);
  Connect("new");
  EXPECT_THAT(AllHungUp(), ElementsAre(victim));
}

TEST_F(ConnectionsTest, LeavePlacesWhenTheyGo) {
  for (int i = 0; i < 3; ++i) Connect("a");
  connections_.Remove(Fd(0));
  Connect("a");
  EXPECT_THAT(AllHungUp(), ElementsAre());
}

TEST_F(ConnectionsTest, StopWaitsForRequestsAndNotForSilence) {
  const size_t silent = Connect("a");
  const size_t begun = Connect("b");
  connections_.Begin(Fd(begun));
  std::thread stopping([this] { connections_.Stop(); });
  pollfd polled{.fd = theirs_[silent].get(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&polled, 1, 30000), 1);
  EXPECT_FALSE(HungUp(begun));
  connections_.Remove(Fd(silent));
  connections_.Remove(Fd(begun));
  stopping.join();
  EXPECT_EQ(connections_.size(), 0U);
}

TEST(PeerKeyTest, IsAnIpv4AddressOrAnIpv6Network) {
  EXPECT_EQ(Connections::PeerKey("192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(Connections::PeerKey("2001:db8::1"), Connections::PeerKey("2001:db8::ffff:2"));
  EXPECT_NE(Connections::PeerKey("2001:db8::1"), Connections::PeerKey("2001:db8:0:1::1"));
  EXPECT_NE(Connections::PeerKey("::ffff:192.0.2.1"), Connections::PeerKey("::ffff:192.0.2.2"));
}

TEST(BodyBufferTest, TakesUpToItsLimitAndTheBudget) {
  MemoryBudget budget(kFreeBytes);
  {
    BodyBuffer small(4, budget);
    EXPECT_TRUE(small.Append("abcd", 4));
    EXPECT_FALSE(small.Append("e", 1));
    const Secret taken = small.Take();
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(taken.Reveal().data()), 4), "abcd");
    EXPECT_EQ(budget.left(), kFreeBytes) << "small ones are free";

    const std::string piece(kFreeBytes, 'x');
    BodyBuffer large(2 * kFreeBytes, budget);
    EXPECT_TRUE(large.Append(piece.data(), piece.size()));
    EXPECT_EQ(budget.left(), 0U) << "it has grown to twice what came";
    BodyBuffer late(2 * kFreeBytes, budget);
    EXPECT_FALSE(late.Append(piece.data(), piece.size())) << "the budget is used up";
    EXPECT_TRUE(late.Append(piece.data(), 1000)) << "small ones always have room";
  }
  EXPECT_EQ(budget.left(), kFreeBytes);
}

TEST(RefusalBudgetTest, CountsWhatItLeavesOutAndGivesOnePeerAQuarter) {
  FakeClock clock;
  RefusalBudget budget(8, clock);
  EXPECT_EQ(budget.Take("a"), 0U);
  EXPECT_EQ(budget.Take("a"), 0U);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(budget.Take("a"), std::nullopt);
  EXPECT_EQ(budget.Take("b"), 1000U) << "others have room";
  for (int i = 0; i < 1000; ++i) budget.Take("c" + std::to_string(i));
  EXPECT_EQ(budget.Take("z"), std::nullopt) << "eight in all";
  clock.Advance(60s);
  EXPECT_EQ(budget.Take("a"), 996U);
}

}  // namespace
}  // namespace locket::key_broker
