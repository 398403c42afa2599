#include "base/listener.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fstream>

#include "base/file.h"

namespace locket {
namespace {

using ::testing::HasSubstr;

class ListenerTest : public ::testing::Test {
 protected:
  std::filesystem::path At(const std::string& name) const { return directory_.path() / name; }

  static bool Connects(const std::filesystem::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.string().copy(static_cast<char*>(address.sun_path), sizeof(address.sun_path) - 1);
    const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  }

  TempDir directory_ = *TempDir::Create("/tmp", "listener-test.");
};

TEST_F(ListenerTest, ClientsConnectBeforeThereIsAServer) {
  const auto listener = Listener::Listen(At("socket"), 0640);
  ASSERT_TRUE(listener.ok()) << listener.error().message();
  EXPECT_TRUE(Connects(At("socket")));
  EXPECT_EQ(listener->path(), At("socket"));
  struct stat found {};
  ASSERT_EQ(::stat(At("socket").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0640U);
}

TEST_F(ListenerTest, TheFileGoesWithTheObject) {
  { ASSERT_TRUE(Listener::Listen(At("socket")).ok()); }
  EXPECT_FALSE(std::filesystem::exists(At("socket")));
}

TEST_F(ListenerTest, ADeadServersSocketIsReplacedAndALiveOnesIsNot) {
  {
    const UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    At("socket").string().copy(static_cast<char*>(address.sun_path), sizeof(address.sun_path) - 1);
    ASSERT_EQ(::bind(dead.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }
  const auto listener = Listener::Listen(At("socket"));
  ASSERT_TRUE(listener.ok()) << listener.error().message();
  const auto second = Listener::Listen(At("socket"));
  EXPECT_EQ(second.error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(second.error().message(), HasSubstr("another server listens there"));
  EXPECT_TRUE(Connects(At("socket")));
}

TEST_F(ListenerTest, AFileThatIsNoSocketIsLeftAlone) {
  std::ofstream(At("file")) << "precious";
  EXPECT_EQ(Listener::Listen(At("file")).error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(*ReadFile(At("file"), 100), "precious");
}

TEST_F(ListenerTest, APathTooLongIsRefused) {
  const auto listener = Listener::Listen(At(std::string(120, 'n')));
  EXPECT_EQ(listener.error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(ListenerTest, TcpTakesNumbersAndSaysItsPort) {
  const auto listener = Listener::ListenTcp("127.0.0.1", 0);
  ASSERT_TRUE(listener.ok()) << listener.error().message();
  EXPECT_NE(listener->port(), 0);
  EXPECT_TRUE(listener->path().empty());
  EXPECT_FALSE(Listener::ListenTcp("localhost", 0).ok());
}

TEST_F(ListenerTest, ASocketOfSystemdIsTakenOverAndItsFileStays) {
  auto first = Listener::Listen(At("socket"));
  ASSERT_TRUE(first.ok());
  {
    const auto inherited = Listener::Inherit(UniqueFd(::dup(first->fd())));
    ASSERT_TRUE(inherited.ok()) << inherited.error().message();
    EXPECT_EQ(inherited->path(), At("socket"));
  }
  EXPECT_TRUE(Connects(At("socket")));
  const auto not_listening =
      Listener::Inherit(UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)));
  EXPECT_EQ(not_listening.error().code(), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace locket
