// Client and server together.
#include <gmock/gmock.h>

#include <future>
#include <latch>

#include "rpc/ttrpc_client.h"
#include "rpc/ttrpc_server.h"
#include "tests/rpc/peer.h"

namespace locket::rpc {
namespace {

using namespace std::chrono_literals;

class TtrpcPairTest : public testing::Test {
 protected:
  void Start() {
    SocketPair pair;
    server_ = TtrpcServer::Create(methods_);
    ASSERT_TRUE(server_->Serve(std::move(pair.ours)).ok());
    auto client = TtrpcClient::Create(std::move(pair.theirs));
    ASSERT_TRUE(client.ok());
    client_ = *std::move(client);
  }

  template <typename Handler>
  void Add(std::string_view method, Handler handler) {
    methods_.Add<ttrpc::KeyValue, ttrpc::KeyValue>("test.Pair", method, std::move(handler));
  }

  // A method that says when it is entered and returns when it is told to.
  void AddWait() {
    Add("Wait", [this](const CallContext&, const ttrpc::KeyValue&, ttrpc::KeyValue*) {
      entered_.set_value();
      leave_.get_future().wait();
      return Ok();
    });
  }

  // Handlers may still be inside these when a test's body is over; the server waits for them.
  std::promise<void> entered_;
  std::promise<void> leave_;
  TtrpcMethods methods_;
  std::unique_ptr<TtrpcServer> server_;
  std::unique_ptr<TtrpcClient> client_;
};

TEST_F(TtrpcPairTest, SixtyFourCallsRunAtATime) {
  constexpr int kCalls = 64;
  std::latch all_here(kCalls);
  Add("Meet", [&](const CallContext&, const ttrpc::KeyValue& request, ttrpc::KeyValue* response) {
    all_here.arrive_and_wait();
    *response = request;
    return Ok();
  });
  Start();
  std::vector<std::future<std::string>> calls;
  for (int i = 0; i < kCalls; ++i) {
    calls.push_back(std::async(std::launch::async, [this, i] {
      ttrpc::KeyValue answer;
      const auto status = client_->Call("test.Pair", "Meet",
                                        Pair(std::to_string(i), std::string(9000, 'v')), &answer);
      return status.ok() ? answer.key() : status.error().message();
    }));
  }
  for (int i = 0; i < kCalls; ++i)
    EXPECT_EQ(calls[static_cast<size_t>(i)].get(), std::to_string(i));
}

TEST_F(TtrpcPairTest, LargeMessagesCrossBothWays) {
  Add("Echo", [](const CallContext&, const ttrpc::KeyValue& request, ttrpc::KeyValue* response) {
    *response = request;
    return Ok();
  });
  Start();
  const std::string large(kMaxTtrpcPayload - 100, 'x');
  ttrpc::KeyValue answer;
  const auto status = client_->Call("test.Pair", "Echo", Pair(large), &answer);
  ASSERT_TRUE(status.ok()) << status.error().message();
  EXPECT_EQ(answer.key(), large);
}

TEST_F(TtrpcPairTest, ErrorsKeepCodeAndMessage) {
  Add("Fail", [](const CallContext&, const ttrpc::KeyValue&, ttrpc::KeyValue*) {
    return Status(Error(ErrorCode::kDataLoss, "layer is not what it says"));
  });
  Start();
  ttrpc::KeyValue answer;
  const auto status = client_->Call("test.Pair", "Fail", Pair("k"), &answer);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code(), ErrorCode::kDataLoss);
  EXPECT_EQ(status.error().message(), "call 'test.Pair/Fail': layer is not what it says");
}

TEST_F(TtrpcPairTest, ServerGoneEndsCallsThatNobodyAnswers) {
  AddWait();
  Start();
  auto call = std::async(std::launch::async, [this] {
    ttrpc::KeyValue answer;
    return client_->Call("test.Pair", "Wait", Pair("k"), &answer);
  });
  entered_.get_future().wait();
  auto stopped = std::async(std::launch::async, [this] { server_.reset(); });
  ttrpc::KeyValue answer;
  EXPECT_EQ(call.wait_for(10ms), std::future_status::timeout) << "calls under way may end";
  leave_.set_value();
  EXPECT_TRUE(call.get().ok());
  stopped.get();
  EXPECT_EQ(client_->Call("test.Pair", "Wait", Pair("k"), &answer).error().code(),
            ErrorCode::kUnavailable);
}

TEST_F(TtrpcPairTest, ClientMayLeaveWithCallsUnderWay) {
  AddWait();
  Start();
  auto call = std::async(std::launch::async, [client = client_.get()] {
    ttrpc::KeyValue answer;
    return client->Call("test.Pair", "Wait", Pair("k"), &answer);
  });
  entered_.get_future().wait();
  client_.reset();
  EXPECT_EQ(call.get().error().code(), ErrorCode::kUnavailable);
  leave_.set_value();
}

}  // namespace
}  // namespace locket::rpc
