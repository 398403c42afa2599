#include "rpc/ttrpc_server.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <future>
#include <semaphore>
#include <thread>

#include "base/mutex.h"
#include "rpc/transport.h"
#include "tests/rpc/peer.h"

namespace locket::rpc {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;

// A server whose client is the test.
class TtrpcServerTest : public testing::Test {
 protected:
  TtrpcServerTest() {
    methods_.Add<ttrpc::KeyValue, ttrpc::KeyValue>(
        "test.Echo", "Echo",
        [](const CallContext&, const ttrpc::KeyValue& request, ttrpc::KeyValue* response) {
          *response = request;
          return Ok();
        });
    methods_.AddRaw("test.Echo", "Fail", [](const CallContext&, std::string_view) {
      return Result<std::string>(Error(ErrorCode::kPermissionDenied, "policy says \xFFno"));
    });
    methods_.AddRaw("test.Echo", "Block", [this](const CallContext& context, std::string_view) {
      {
        const MutexLock lock(contexts_mutex_);
        contexts_.push_back(context);
      }
      blocked_.release();
      release_.acquire();
      return Result<std::string>("released");
    });
    methods_.AddRaw("test.Echo", "Big", [](const CallContext&, std::string_view) {
      return Result<std::string>(std::string(kMaxTtrpcPayload, 'x'));
    });
    methods_.AddRaw("test.Echo", "Stop", [this](const CallContext&, std::string_view) {
      server_->Stop();
      return Result<std::string>("stopped");
    });
  }

  void Start(const TtrpcServerOptions& options = {}) {
    server_ = TtrpcServer::Create(methods_, options);
    peer_ = Connect();
  }

  UniqueFd Connect() {
    SocketPair pair;
    const auto served = server_->Serve(std::move(pair.ours));
    EXPECT_TRUE(served.ok()) << served.error().message();
    return std::move(pair.theirs);
  }

  void Send(std::string_view bytes) { SendBytes(peer_.get(), bytes); }

  // The answer on `stream`, which is the next to arrive.
  ttrpc::Response Answer(uint32_t stream) {
    ttrpc::Response response;
    const auto frame = ReadFrame(peer_.get());
    EXPECT_TRUE(frame) << "the connection ended";
    if (!frame) return response;
    EXPECT_EQ(frame->stream, stream);
    EXPECT_EQ(frame->type, kTtrpcResponse);
    EXPECT_EQ(frame->flags, 0);
    EXPECT_TRUE(response.ParseFromString(frame->payload));
    return response;
  }

  void ExpectRefusal(uint32_t stream, int code, const std::string& why) {
    const auto response = Answer(stream);
    EXPECT_EQ(response.status().code(), code);
    EXPECT_THAT(response.status().message(), HasSubstr(why));
    EXPECT_THAT(response.payload(), IsEmpty());
  }

  void ExpectEcho(uint32_t stream) {
    Send(RequestFrame(stream, "Echo", Pair("k", "v").SerializeAsString()));
    EXPECT_EQ(Answer(stream).payload(), Pair("k", "v").SerializeAsString());
  }

  TtrpcMethods methods_;
  std::counting_semaphore<> blocked_{0};  // calls that have entered Block
  std::counting_semaphore<> release_{0};  // how many may leave it
  Mutex contexts_mutex_;                  // many calls may enter at a time
  std::vector<CallContext> contexts_;     // of Block, read when it has been entered
  std::unique_ptr<TtrpcServer> server_;
  UniqueFd peer_;
};

TEST_F(TtrpcServerTest, WritesTheBytesOfTheProtocol) {
  Start();
  Send(
      AsText(*HexDecode("0000001b"
                        "00000001"
                        "01"
                        "00"
                        "0a09746573742e4563686f"
                        "12044563686f"
                        "1a080a016b120376616c")));
  const auto frame = ReadFrame(peer_.get());
  ASSERT_TRUE(frame);
  EXPECT_EQ(HexEncode(AsBytes(EncodeTtrpcFrame(*frame))),
            "0000000a"
            "00000001"
            "02"
            "00"
            "12080a016b120376616c");
}

TEST_F(TtrpcServerTest, AnswersWithTheHandlersError) {
  Start();
  Send(RequestFrame(1, "Fail"));
  ExpectRefusal(1, 7, "policy says ?no");
  ExpectEcho(3);
}

TEST_F(TtrpcServerTest, RefusesWhatItDoesNotKnow) {
  Start();
  Send(RequestFrame(1, "Nothing"));
  ExpectRefusal(1, 12, "no method 'test.Echo/Nothing'");
  Send(RequestFrame(3, "Echo", "\xFF"));
  ExpectRefusal(3, 3, "request does not parse");
  Send(EncodeTtrpcFrame({.stream = 5, .type = kTtrpcRequest, .payload = "\xFF"}));
  ExpectRefusal(5, 3, "request envelope does not parse");
  std::string streaming = RequestFrame(7, "Echo");
  streaming[9] = kTtrpcRemoteOpen;
  Send(streaming);
  ExpectRefusal(7, 12, "no streaming method");
  ExpectEcho(9);
}

TEST_F(TtrpcServerTest, RefusesStreamNumbersThatAreNotOddAndGrowing) {
  Start();
  ExpectEcho(5);
  for (const uint32_t stream : {0U, 2U, 6U, 1U, 3U, 5U}) {
    Send(RequestFrame(stream, "Echo"));
    ExpectRefusal(stream, 3, "stream " + std::to_string(stream));
  }
  ExpectEcho(7);
  ExpectEcho(0xFFFFFFFF);
}

TEST_F(TtrpcServerTest, RefusesDataAndIgnoresTypesOfTheFuture) {
  Start();
  Send(EncodeTtrpcFrame({.stream = 1, .type = kTtrpcData, .payload = "x"}));
  ExpectRefusal(1, 3, "takes no data");
  Send(EncodeTtrpcFrame({.stream = 1, .type = kTtrpcResponse}) +
       EncodeTtrpcFrame({.stream = 1, .type = 200, .payload = "?"}));
  ExpectEcho(1);
}

TEST_F(TtrpcServerTest, RefusesAnOversizeRequestAndKeepsTheConnection) {
  Start();
  Send(AsText(*HexDecode("00400001000000010100")));
  Send(std::string(kMaxTtrpcPayload + 1, 'x'));
  ExpectRefusal(1, 8, "request of 4194305 bytes, more than 4194304");
  ExpectEcho(3);
}

TEST_F(TtrpcServerTest, ReplacesAnOversizeAnswer) {
  Start();
  Send(RequestFrame(1, "Big"));
  ExpectRefusal(1, 8, "more than 4194304");
  ExpectEcho(3);
}

TEST_F(TtrpcServerTest, AnswersOutOfOrder) {
  Start();
  Send(RequestFrame(1, "Block"));
  blocked_.acquire();
  ExpectEcho(3);
  release_.release();
  EXPECT_EQ(Answer(1).payload(), "released");
}

TEST_F(TtrpcServerTest, HandlersSeeDeadlineAndMetadata) {
  Start();
  ttrpc::Request request;
  request.set_service("test.Echo");
  request.set_method("Block");
  request.set_timeout_nano(std::chrono::nanoseconds(1h).count());
  for (const char* value : {"a", "b"}) *request.add_metadata() = Pair("k", value);
  release_.release();
  const auto before = std::chrono::steady_clock::now();
  Send(EncodeTtrpcFrame(
      {.stream = 1, .type = kTtrpcRequest, .payload = request.SerializeAsString()}));
  EXPECT_EQ(Answer(1).payload(), "released");
  ASSERT_TRUE(contexts_.at(0).deadline);
  EXPECT_GE(*contexts_[0].deadline, before + 1h);
  EXPECT_LE(*contexts_[0].deadline, std::chrono::steady_clock::now() + 1h);
  EXPECT_EQ(contexts_[0].metadata.count("k"), 2U);
}

TEST_F(TtrpcServerTest, AnswersForAHandlerThatTakesTooLong) {
  Start();
  Send(RequestFrame(1, "Block", {}, std::chrono::nanoseconds(20ms).count()));
  ExpectRefusal(1, 4, "no answer within the caller's timeout");
  release_.release();
  ExpectEcho(3);  // and not the late answer on stream 1
}

TEST_F(TtrpcServerTest, DoesNotBeginWhatIsLateAlready) {
  Start();
  Send(RequestFrame(1, "Block", {}, -1));
  ExpectRefusal(1, 4, "timeout");
  EXPECT_FALSE(blocked_.try_acquire());
  release_.release();
  Send(RequestFrame(3, "Block", {}, INT64_MAX));  // as good as none
  EXPECT_EQ(Answer(3).payload(), "released");
  EXPECT_FALSE(contexts_.at(0).deadline);
}

TEST_F(TtrpcServerTest, BoundsTheCallsAtATime) {
  Start({.max_calls = 2});
  Send(RequestFrame(1, "Block") + RequestFrame(3, "Block"));
  blocked_.acquire();
  blocked_.acquire();
  Send(RequestFrame(5, "Echo"));
  ExpectRefusal(5, 8, "more than 2 calls at a time");
  release_.release(2);
  EXPECT_EQ(ReadFrame(peer_.get())->type, kTtrpcResponse);
  EXPECT_EQ(ReadFrame(peer_.get())->type, kTtrpcResponse);
}

TEST_F(TtrpcServerTest, CutsOffAPeerThatDoesNotFinishAFrame) {
  Start({.frame_timeout = 20ms});
  ExpectEcho(1);
  Send(RequestFrame(3, "Echo").substr(0, 15));
  EXPECT_FALSE(ReadFrame(peer_.get())) << "it is closed";
}

TEST_F(TtrpcServerTest, CutsOffAPeerThatDripsAFrame) {
  Start({.frame_timeout = 20ms});
  Send(AsText(*HexDecode("00400000000000010100")));
  while (SendAll(peer_.get(), AsBytes("x")).ok()) std::this_thread::yield();
}

TEST_F(TtrpcServerTest, APeerMayBeSilentBetweenFramesForAsLongAsItLikes) {
  Start({.frame_timeout = 1ms});
  Send(RequestFrame(1, "Block"));
  blocked_.acquire();
  // Deadlines wake the reader; time counted between frames would end the connection here.
  for (uint32_t stream = 3; stream < 13; stream += 2) {
    Send(RequestFrame(stream, "Block", {}, std::chrono::nanoseconds(5ms).count()));
    ExpectRefusal(stream, 4, "timeout");
  }
  release_.release(6);
  EXPECT_EQ(Answer(1).payload(), "released");
}

TEST_F(TtrpcServerTest, ServeHereSaysHowThePeerLeft) {
  Start();
  for (const bool cut : {false, true}) {
    SocketPair pair;
    const std::string frame = RequestFrame(1, "Nothing");
    SendBytes(pair.theirs.get(), cut ? frame.substr(0, frame.size() - 1) : frame);
    ASSERT_EQ(::shutdown(pair.theirs.get(), SHUT_WR), 0);
    const auto served = server_->ServeHere(std::move(pair.ours));
    EXPECT_EQ(served.ok(), !cut);
    if (cut) {
      EXPECT_EQ(served.error().code(), ErrorCode::kDataLoss);
      EXPECT_EQ(served.error().message(), "ttrpc peer ended inside a frame");
    }
  }
}

TEST_F(TtrpcServerTest, AHandlerMayStopTheServerAndIsAnswered) {
  Start();
  Send(RequestFrame(1, "Stop"));
  EXPECT_EQ(Answer(1).payload(), "stopped");
  EXPECT_FALSE(ReadFrame(peer_.get())) << "the stream closes after the last answer";
  SocketPair pair;
  EXPECT_EQ(server_->Serve(std::move(pair.ours)).error().code(), ErrorCode::kCancelled);
}

TEST_F(TtrpcServerTest, StopAnswersCallsUnderWayAndReadsNoMore) {
  Start();
  const UniqueFd idle = Connect();
  Send(RequestFrame(1, "Block") +
       RequestFrame(3, "Block", {}, std::chrono::nanoseconds(1h).count()));
  blocked_.acquire();
  blocked_.acquire();
  server_->Stop();
  EXPECT_FALSE(ReadFrame(idle.get())) << "idle streams close at once";
  Send(RequestFrame(5, "Echo"));
  release_.release(2);
  std::vector<uint32_t> streams;
  while (const auto frame = ReadFrame(peer_.get())) streams.push_back(frame->stream);
  EXPECT_THAT(streams, testing::UnorderedElementsAre(1, 3));
}

TEST_F(TtrpcServerTest, DeadlinesCountAfterAStopToo) {
  Start();
  Send(RequestFrame(1, "Block", {}, std::chrono::nanoseconds(50ms).count()));
  blocked_.acquire();
  server_->Stop();
  ExpectRefusal(1, 4, "timeout");
  release_.release();
}

TEST_F(TtrpcServerTest, DestructionWaitsForHandlersOfPeersThatLeft) {
  Start();
  Send(RequestFrame(1, "Block"));
  blocked_.acquire();
  peer_.reset();
  auto destroyed = std::async(std::launch::async, [this] { server_.reset(); });
  EXPECT_EQ(destroyed.wait_for(20ms), std::future_status::timeout);
  release_.release();
  destroyed.get();
}

TEST_F(TtrpcServerTest, AcceptsManyAndEndsWithStop) {
  Start();
  const auto dir = TempDir::Create("/tmp", "locket-rpc-test");
  ASSERT_TRUE(dir.ok());
  const auto listening = ListenUnix(dir->path() / "sock");
  ASSERT_TRUE(listening.ok()) << listening.error().message();
  auto loop = std::async(std::launch::async, [&] { return server_->AcceptLoop(listening->get()); });
  std::vector<UniqueFd> peers;
  for (int i = 0; i < 5; ++i) {
    auto peer = ConnectUnix(dir->path() / "sock");
    ASSERT_TRUE(peer.ok()) << peer.error().message();
    peers.push_back(*std::move(peer));
  }
  for (const UniqueFd& peer : peers) {
    SendBytes(peer.get(), RequestFrame(1, "Echo"));
    EXPECT_EQ(ReadFrame(peer.get())->stream, 1U);
  }
  server_->Stop();
  EXPECT_TRUE(loop.get().ok());
  for (const UniqueFd& peer : peers) EXPECT_FALSE(ReadFrame(peer.get()));
}

TEST_F(TtrpcServerTest, AcceptLoopFailsOnWhatDoesNotListen) {
  Start();
  const SocketPair pair;
  SendBytes(pair.theirs.get(), "x");  // readable
  const auto accepted = server_->AcceptLoop(pair.ours.get());
  ASSERT_FALSE(accepted.ok());
  EXPECT_EQ(accepted.error().message(), "accept: Invalid argument");
}

TEST_F(TtrpcServerTest, APeerThatReadsNoAnswersDoesNotStopOthers) {
  Start();
  methods_.AddRaw("test.Echo", "Much", [](const CallContext&, std::string_view) {
    return Result<std::string>(std::string(3U << 20, 'x'));
  });
  Send(RequestFrame(1, "Much") + RequestFrame(3, "Much"));
  const UniqueFd other = Connect();
  SendBytes(other.get(), RequestFrame(1, "Echo"));
  EXPECT_TRUE(ReadFrame(other.get()));
  peer_.reset();  // frees the handlers that cannot send
}

}  // namespace
}  // namespace locket::rpc
