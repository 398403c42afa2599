// Ports played by FIFOs and sockets: a FIFO's reader sees a writer's absence just as a port sees
// its host's, POLLHUP and a read of 0 until one comes.
#include "rpc/virtio_stream.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <future>
#include <thread>

#include "rpc/ttrpc_client.h"
#include "tests/rpc/peer.h"

namespace locket::rpc {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

std::string ReadAll(int fd) {
  std::string all;
  std::array<char, 4096> part{};
  for (ssize_t got = 0; (got = ::read(fd, part.data(), part.size())) > 0;) {
    all.append(part.data(), static_cast<size_t>(got));
  }
  return all;
}

bool HasInput(const UniqueFd& fd) {
  pollfd one{fd.get(), POLLIN, 0};
  return ::poll(&one, 1, 20) > 0;
}

class VirtioStreamTest : public testing::Test {
 protected:
  VirtioStreamTest() : dir_(TempDir::Create("/tmp", "locket-rpc-test")) {
    paths_ = {.ports = dir_->path() / "ports", .devices = dir_->path() / "dev"};
    std::filesystem::create_directories(paths_.ports);
    std::filesystem::create_directories(paths_.devices);
  }

  // A port of the kernel: its name in sysfs, a device file in /dev.
  void AddPort(const std::string& entry, const std::string& name) {
    ASSERT_EQ(::mkfifo((paths_.devices / entry).c_str(), 0600), 0);
    std::filesystem::create_directory(paths_.ports / entry);
    std::ofstream(paths_.ports / entry / "name") << name << "\n";
  }

  // A port without host: its file, and whoever opens `fifo` for writing is the host.
  UniqueFd PortWithoutHost(const std::filesystem::path& fifo) {
    EXPECT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    UniqueFd port(::open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    const UniqueFd earlier_host(::open(fifo.c_str(), O_WRONLY | O_CLOEXEC));
    return port;
  }

  Result<TempDir> dir_;
  VirtioPortPaths paths_;
};

TEST_F(VirtioStreamTest, WaitsForTheHostAndEndsWithIt) {
  const auto fifo = dir_->path() / "fifo";
  const auto stream = JoinPort(PortWithoutHost(fifo));
  ASSERT_TRUE(stream.ok()) << stream.error().message();
  EXPECT_FALSE(HasInput(*stream)) << "no host is no end";
  UniqueFd host(::open(fifo.c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(host.valid());
  ASSERT_EQ(::write(host.get(), "hello", 5), 5);
  host.reset();
  EXPECT_EQ(ReadAll(stream->get()), "hello") << "what it sent before it left, then the end";
}

TEST_F(VirtioStreamTest, ACallerThatLeavesFreesAPortWithoutHost) {
  const auto fifo = dir_->path() / "fifo";
  UniqueFd port = PortWithoutHost(fifo);
  auto stream = JoinPort(std::move(port));
  ASSERT_TRUE(stream.ok());
  stream->reset();
  // Nobody reads the FIFO any more once the pump has let go of it: this open fails then.
  for (UniqueFd host(0); host.valid();) {
    host = UniqueFd(::open(fifo.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    std::this_thread::yield();
  }
}

TEST_F(VirtioStreamTest, MovesMuchBothWaysAtOnce) {
  SocketPair port;
  const auto stream = JoinPort(std::move(port.ours));
  ASSERT_TRUE(stream.ok());
  const std::string much(5U << 20, 'm');
  const std::string more(7U << 20, 'n');
  auto to_host = std::async(std::launch::async, [&] {
    SendBytes(stream->get(), much);
    return true;
  });
  auto from_host = std::async(std::launch::async, [&] {
    SendBytes(port.theirs.get(), more);
    return true;
  });
  std::string at_host(much.size(), '\0');
  auto received = std::async(std::launch::async, [&] {
    return ReadFull(port.theirs.get(), std::as_writable_bytes(std::span(at_host)));
  });
  std::string at_caller(more.size(), '\0');
  ASSERT_TRUE(ReadFull(stream->get(), std::as_writable_bytes(std::span(at_caller))).ok());
  ASSERT_TRUE(received.get().ok());
  EXPECT_EQ(at_host, much);
  EXPECT_EQ(at_caller, more);
  EXPECT_TRUE(to_host.get() && from_host.get());
}

TEST_F(VirtioStreamTest, WhatTheCallerWroteBeforeItLeftReachesTheHost) {
  SocketPair port;
  auto stream = JoinPort(std::move(port.ours));
  ASSERT_TRUE(stream.ok());
  const std::string last(1U << 20, 'l');
  auto at_host = std::async(std::launch::async, [&] { return ReadAll(port.theirs.get()); });
  SendBytes(stream->get(), last);
  stream->reset();
  EXPECT_EQ(at_host.get(), last);
}

TEST_F(VirtioStreamTest, AHostThatLeavesIsDeliveredInFullThoughTheCallerIsSlow) {
  SocketPair port;
  const auto stream = JoinPort(std::move(port.ours));
  ASSERT_TRUE(stream.ok());
  const std::string all(2U << 20, 'a');
  std::thread host([&] {
    SendBytes(port.theirs.get(), all);
    port.theirs.reset();
  });
  SendBytes(stream->get(), "nobody reads this");
  EXPECT_EQ(ReadAll(stream->get()), all);
  host.join();
}

TEST_F(VirtioStreamTest, FindsThePortByName) {
  AddPort("vport0p1", "dev.locket.other");
  AddPort("vport0p2", "dev.locket.agent");
  std::filesystem::create_directory(paths_.ports / "vport0p3");  // without a name
  const auto stream = OpenVirtioPortIn(paths_, "dev.locket.agent", 0ms);
  ASSERT_TRUE(stream.ok()) << stream.error().message();
  // A FIFO opened both ways gives back what it is given.
  SendBytes(stream->get(), "round");
  std::string back(5, '\0');
  ASSERT_TRUE(ReadFull(stream->get(), std::as_writable_bytes(std::span(back))).ok());
  EXPECT_EQ(back, "round");
}

TEST_F(VirtioStreamTest, WaitsForThePortToAppear) {
  auto stream = std::async(std::launch::async,
                           [&] { return OpenVirtioPortIn(paths_, "dev.locket.agent", 60s); });
  AddPort("vport0p1", "dev.locket.agent");
  EXPECT_TRUE(stream.get().ok());
}

TEST_F(VirtioStreamTest, NamesThePortThatDoesNotAppear) {
  AddPort("vport0p1", "dev.locket.agent2");
  const auto stream = OpenVirtioPortIn(paths_, "dev.locket.agent", 1ms);
  ASSERT_FALSE(stream.ok());
  EXPECT_EQ(stream.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(stream.error().message(), HasSubstr("open virtio port 'dev.locket.agent'"));
}

// A port whose host is a pseudo-terminal's master: it may write half a frame and carry on.
struct Terminal {
  Terminal() : master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    EXPECT_EQ(::grantpt(master.get()), 0);
    EXPECT_EQ(::unlockpt(master.get()), 0);
    std::array<char, 128> name{};
    EXPECT_EQ(::ptsname_r(master.get(), name.data(), name.size()), 0);
    path = name.data();
    // Kept open, as the last close would bring back line editing and echo.
    slave.reset(::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC));
    termios mode{};
    EXPECT_EQ(::tcgetattr(slave.get(), &mode), 0);
    ::cfmakeraw(&mode);
    EXPECT_EQ(::tcsetattr(slave.get(), TCSANOW, &mode), 0);
  }
  UniqueFd master;
  UniqueFd slave;
  std::string path;
};

TEST_F(VirtioStreamTest, TheServerSurvivesPartialFrames) {
  const Terminal terminal;
  AddPort("vport0p1", "dev.locket.agent");
  std::filesystem::remove(paths_.devices / "vport0p1");
  std::filesystem::create_symlink(terminal.path, paths_.devices / "vport0p1");
  TtrpcMethods methods;
  const auto server = TtrpcServer::Create(methods, {.frame_timeout = 20ms});
  auto served = std::async(std::launch::async, [&] {
    return ServeVirtioPort(*server, "dev.locket.agent", 60s, paths_);
  });
  const auto write = [&](const std::string& bytes) {
    ASSERT_TRUE(WriteFull(terminal.master.get(), AsBytes(bytes)).ok());
  };
  // The beginning of a frame that announces much, from a host that then starts over: its next
  // requests are lost in that frame, but not those after the server has started over as well.
  write(std::string(AsText(*HexDecode("003fffff000000010100"))));
  int attempts = 0;
  do {
    write(RequestFrame(1, "Nothing"));
  } while (!HasInput(terminal.master) && ++attempts < 500);
  EXPECT_GT(attempts, 0);
  ttrpc::Response response;
  const auto answer = attempts < 500 ? ReadFrame(terminal.master.get()) : std::nullopt;
  EXPECT_TRUE(answer && response.ParseFromString(answer->payload));
  EXPECT_EQ(response.status().code(), 12) << "it understood the request";
  server->Stop();
  const auto result = served.get();
  EXPECT_TRUE(result.ok()) << result.error().message();
}

TEST_F(VirtioStreamTest, ServingEndsWhenThePortCannotBeOpened) {
  TtrpcMethods methods;
  const auto server = TtrpcServer::Create(methods);
  const auto result = ServeVirtioPort(*server, "dev.locket.agent", 1ms, paths_);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace locket::rpc
