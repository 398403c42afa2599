#include "guest-agent/console_pump.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>

#include "base/encoding.h"
#include "base/file.h"

namespace locket::guest_agent {
namespace {

// Runs `body` in a child whose descriptors 1 and 2 go through a pump to `console`; its exit status.
int WithPump(UniqueFd console, const std::function<int(ConsolePump&)>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    auto pump = ConsolePump::Start(std::move(console));
    ::_exit(pump.ok() ? body(*pump) : 100);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST(ConsolePumpTest, BringsEverythingToTheConsole) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]);
  const int status = WithPump(UniqueFd(ends[1]), [](ConsolePump& pump) {
    const bool wrote = WriteFull(STDOUT_FILENO, AsBytes("one\n")).ok() &&
                       WriteFull(STDERR_FILENO, AsBytes("two\n")).ok();
    return wrote && pump.Finish(std::chrono::seconds(60)) ? 0 : 1;
  });
  EXPECT_EQ(status, 0);
  std::string text(64, '\0');
  text.resize(static_cast<size_t>(std::max<ssize_t>(::read(reader.get(), text.data(), 64), 0)));
  EXPECT_EQ(text, "one\ntwo\n");
}

TEST(ConsolePumpTest, AConsoleThatNobodyDrainsHoldsUpNobody) {
  const UniqueFd terminal(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_TRUE(terminal.valid());
  ASSERT_EQ(::grantpt(terminal.get()), 0);
  ASSERT_EQ(::unlockpt(terminal.get()), 0);
  UniqueFd console(::open(::ptsname(terminal.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_TRUE(console.valid());
  const int status = WithPump(std::move(console), [](ConsolePump& pump) {
    const std::string line(99, 'x');
    int dropped = 0;
    for (int i = 0; i < 100000; ++i) {  // 10 MB, more than any pipe or terminal holds
      if (!WriteFull(STDERR_FILENO, AsBytes(line + "\n")).ok()) ++dropped;
    }
    if (dropped == 0) return 1;
    return pump.Finish(std::chrono::milliseconds(1)) ? 2 : 0;
  });
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace locket::guest_agent
