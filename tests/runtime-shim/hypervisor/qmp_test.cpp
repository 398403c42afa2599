#include "runtime-shim/hypervisor/qmp.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "base/encoding.h"
#include "base/file.h"

namespace locket::runtime_shim {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using Kind = QmpMessage::Kind;

constexpr milliseconds kPatience{20'000};

TEST(QmpMessageTest, TellsTheFourKindsApart) {
  const std::vector<std::pair<std::string, QmpMessage>> cases{
      {R"({"QMP": {"version": {}, "capabilities": ["oob"]}})", {.kind = Kind::kGreeting}},
      {R"({"return": {}, "id": "7"})", {.kind = Kind::kReturn, .id = "7", .text = "{}"}},
      {R"({"return": [1], "id": 7})", {.kind = Kind::kReturn, .text = "[1]"}},
      {R"({"id":"1","error": {"class": "GenericError", "desc": "no"}})",
       {.kind = Kind::kError, .id = "1", .text = "no"}},
      {R"({"event": "DEVICE_DELETED", "data": {"device": "d", "path": "/p"}})",
       {.kind = Kind::kEvent, .text = "DEVICE_DELETED", .device = "d"}},
      {R"({"event": "STOP"})", {.kind = Kind::kEvent, .text = "STOP"}},
  };
  for (const auto& [line, expected] : cases) {
    const auto message = ParseQmpMessage(line);
    ASSERT_TRUE(message.ok()) << line;
    EXPECT_EQ(*message, expected) << line;
  }
}

TEST(QmpMessageTest, RefusesTheRest) {
  for (const char* line : {"", "{", "[]", "{}", R"({"error":1})", R"({"event":1})"}) {
    EXPECT_FALSE(ParseQmpMessage(line).ok()) << line;
  }
}

// QEMU's side of the socket, driven by the test line by line.
class QmpClientTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::array<int, 2> fds{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds.data()), 0);
    ours_.reset(fds[0]);
    qemu_.reset(fds[1]);
  }
  void Say(const std::string& line) {
    ASSERT_TRUE(WriteFull(qemu_.get(), AsBytes(line + "\r\n")).ok());
  }
  std::string Hear() {
    std::string line;
    for (char c = 0; ::read(qemu_.get(), &c, 1) == 1 && c != '\n';) line += c;
    return line;
  }
  std::unique_ptr<QmpClient> Connect() {
    std::jthread qemu([this] {
      Say(R"({"QMP": {}})");
      EXPECT_THAT(Hear(), HasSubstr("qmp_capabilities"));
      Say(R"({"return": {}, "id": "1"})");
    });
    auto client = QmpClient::Create(std::move(ours_), kPatience);
    EXPECT_TRUE(client.ok());
    return client.ok() ? std::move(client).value() : nullptr;
  }
  UniqueFd ours_;
  UniqueFd qemu_;
};

TEST_F(QmpClientTest, AnswersBelongToTheirCommands) {
  const auto client = Connect();
  std::jthread qemu([this] {
    EXPECT_EQ(Hear(), R"({"execute":"query","id":"2","arguments":{"a":1}})");
    Say(R"({"event": "RESUME"})");
    Say(R"({"return": "late", "id": "1"})");
    Say(R"({"return": "right", "id": "2"})");
  });
  const auto answer = client->Execute("query", R"({"a":1})");
  ASSERT_TRUE(answer.ok()) << answer.error().message();
  EXPECT_EQ(*answer, "\"right\"");
}

TEST_F(QmpClientTest, ARefusalSaysWhichCommandAndWhy) {
  const auto client = Connect();
  std::jthread qemu([this] {
    (void)Hear();
    Say(R"({"error": {"class": "GenericError", "desc": "Duplicate ID"}, "id": "2"})");
  });
  const auto answer = client->Execute("device_add");
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().message(), "QMP device_add: Duplicate ID");
}

TEST_F(QmpClientTest, ADeletedDeviceIsSeenBeforeOrAfterOneWaits) {
  const auto client = Connect();
  Say(R"({"event": "DEVICE_DELETED", "data": {"device": "disk-1"}})");
  EXPECT_TRUE(client->WaitDeviceDeleted("disk-1", kPatience).ok());
  std::jthread qemu(
      [this] { Say(R"({"event": "DEVICE_DELETED", "data": {"device": "disk-2"}})"); });
  EXPECT_TRUE(client->WaitDeviceDeleted("disk-2", kPatience).ok());
  const auto stays = client->WaitDeviceDeleted("disk-3", milliseconds(0));
  EXPECT_EQ(stays.error().code(), ErrorCode::kFailedPrecondition);
}

TEST_F(QmpClientTest, EventsNobodyWaitsForTakeNoMemoryWithoutBound) {
  const auto client = Connect();
  std::string events;
  for (size_t i = 0; i <= kMaxDeletedDevices; ++i) {
    events += R"({"event":"DEVICE_DELETED","data":{"device":"d)" + std::to_string(i) + "\"}}\n";
  }
  ASSERT_TRUE(WriteFull(qemu_.get(), AsBytes(events)).ok());
  EXPECT_TRUE(
      client->WaitDeviceDeleted("d" + std::to_string(kMaxDeletedDevices - 1), kPatience).ok());
  std::jthread qemu([this] {
    (void)Hear();
    Say(R"({"return": {}, "id": "2"})");
  });
  ASSERT_TRUE(client->Execute("query").ok()) << "by now all were read";
  const auto last =
      client->WaitDeviceDeleted("d" + std::to_string(kMaxDeletedDevices), milliseconds(0));
  EXPECT_EQ(last.error().code(), ErrorCode::kFailedPrecondition);
}

TEST_F(QmpClientTest, AnEndOfQemuEndsEveryCall) {
  const auto client = Connect();
  qemu_.reset();
  EXPECT_EQ(client->Execute("cont").error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(client->WaitDeviceDeleted("d", kPatience).error().code(), ErrorCode::kUnavailable);
}

TEST_F(QmpClientTest, GarbageEndsTheConnection) {
  const auto client = Connect();
  Say("not JSON");
  EXPECT_EQ(client->WaitDeviceDeleted("d", kPatience).error().code(), ErrorCode::kUnavailable);
}

TEST_F(QmpClientTest, SilenceEndsInTime) {
  const auto client = QmpClient::Create(std::move(ours_), milliseconds(30));
  ASSERT_FALSE(client.ok());
  EXPECT_EQ(client.error().code(), ErrorCode::kDeadlineExceeded);
}

}  // namespace
}  // namespace locket::runtime_shim
