#include "guest-agent/broker/relay.h"

#include <gmock/gmock.h>
#include <sys/socket.h>

#include <array>
#include <thread>

#include "base/encoding.h"
#include "base/file.h"
#include "rpc/relay_frame.h"

namespace locket::guest_agent {
namespace {

using rpc::RelayFrame;
using rpc::RelayType;
using std::chrono::milliseconds;
using ::testing::HasSubstr;

constexpr auto kLong = std::chrono::seconds(20);

// The test is the host: it speaks frames over the other end of the port.
class RelayTest : public ::testing::Test {
 protected:
  RelayTest() {
    std::array<int, 2> ends;
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    host_.reset(ends[0]);
    relay_ = Relay::Create(UniqueFd(ends[1]));
  }

  RelayFrame Next() {
    auto frame = rpc::ReadRelayFrame(host_.get());
    EXPECT_TRUE(frame.ok() && frame->has_value());
    return frame.ok() && frame->has_value() ? **frame
                                            : RelayFrame{.type = RelayType::kClose, .stream = 0};
  }
  void Send(const RelayFrame& frame) { EXPECT_TRUE(rpc::WriteRelayFrame(host_.get(), frame).ok()); }

  // Connects while a second thread plays the host that accepts.
  UniqueFd Connected(const std::string& address) {
    std::thread host([&] {
      const RelayFrame open = Next();
      EXPECT_EQ(open.type, RelayType::kOpen);
      EXPECT_EQ(open.payload, address);
      Send({.type = RelayType::kOpened, .stream = open.stream});
      stream_ = open.stream;
    });
    auto connected = relay_->Connect(address, kLong);
    host.join();
    EXPECT_TRUE(connected.ok());
    return connected.ok() ? std::move(*connected) : UniqueFd();
  }

  static std::string Read(int fd, size_t bytes) {
    std::string text(bytes, '\0');
    EXPECT_TRUE(ReadFull(fd, std::as_writable_bytes(std::span(text))).ok());
    return text;
  }

  UniqueFd host_;
  std::unique_ptr<Relay> relay_;
  uint32_t stream_ = 0;
};

TEST_F(RelayTest, CarriesBytesBothWaysAndTheGuestsEnd) {
  UniqueFd socket = Connected("broker:8443");
  ASSERT_TRUE(WriteFull(socket.get(), AsBytes("to the broker")).ok());
  EXPECT_EQ(Next(),
            (RelayFrame{.type = RelayType::kData, .stream = stream_, .payload = "to the broker"}));
  Send({.type = RelayType::kData, .stream = stream_, .payload = "and back"});
  EXPECT_EQ(Read(socket.get(), 8), "and back");
  socket.reset();
  EXPECT_EQ(Next(), (RelayFrame{.type = RelayType::kClose, .stream = stream_}));
}

TEST_F(RelayTest, TheHostsEndReachesTheCallerAfterItsData) {
  const UniqueFd socket = Connected("broker:8443");
  Send({.type = RelayType::kData, .stream = stream_, .payload = "last"});
  Send({.type = RelayType::kClose, .stream = stream_});
  EXPECT_EQ(Read(socket.get(), 4), "last");
  char more = 0;
  EXPECT_EQ(::read(socket.get(), &more, 1), 0);
}

TEST_F(RelayTest, AnswersTheHostsCloseWithItsOwnOnce) {
  const UniqueFd first = Connected("broker:8443");
  Send({.type = RelayType::kClose, .stream = stream_});
  EXPECT_EQ(Next(), (RelayFrame{.type = RelayType::kClose, .stream = stream_}));
  const UniqueFd second = Connected("broker:8443");
  EXPECT_TRUE(second.valid()) << "OPEN is the next frame after one CLOSE";
}

TEST_F(RelayTest, ARefusalCarriesTheHostsReason) {
  std::thread host([&] {
    Send({.type = RelayType::kClose, .stream = Next().stream, .payload = "not in relay.allow"});
  });
  const auto refused = relay_->Connect("evil:1", kLong);
  host.join();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_EQ(refused.error().message(), "connect to 'evil:1': relay: not in relay.allow");
}

TEST_F(RelayTest, AHostThatDoesNotAnswerIsGivenUpAndTold) {
  const auto late = relay_->Connect("broker:1", milliseconds(10));
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().code(), ErrorCode::kDeadlineExceeded);
  const RelayFrame open = Next();
  EXPECT_EQ(Next(), (RelayFrame{.type = RelayType::kClose, .stream = open.stream}));
}

TEST_F(RelayTest, WhenTheHostHangsUpStreamsEndAndNoneCanBeOpened) {
  const UniqueFd socket = Connected("broker:8443");
  host_.reset();
  char more = 0;
  EXPECT_EQ(::read(socket.get(), &more, 1), 0);
  const auto later = relay_->Connect("broker:8443", kLong);
  ASSERT_FALSE(later.ok());
  EXPECT_EQ(later.error().code(), ErrorCode::kUnavailable);
}

TEST_F(RelayTest, NonsenseFromTheHostEndsTheRelay) {
  const UniqueFd socket = Connected("broker:8443");
  ASSERT_TRUE(WriteFull(host_.get(), AsBytes("this is no frame at all")).ok());
  char more = 0;
  EXPECT_EQ(::read(socket.get(), &more, 1), 0);
}

TEST_F(RelayTest, FramesForStreamsNobodyOpenedAreIgnored) {
  Send({.type = RelayType::kOpened, .stream = 77});
  Send({.type = RelayType::kData, .stream = 77, .payload = "x"});
  Send({.type = RelayType::kClose, .stream = 77});
  EXPECT_TRUE(Connected("broker:8443").valid());
}

TEST_F(RelayTest, StreamNumbersAreNotUsedTwiceAndEndedOnesAreCollected) {
  uint32_t last = 0;
  for (size_t i = 0; i < rpc::kMaxRelayStreams + 4; ++i) {
    UniqueFd socket = Connected("broker:8443");
    ASSERT_TRUE(socket.valid());
    EXPECT_GT(stream_, last);
    last = stream_;
    socket.reset();
    EXPECT_EQ(Next().type, RelayType::kClose);
    // The relay's thread marks the stream finished after its CLOSE; the next Connect collects it.
  }
}

TEST_F(RelayTest, MoreStreamsThanAllowedAreRefused) {
  std::vector<UniqueFd> open;
  for (size_t i = 0; i < rpc::kMaxRelayStreams; ++i) open.push_back(Connected("broker:8443"));
  const auto more = relay_->Connect("broker:8443", kLong);
  ASSERT_FALSE(more.ok());
  EXPECT_EQ(more.error().code(), ErrorCode::kResourceExhausted);
}

TEST_F(RelayTest, DestructionEndsOpenStreams) {
  const UniqueFd socket = Connected("broker:8443");
  relay_.reset();
  char more = 0;
  EXPECT_EQ(::read(socket.get(), &more, 1), 0);
}

}  // namespace
}  // namespace locket::guest_agent
