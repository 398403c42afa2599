#include "rpc/ttrpc_client.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <future>
#include <thread>

#include "rpc/status.h"
#include "tests/rpc/peer.h"

namespace locket::rpc {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// A client whose peer is the test.
class TtrpcClientTest : public testing::Test {
 protected:
  void SetUp() override { Connect(nullptr); }
  void TearDown() override {
    peer_.reset();
    client_.reset();
  }

  void Connect(std::function<void(const Error&)> on_close) {
    SocketPair pair;
    peer_ = std::move(pair.theirs);
    auto client = TtrpcClient::Create(std::move(pair.ours), std::move(on_close));
    ASSERT_TRUE(client.ok()) << client.error().message();
    client_ = *std::move(client);
  }

  // Calls on a thread of its own.
  std::future<Status> Start(CallOptions options = {}) {
    return std::async(std::launch::async, [this, options = std::move(options)] {
      return client_->Call("test.Echo", "Echo", Pair("k", "v"), &answer_, options);
    });
  }

  UniqueFd peer_;
  std::unique_ptr<TtrpcClient> client_;
  ttrpc::KeyValue answer_;
};

TEST_F(TtrpcClientTest, WritesTheBytesOfTheProtocol) {
  auto call = Start({.timeout = 1s, .metadata = {{"x", "y"}}});
  const auto frame = ReadFrame(peer_.get());
  ASSERT_TRUE(frame);
  EXPECT_EQ(HexEncode(AsBytes(EncodeTtrpcFrame(*frame))),
            "00000027"
            "00000001"
            "01"
            "00"
            "0a09746573742e4563686f"  // service
            "12044563686f"            // method
            "1a060a016b120176"        // payload
            "208094ebdc03"            // timeout: 10^9 ns
            "2a060a0178120179");      // metadata
  SendBytes(peer_.get(), ResponseFrame(1, Pair("k2", "v2")));
  const auto status = call.get();
  ASSERT_TRUE(status.ok()) << status.error().message();
  EXPECT_EQ(answer_.key(), "k2");
}

TEST_F(TtrpcClientTest, SendsNoTimeoutWhenThereIsNone) {
  auto call = Start();
  const auto frame = ReadFrame(peer_.get());
  ttrpc::Request request;
  ASSERT_TRUE(frame && request.ParseFromString(frame->payload));
  EXPECT_EQ(request.timeout_nano(), 0);
  peer_.reset();
  (void)call.get();
}

TEST_F(TtrpcClientTest, NumbersItsStreamsOddAndGrowing) {
  for (const uint32_t stream : {1U, 3U, 5U}) {
    auto call = Start();
    EXPECT_EQ(ReadFrame(peer_.get())->stream, stream);
    SendBytes(peer_.get(), ResponseFrame(stream, {}));
    EXPECT_TRUE(call.get().ok());
  }
}

TEST_F(TtrpcClientTest, ReturnsTheServersStatus) {
  ttrpc::Response response;
  response.mutable_status()->set_code(5);
  response.mutable_status()->set_message("no container 'x'");
  auto call = Start();
  ASSERT_TRUE(ReadFrame(peer_.get()));
  SendBytes(peer_.get(),
            EncodeTtrpcFrame(
                {.stream = 1, .type = kTtrpcResponse, .payload = response.SerializeAsString()}));
  const auto status = call.get();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(status.error().message(), "call 'test.Echo/Echo': no container 'x'");
}

TEST_F(TtrpcClientTest, GivesUpAtItsTimeoutAndIgnoresTheLateAnswer) {
  auto late = Start({.timeout = 20ms});
  ASSERT_TRUE(ReadFrame(peer_.get()));
  const auto status = late.get();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code(), ErrorCode::kDeadlineExceeded);
  auto next = Start();
  ASSERT_EQ(ReadFrame(peer_.get())->stream, 3U);
  SendBytes(peer_.get(), ResponseFrame(1, Pair("late")) + ResponseFrame(3, Pair("next")));
  ASSERT_TRUE(next.get().ok());
  EXPECT_EQ(answer_.key(), "next");
}

TEST_F(TtrpcClientTest, ADeafPeerDoesNotHoldTheCallerLonger) {
  // The peer reads nothing, and the socket takes far less than this.
  for (int i = 0; i < 3; ++i) {
    const auto status = client_->Call("test.Echo", "Echo", Pair(std::string(3U << 20, 'x')),
                                      &answer_, {.timeout = 20ms});
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code(), ErrorCode::kDeadlineExceeded);
  }
}

TEST_F(TtrpcClientTest, NoTimeLeftFailsWithoutSending) {
  const auto status = client_->Call("test.Echo", "Echo", Pair("k"), &answer_, {.timeout = 0ms});
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code(), ErrorCode::kDeadlineExceeded);
  client_.reset();
  EXPECT_FALSE(ReadFrame(peer_.get()));
}

TEST_F(TtrpcClientTest, RefusesToSendMoreThanTheLimit) {
  const auto status =
      client_->Call("test.Echo", "Echo", Pair(std::string(kMaxTtrpcPayload, 'x')), &answer_, {});
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_THAT(status.error().message(), HasSubstr("more than 4194304"));
}

TEST_F(TtrpcClientTest, AnOversizeAnswerCostsOnlyItsCall) {
  auto call = Start();
  ASSERT_TRUE(ReadFrame(peer_.get()));
  SendBytes(peer_.get(), AsText(*HexDecode("00400001000000010200")));
  SendBytes(peer_.get(), std::string(kMaxTtrpcPayload + 1, 'x'));
  const auto status = call.get();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_THAT(status.error().message(), HasSubstr("answer of 4194305 bytes"));
  auto next = Start();
  ASSERT_TRUE(ReadFrame(peer_.get()));
  SendBytes(peer_.get(), ResponseFrame(3, {}));
  EXPECT_TRUE(next.get().ok());
}

TEST_F(TtrpcClientTest, AnswersThatDoNotParseCostOnlyTheirCalls) {
  auto envelope = Start();
  ASSERT_TRUE(ReadFrame(peer_.get()));
  SendBytes(peer_.get(),
            EncodeTtrpcFrame({.stream = 1, .type = kTtrpcResponse, .payload = "\xFF"}));
  EXPECT_THAT(envelope.get().error().message(), HasSubstr("answer's envelope does not parse"));
  auto payload = Start();
  ASSERT_TRUE(ReadFrame(peer_.get()));
  ttrpc::Response response;
  response.set_payload("\xFF");
  SendBytes(peer_.get(),
            EncodeTtrpcFrame(
                {.stream = 3, .type = kTtrpcResponse, .payload = response.SerializeAsString()}));
  const auto status = payload.get();
  EXPECT_EQ(status.error().code(), ErrorCode::kDataLoss);
  EXPECT_THAT(status.error().message(), HasSubstr("answer does not parse"));
}

TEST_F(TtrpcClientTest, IgnoresFramesThatAreNoAnswers) {
  auto call = Start();
  ASSERT_TRUE(ReadFrame(peer_.get()));
  SendBytes(peer_.get(), EncodeTtrpcFrame({.stream = 1, .type = kTtrpcData, .payload = "x"}) +
                             EncodeTtrpcFrame({.stream = 1, .type = 77}) +
                             ResponseFrame(1, Pair("real")));
  ASSERT_TRUE(call.get().ok());
  EXPECT_EQ(answer_.key(), "real");
}

TEST_F(TtrpcClientTest, AnAnswerNobodyAskedForEndsTheConnection) {
  for (const uint32_t stream : {2U, 3U}) {
    Connect(nullptr);
    auto call = Start();
    ASSERT_TRUE(ReadFrame(peer_.get()));
    SendBytes(peer_.get(), ResponseFrame(stream, {}));
    const auto status = call.get();
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code(), ErrorCode::kUnavailable);
    EXPECT_THAT(status.error().message(),
                HasSubstr("stream " + std::to_string(stream) + ", which nobody opened"));
    EXPECT_FALSE(ReadFrame(peer_.get())) << "it is closed";
  }
}

TEST_F(TtrpcClientTest, APeerThatLeavesEndsAllCallsAndIsToldOnce) {
  std::promise<Error> told;
  Connect([&](const Error& error) { told.set_value(error); });  // a second time would throw
  auto call = Start();
  ASSERT_TRUE(ReadFrame(peer_.get()));
  peer_.reset();
  const auto status = call.get();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(told.get_future().get().message(), "ttrpc peer closed the connection");
  EXPECT_EQ(Start().get().error().code(), ErrorCode::kUnavailable) << "and all later ones";
}

TEST_F(TtrpcClientTest, DestructionEndsCallsUnderWayAndTellsNobody) {
  bool told = false;
  Connect([&](const Error&) { told = true; });
  std::vector<std::future<Status>> calls;
  for (int i = 0; i < 4; ++i) {
    calls.push_back(std::async(std::launch::async, [client = client_.get()] {
      ttrpc::KeyValue answer;
      return client->Call("test.Echo", "Echo", Pair("k"), &answer);
    }));
    ASSERT_TRUE(ReadFrame(peer_.get()));
  }
  client_.reset();
  for (auto& call : calls) {
    const auto status = call.get();
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code(), ErrorCode::kUnavailable);
    EXPECT_THAT(status.error().message(), HasSubstr("ttrpc client was destroyed"));
  }
  EXPECT_FALSE(told);
}

TEST_F(TtrpcClientTest, AnswersAfterThePeerStoppedReadingStillArrive) {
  auto call = Start();
  ASSERT_TRUE(ReadFrame(peer_.get()));
  ASSERT_EQ(::shutdown(peer_.get(), SHUT_RD), 0);
  auto unsent = Start();
  EXPECT_THAT(unsent.get().error().message(), HasSubstr("send: Broken pipe"));
  SendBytes(peer_.get(), ResponseFrame(1, Pair("still")));
  ASSERT_TRUE(call.get().ok());
}

TEST(TtrpcClientCreateTest, NeedsAStreamSocket) {
  const auto client = TtrpcClient::Create(UniqueFd());
  ASSERT_FALSE(client.ok());
  EXPECT_EQ(client.error().code(), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace locket::rpc
