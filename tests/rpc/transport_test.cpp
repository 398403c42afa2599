#include "rpc/transport.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "base/file.h"

namespace locket::rpc {
namespace {

using testing::HasSubstr;

class UnixTransportTest : public testing::Test {
 protected:
  UnixTransportTest() : dir_(TempDir::Create("/tmp", "locket-rpc-test")) {}
  std::filesystem::path At(std::string_view name) { return dir_->path() / name; }

  static void ExpectConnected(const std::filesystem::path& path, const UniqueFd& listening) {
    const auto client = ConnectUnix(path);
    ASSERT_TRUE(client.ok()) << client.error().message();
    const UniqueFd server(::accept(listening.get(), nullptr, nullptr));
    ASSERT_TRUE(server.valid());
    ASSERT_EQ(::write(client->get(), "x", 1), 1);
    char byte = 0;
    EXPECT_EQ(::read(server.get(), &byte, 1), 1);
  }

  Result<TempDir> dir_;
};

TEST_F(UnixTransportTest, ConnectsAndIsForTheOwnerOnly) {
  const auto listening = ListenUnix(At("sock"));
  ASSERT_TRUE(listening.ok()) << listening.error().message();
  struct stat found {};
  ASSERT_EQ(::stat(At("sock").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600U);
  ExpectConnected(At("sock"), *listening);
}

TEST_F(UnixTransportTest, ReplacesASocketNobodyListensOn) {
  { ASSERT_TRUE(ListenUnix(At("sock")).ok()); }
  const auto again = ListenUnix(At("sock"));
  ASSERT_TRUE(again.ok()) << again.error().message();
  ExpectConnected(At("sock"), *again);
}

TEST_F(UnixTransportTest, LeavesASocketSomeoneListensOn) {
  const auto first = ListenUnix(At("sock"));
  const auto second = ListenUnix(At("sock"));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_THAT(second.error().message(), HasSubstr("another process listens there"));
  const UniqueFd probe(::accept(first->get(), nullptr, nullptr));  // how it found out
  ExpectConnected(At("sock"), *first);
}

TEST_F(UnixTransportTest, LeavesAFileThatIsNoSocket) {
  std::ofstream(At("file")) << "precious";
  const auto listening = ListenUnix(At("file"));
  ASSERT_FALSE(listening.ok());
  EXPECT_EQ(listening.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(*ReadFile(At("file"), 100), "precious");
}

TEST_F(UnixTransportTest, PathsMayBeLongerThanAnAddress) {
  const auto deep = At(std::string(120, 'd'));
  std::filesystem::create_directory(deep);
  const auto listening = ListenUnix(deep / "sock");
  ASSERT_TRUE(listening.ok()) << listening.error().message();
  ExpectConnected(deep / "sock", *listening);
  const auto name = ListenUnix(At(std::string(120, 'n')));
  ASSERT_FALSE(name.ok());
  EXPECT_THAT(name.error().message(), HasSubstr("file name is too long for a socket"));
}

TEST_F(UnixTransportTest, SaysWhyItDoesNotConnect) {
  const auto absent = ConnectUnix(At("absent"));
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(absent.error().message(), HasSubstr("connect to '" + At("absent").string()));
  { ASSERT_TRUE(ListenUnix(At("dead")).ok()); }
  EXPECT_EQ(ConnectUnix(At("dead")).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(ConnectUnix("").error().code(), ErrorCode::kInvalidArgument);
}

TEST(VsockTransportTest, ConnectsToItselfOrSaysWhyNot) {
  const auto listening = ListenVsock(0xFFFFFFFF);  // any port
  if (!listening.ok()) {
    EXPECT_THAT(listening.error().message(), HasSubstr("listen on vsock port"));
    const auto connected = ConnectVsock(2, 1024);
    ASSERT_FALSE(connected.ok());
    EXPECT_THAT(connected.error().message(), HasSubstr("connect to vsock 2 port 1024"));
    GTEST_SKIP() << "no vsock here: " << listening.error().message();
  }
}

}  // namespace
}  // namespace locket::rpc
