#include "runtime-shim/task/stdio.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "base/encoding.h"
#include "base/file.h"
#include "tests/runtime-shim/vm/fake_agent.h"

namespace locket::runtime_shim {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

constexpr milliseconds kPatience{20'000};

class StdioTest : public ::testing::Test {
 protected:
  StdioTest() : dir_(TempDir::Create("/tmp", "shim-stdio").value()) {}
  void SetUp() override {
    (void)::signal(SIGPIPE, SIG_IGN);
    std::array<int, 2> fds{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
    agent_.Serve(UniqueFd(fds[1]));
    client_ = AgentClient::Create(UniqueFd(fds[0]), kPatience, [](const Error&) {}).value();
  }
  // The agent first: calls that wait for output end with it.
  void TearDown() override { agent_.Die(); }
  std::string Fifo(const std::string& name) {
    const auto path = (dir_.path() / name).string();
    EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
    return path;
  }
  static std::string ReadToEnd(const UniqueFd& fd) {
    std::string text;
    char buffer[4096];
    for (ssize_t n = 0; (n = ::read(fd.get(), buffer, sizeof buffer)) > 0;) {
      text.append(buffer, static_cast<size_t>(n));
    }
    return text;
  }
  static UniqueFd OpenReader(const std::string& path) {
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    ::fcntl(fd.get(), F_SETFL, 0);
    return fd;
  }
  TempDir dir_;
  FakeAgent agent_;
  std::unique_ptr<AgentClient> client_;
};

TEST_F(StdioTest, OutputReachesItsFifosAndEnds) {
  const StdioPaths paths{.out = Fifo("out"), .err = Fifo("err")};
  const UniqueFd out = OpenReader(paths.out);
  const UniqueFd err = OpenReader(paths.err);
  auto stdio = Stdio::Open(paths).value();
  const std::string much(200'000, 'o');
  agent_.SetOutput("c", much, "errors");
  agent_.End("c", 0);
  stdio->Start(*client_, {"c"}, /*terminal=*/false);
  EXPECT_EQ(ReadToEnd(out), much);
  EXPECT_EQ(ReadToEnd(err), "errors");
  EXPECT_TRUE(stdio->WaitDrained(kPatience));
}

TEST_F(StdioTest, AReaderMayComeLate) {
  const StdioPaths paths{.out = Fifo("out")};
  auto stdio = Stdio::Open(paths).value();
  agent_.SetOutput("c", std::string(100'000, 'o'), "");
  agent_.End("c", 0);
  stdio->Start(*client_, {"c"}, /*terminal=*/false);
  EXPECT_FALSE(stdio->WaitDrained(milliseconds(20))) << "the FIFO holds less";
  const UniqueFd out = OpenReader(paths.out);
  EXPECT_EQ(ReadToEnd(out).size(), 100'000U);
  EXPECT_TRUE(stdio->WaitEnded(kPatience));
}

TEST_F(StdioTest, AReaderThatNeverReadsBlocksNobody) {
  const StdioPaths paths{.out = Fifo("out")};
  auto stdio = Stdio::Open(paths).value();
  agent_.SetOutput("c", std::string(1'000'000, 'o'), "");
  agent_.End("c", 0);
  stdio->Start(*client_, {"c"}, /*terminal=*/false);
  EXPECT_FALSE(stdio->WaitDrained(milliseconds(20)));
  stdio->Stop();
  EXPECT_TRUE(stdio->WaitEnded(kPatience));
}

TEST_F(StdioTest, OutputNobodyWantsIsReadAllTheSame) {
  auto stdio = Stdio::Open({}).value();
  agent_.SetOutput("c", std::string(1'000'000, 'o'), "x");
  agent_.End("c", 0);
  stdio->Start(*client_, {"c"}, /*terminal=*/false);
  EXPECT_TRUE(stdio->WaitDrained(kPatience));
}

TEST_F(StdioTest, ATerminalHasNoStderr) {
  const StdioPaths paths{.out = (dir_.path() / "file").string()};
  ASSERT_TRUE(ReplaceFileDurably(paths.out, "old\n").ok());
  auto stdio = Stdio::Open(paths).value();
  agent_.SetOutput("c", "new\n", "never read");
  agent_.End("c", 0);
  stdio->Start(*client_, {"c"}, /*terminal=*/true);
  EXPECT_TRUE(stdio->WaitDrained(kPatience));
  EXPECT_EQ(ReadFile(paths.out, 100).value(), "old\nnew\n");
}

TEST_F(StdioTest, InputEndsOnlyWhenTheClientSaysSo) {
  const StdioPaths paths{.in = Fifo("in")};
  auto stdio = Stdio::Open(paths).value();
  stdio->Start(*client_, {"c"}, /*terminal=*/false);
  for (const char* text : {"first ", "second"}) {
    // Each writer comes and goes: attach and detach.
    const UniqueFd in(::open(paths.in.c_str(), O_WRONLY | O_CLOEXEC));
    ASSERT_TRUE(WriteFull(in.get(), AsBytes(text)).ok());
  }
  EXPECT_TRUE(agent_.WaitInput("c", "first second", /*closed=*/false));
  stdio->CloseInput();
  EXPECT_TRUE(agent_.WaitInput("c", "first second", /*closed=*/true));
  agent_.Die();
}

TEST_F(StdioTest, AnInputThatIsOverIsClosedAtBothEnds) {
  const StdioPaths paths{.in = Fifo("in")};
  auto stdio = Stdio::Open(paths).value();
  const UniqueFd in(::open(paths.in.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  stdio->Start(*client_, {"c"}, /*terminal=*/true);
  stdio->EndInput();
  agent_.End("c", 0);
  ASSERT_TRUE(stdio->WaitEnded(kPatience));
  EXPECT_EQ(::write(in.get(), "x", 1), -1);
  EXPECT_EQ(errno, EPIPE);
}

TEST_F(StdioTest, ADeadAgentEndsThePumps) {
  const StdioPaths paths{.in = Fifo("in"), .out = Fifo("out")};
  auto stdio = Stdio::Open(paths).value();
  stdio->Start(*client_, {"c"}, /*terminal=*/false);
  agent_.Die();
  EXPECT_TRUE(stdio->WaitDrained(kPatience));
  stdio->Stop();
  EXPECT_TRUE(stdio->WaitEnded(kPatience));
}

TEST_F(StdioTest, WhatIsNoPathIsRefused) {
  const auto uri = Stdio::Open({.out = "binary:///bin/logger"});
  ASSERT_FALSE(uri.ok());
  EXPECT_THAT(uri.error().message(), HasSubstr("only FIFOs and files"));
  const auto absent = Stdio::Open({.in = "/nowhere/in"});
  ASSERT_FALSE(absent.ok());
  EXPECT_THAT(absent.error().message(), HasSubstr("/nowhere/in"));
}

}  // namespace
}  // namespace locket::runtime_shim
