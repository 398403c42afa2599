// Who may stay connected, and who has to make room.
#include "key-broker/connections.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>
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
  EXPECT_TRUE(connections_.Handle(Fd(one)));
  connections_.Answer(Fd(one));
  clock_.Advance(9s);
  connections_.EndLate();
  EXPECT_FALSE(HungUp(one));
  clock_.Advance(1s);
  connections_.EndLate();
  EXPECT_TRUE(HungUp(one));
}

TEST_F(ConnectionsTest, HaveNoTimeLimitWhileTheBrokerHandlesThem) {
  const size_t one = Connect("a");
  clock_.Advance(9s);
  EXPECT_TRUE(connections_.Handle(Fd(one)));
  clock_.Advance(1h);
  connections_.EndLate();
  EXPECT_FALSE(HungUp(one));
  connections_.Answer(Fd(one));
  clock_.Advance(9999ms);
  connections_.EndLate();
  EXPECT_FALSE(HungUp(one)) << "the time for the answer is whole";
  clock_.Advance(1ms);
  connections_.EndLate();
  EXPECT_TRUE(HungUp(one));
}

TEST_F(ConnectionsTest, ThatWereHungUpOnAreNotHandled) {
  const size_t late = Connect("a");
  clock_.Advance(10s);
  connections_.EndLate();
  EXPECT_FALSE(connections_.Handle(Fd(late)));
  const size_t gone = Connect("a");
  connections_.Remove(Fd(gone));
  EXPECT_FALSE(connections_.Handle(Fd(gone)));
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
  for (int i = 0; i < 3; ++i) {
    const size_t number = Connect("a");
    EXPECT_TRUE(connections_.Handle(Fd(number)));
    if (i > 0) connections_.Answer(Fd(number));
  }
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

TEST_F(ConnectionsTest, TakeRoomFromSilentOnesBehindAPeerThatHasMoreAndAlwaysRenewsThem) {
  const size_t silent = Connect("silent");
  clock_.Advance(3s);
  for (int i = 0; i < 3; ++i) Connect("decoy");
  Connect("guest");
  EXPECT_THAT(AllHungUp(), ElementsAre(silent));
  const size_t refused = Connect("guest");
  EXPECT_THAT(AllHungUp(), ElementsAre(silent, refused)) << "now none is slow";
}

// Whatever came before: a newcomer is hung up on only if nobody who could make room is slow, and
// whoever makes room is slow and the oldest of its peer.
TEST_F(ConnectionsTest, RefuseNobodyWhileSomebodySlowCouldMakeRoom) {
  struct Known {
    std::string peer;
    std::chrono::steady_clock::time_point since;
    bool handled = false;
  };
  std::minstd_rand random(20261130);
  std::map<size_t, Known> known;
  size_t refused = 0;
  size_t moved = 0;
  for (int round = 0; round < 3000; ++round) {
    clock_.Advance(std::chrono::milliseconds(random() % 900));
    const std::string peer(1, static_cast<char>('a' + random() % 4));
    const auto of_peer = static_cast<size_t>(
        std::ranges::count_if(known, [&](const auto& one) { return one.second.peer == peer; }));
    const bool own_full = of_peer >= kLimits.max_per_peer;
    const auto slow_since = clock_.Steady() - kLimits.grace;
    const auto slow = [&](const Known& one) {
      return !one.handled && one.since <= slow_since && (!own_full || one.peer == peer);
    };
    const bool somebody =
        std::ranges::any_of(known, [&](const auto& one) { return slow(one.second); });
    const bool full = own_full || known.size() >= kLimits.max_connections;

    const size_t number = Connect(peer);
    known[number] = {.peer = peer, .since = clock_.Steady()};
    ASSERT_EQ(HungUp(number), full && !somebody) << "round " << round;
    if (HungUp(number)) ++refused;
    for (auto at = known.begin(); at != known.end();) {
      if (!HungUp(at->first)) {
        ++at;
        continue;
      }
      if (at->first != number) {
        ++moved;
        ASSERT_TRUE(full && slow(at->second)) << "round " << round;
        for (const auto& [other, one] : known) {
          ASSERT_FALSE(one.peer == at->second.peer && !one.handled && one.since < at->second.since)
              << "round " << round;
        }
      }
      connections_.Remove(Fd(at->first));
      theirs_[at->first].reset();
      ours_[at->first].reset();
      at = known.erase(at);
    }
    if (!known.empty() && random() % 3 == 0) {
      const auto& [any, one] =
          *std::next(known.begin(), static_cast<long>(random() % known.size()));
      known[any].handled = connections_.Handle(Fd(any));
    }
    if (known.size() > 2 && random() % 4 == 0) {
      const size_t any = known.begin()->first;
      connections_.Remove(Fd(any));
      theirs_[any].reset();
      ours_[any].reset();
      known.erase(any);
    }
  }
  EXPECT_GT(refused, 50U);
  EXPECT_GT(moved, 50U);
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
