#include "runtime-shim/vm/relay.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "base/encoding.h"
#include "base/file.h"

namespace locket::runtime_shim {
namespace {

using rpc::RelayFrame;
using rpc::RelayType;
using ::testing::HasSubstr;

class RelayTest : public ::testing::Test {
 protected:
  void SetUp() override {
    (void)::signal(SIGPIPE, SIG_IGN);
    listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    ASSERT_EQ(::bind(listener_.get(), generic, size), 0);
    ASSERT_EQ(::listen(listener_.get(), 20), 0);
    ASSERT_EQ(::getsockname(listener_.get(), generic, &size), 0);
    address_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    std::array<int, 2> fds{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds.data()), 0);
    guest_.reset(fds[1]);
    relay_ = std::make_unique<Relay>(UniqueFd(fds[0]), std::vector<std::string>{address_});
  }
  void Say(RelayType type, uint32_t stream, const std::string& payload = "") {
    ASSERT_TRUE(
        rpc::WriteRelayFrame(guest_.get(), {.type = type, .stream = stream, .payload = payload})
            .ok());
  }
  RelayFrame Hear() {
    auto frame = rpc::ReadRelayFrame(guest_.get());
    if (!frame.ok() || !frame->has_value())
      return {.type = RelayType::kClose, .stream = 0, .payload = "(ended)"};
    return **frame;
  }
  UniqueFd Accept() { return UniqueFd(::accept(listener_.get(), nullptr, nullptr)); }
  UniqueFd OpenStream(uint32_t number) {
    Say(RelayType::kOpen, number, address_);
    UniqueFd peer = Accept();
    EXPECT_EQ(Hear(), (RelayFrame{.type = RelayType::kOpened, .stream = number}));
    return peer;
  }
  void ExpectRefused(uint32_t number) {
    Say(RelayType::kOpen, number, "127.0.0.1:1");
    EXPECT_EQ(Hear(), (RelayFrame{.type = RelayType::kClose,
                                  .stream = number,
                                  .payload = "relay: 127.0.0.1:1 is not in relay.allow"}));
  }
  static size_t OpenFiles() {
    const std::filesystem::directory_iterator entries("/proc/self/fd");
    return static_cast<size_t>(std::distance(begin(entries), end(entries)));
  }
  static std::string ReadSome(int fd, size_t bytes) {
    std::string text(bytes, '\0');
    EXPECT_TRUE(ReadFull(fd, std::as_writable_bytes(std::span(text))).ok());
    return text;
  }
  static bool AtEnd(int fd) {
    char byte = 0;
    return ::read(fd, &byte, 1) <= 0;
  }

  UniqueFd listener_;
  std::string address_;
  UniqueFd guest_;
  std::unique_ptr<Relay> relay_;
};

TEST_F(RelayTest, BytesGoBothWaysAndStreamsStayApart) {
  const UniqueFd one = OpenStream(1);
  const UniqueFd two = OpenStream(2);
  Say(RelayType::kData, 1, "first");
  Say(RelayType::kData, 2, "second");
  EXPECT_EQ(ReadSome(one.get(), 5), "first");
  EXPECT_EQ(ReadSome(two.get(), 6), "second");
  ASSERT_TRUE(WriteFull(two.get(), AsBytes("answer")).ok());
  EXPECT_EQ(Hear(), (RelayFrame{.type = RelayType::kData, .stream = 2, .payload = "answer"}));
}

TEST_F(RelayTest, OnlyAllowedAddressesAreOpened) {
  ExpectRefused(7);
  EXPECT_TRUE(OpenStream(8).valid()) << "the channel goes on";
}

TEST_F(RelayTest, AnUnreachableAddressIsNamed) {
  listener_.reset();
  Say(RelayType::kOpen, 1, address_);
  const auto frame = Hear();
  EXPECT_EQ(frame.type, RelayType::kClose);
  EXPECT_THAT(frame.payload, HasSubstr(address_ + ": connect: Connection refused"));
}

TEST_F(RelayTest, APeerThatClosesClosesTheStreamOnce) {
  UniqueFd peer = OpenStream(1);
  peer.reset();
  EXPECT_EQ(Hear(), (RelayFrame{.type = RelayType::kClose, .stream = 1}));
  Say(RelayType::kData, 1, "late");
  Say(RelayType::kClose, 1);
  EXPECT_TRUE(OpenStream(2).valid());
}

TEST_F(RelayTest, AGuestThatClosesClosesTheConnection) {
  const UniqueFd peer = OpenStream(1);
  Say(RelayType::kClose, 1);
  EXPECT_TRUE(AtEnd(peer.get()));
  EXPECT_EQ(Hear(), (RelayFrame{.type = RelayType::kClose, .stream = 1}));
}

TEST_F(RelayTest, ThereAreAtMostSixteenStreamsAndClosedOnesMakeRoom) {
  std::vector<UniqueFd> peers;
  for (uint32_t i = 0; i < rpc::kMaxRelayStreams; ++i) peers.push_back(OpenStream(i));
  Say(RelayType::kOpen, 99, address_);
  EXPECT_THAT(Hear().payload, HasSubstr("more than 16 streams"));
  Say(RelayType::kClose, 3);
  EXPECT_EQ(Hear(), (RelayFrame{.type = RelayType::kClose, .stream = 3}));
  // The stream's thread may be a moment from its end; until then there is no room.
  for (uint32_t number = 100;; ++number) {
    Say(RelayType::kOpen, number, address_);
    if (Hear().type == RelayType::kOpened) break;
  }
}

// A broker that closes its connections first, over the life of a pod with many containers.
TEST_F(RelayTest, StreamsThatThePeerEndedHoldNeitherRoomNorSockets) {
  const size_t before = OpenFiles();
  for (const bool guest_answers : {true, false}) {
    for (uint32_t i = 1; i <= 3 * rpc::kMaxRelayStreams; ++i) {
      const uint32_t number = i + (guest_answers ? 0 : 1000);
      OpenStream(number).reset();
      EXPECT_EQ(Hear(), (RelayFrame{.type = RelayType::kClose, .stream = number}));
      if (guest_answers) Say(RelayType::kClose, number);
    }
  }
  // The last stream's thread may be a moment from its end; a frame after that forgets the stream.
  for (uint32_t number = 5000; OpenFiles() != before; ++number) ExpectRefused(number);
}

// A broker that is away for a while.
TEST_F(RelayTest, ConnectionsThatFailedHoldNoRoom) {
  listener_.reset();
  for (uint32_t number = 1; number <= 3 * rpc::kMaxRelayStreams; ++number) {
    Say(RelayType::kOpen, number, address_);
    EXPECT_THAT(Hear().payload, HasSubstr("Connection refused"));
  }
}

TEST_F(RelayTest, ABrokenProtocolEndsTheRelayAndItsConnections) {
  const UniqueFd peer = OpenStream(1);
  Say(RelayType::kOpen, 1, address_);
  EXPECT_TRUE(AtEnd(peer.get()));
  while (true) {
    const auto frame = rpc::ReadRelayFrame(guest_.get());
    if (!frame.ok() || !frame->has_value()) break;
  }
}

TEST_F(RelayTest, GarbageEndsTheRelay) {
  ASSERT_TRUE(WriteFull(guest_.get(), AsBytes(std::string(64, '\xff'))).ok());
  EXPECT_TRUE(AtEnd(guest_.get()));
}

TEST_F(RelayTest, ItsEndIsTheConnectionsEnd) {
  const UniqueFd peer = OpenStream(1);
  relay_.reset();
  EXPECT_TRUE(AtEnd(peer.get()));
}

}  // namespace
}  // namespace locket::runtime_shim
