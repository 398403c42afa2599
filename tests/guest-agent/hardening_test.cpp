// What the guest closes before it meets the host, and what keeps containers in their place. That
// the kernel does as it is told is for vm_test.cpp.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/encoding.h"
#include "base/file.h"
#include "guest-agent/broker_link.h"
#include "guest-agent/console_pump.h"
#include "guest-agent/kernel_settings.h"
#include "guest-agent/names.h"
#include "guest-agent/seccomp_profile.h"

namespace locket::guest_agent {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Pair;

TEST(KernelSettingsTest, SysRqAndTracesOfCrashesAreOff) {
  std::map<std::string, std::string> set;
  ASSERT_TRUE(FixKernelSettings([&](const std::string& name, std::string_view value) {
                set[name] = value;
                return Ok();
              }).ok());
  EXPECT_THAT(set,
              IsSupersetOf({Pair("kernel/sysrq", "0"), Pair("debug/exception-trace", "0"),
                            Pair("kernel/printk", "4 4 1 4"), Pair("user/max_user_namespaces", "0"),
                            Pair("net/ipv4/ip_unprivileged_port_start", "0")}));
}

TEST(KernelSettingsTest, EveryFailureButALaterKernelsParameterEndsTheBoot) {
  int calls = 0;
  int passed = 0;
  for (int nth = 1;; ++nth) {
    for (const auto code : {ErrorCode::kInternal, ErrorCode::kNotFound}) {
      calls = 0;
      std::string broken;
      const Status fixed = FixKernelSettings([&](const std::string& name, std::string_view) {
        if (++calls != nth) return Ok();
        broken = name;
        return Status(Error(code, "made to fail"));
      });
      if (broken.empty()) {
        EXPECT_GT(nth, 10);
        EXPECT_EQ(passed, 2) << "kexec_load_disabled, io_uring_disabled";
        return;
      }
      EXPECT_FALSE(code == ErrorCode::kInternal && fixed.ok()) << broken;
      if (fixed.ok()) ++passed;
    }
  }
}

TEST(KernelSettingsTest, AParameterThatTheKernelLacksIsNotFound) {
  const Status set = SetKernelParameter("kernel/no-such-thing", "1");
  ASSERT_FALSE(set.ok());
  EXPECT_EQ(set.error().code(), ErrorCode::kNotFound);
}

TEST(NamesTest, NoHostnameIsANameOfTheLoopbackInterface) {
  for (const char* name : {"localhost",
                           "LocalHost",
                           "localhost.",
                           "localhost..",
                           "a.localhost",
                           "A.b.LOCALHOST.",
                           "a.localhost.localdomain",
                           "localhost.localdomain",
                           "localhost.localdomain4",
                           "localhost4",
                           "localhost4.localdomain",
                           "localhost4.localdomain4.",
                           "LOCALHOST6",
                           "localhost6.localdomain6",
                           "localdomain",
                           "ip6-localhost",
                           "IP6-Loopback",
                           "ip6-localnet",
                           "ip6-mcastprefix",
                           "ip6-allnodes",
                           "ip6-allrouters.",
                           "ip6-allhosts",
                           "ipv6-localhost",
                           "ipv6-loopback",
                           "loopback"}) {
    EXPECT_TRUE(IsLoopbackName(name)) << name;
    const Status checked = CheckHostname(name);
    ASSERT_FALSE(checked.ok()) << name;
    EXPECT_THAT(checked.error().message(), HasSubstr("is a name of the loopback interface"));
  }
  for (const char* name : {"",
                           "pod",
                           "local",
                           "host",
                           "localhos",
                           "my-localhost",
                           "ip6",
                           "a.b-c",
                           "localhost-proxy-7c9f",
                           "localhost5",
                           "localhost.example",
                           "localhost4.example",
                           "localhost.localdomain5",
                           "a.localhost4",
                           "ip6-tunnel-abc",
                           "ip6-localhost.example",
                           "loopback-test",
                           "loopback.example",
                           "db.localdomain",
                           "localdomain-x"}) {
    EXPECT_FALSE(IsLoopbackName(name)) << name;
    EXPECT_TRUE(CheckHostname(name).ok()) << name;
  }
}

TEST(MissingTeeTest, OnlyAMeasuredWordLetsALaunchGoWithoutATee) {
  for (const char* line : {"locket.tee=none", "quiet locket.tee=none\n", "a locket.tee=none b"}) {
    EXPECT_TRUE(MayLackTee(line)) << line;
  }
  for (const char* line :
       {"", "quiet", "locket.tee=nonexistent", "xlocket.tee=none", "locket.tee="}) {
    EXPECT_FALSE(MayLackTee(line)) << line;
  }
}

// What the profile's rules for `call` do, by their action.
std::map<std::string, std::vector<Json>> RulesFor(const std::string& call) {
  std::map<std::string, std::vector<Json>> rules;
  const Json profile = SeccompProfile();
  for (const Json& rule : profile.at("syscalls")) {
    for (const Json& name : rule.at("names")) {
      if (name == call) rules[rule.at("action")].push_back(rule);
    }
  }
  return rules;
}

TEST(SeccompProfileTest, WhatOpensTheKernelIsRefused) {
  for (const char* call : {"bpf", "keyctl", "mount", "unshare", "setns", "io_uring_setup",
                           "perf_event_open", "userfaultfd", "init_module", "syslog"}) {
    const auto rules = RulesFor(call);
    ASSERT_EQ(rules.size(), 1U) << call;
    EXPECT_EQ(rules.at("SCMP_ACT_ERRNO").at(0).at("errnoRet"), EPERM) << call;
  }
  for (const char* call : {"clone3", "a_call_to_come"}) {
    EXPECT_TRUE(RulesFor(call).empty()) << call << " is unknown, so a C library does without";
  }
  EXPECT_EQ(SeccompProfile().at("defaultErrnoRet"), ENOSYS);
}

TEST(SeccompProfileTest, SocketsToTheHostAreRefusedWhateverTheUpperBitsSay) {
  const auto rules = RulesFor("socket");
  EXPECT_EQ(rules.at("SCMP_ACT_ALLOW").at(0).at("args").at(0),
            Json({{"index", 0}, {"op", "SCMP_CMP_LT"}, {"value", AF_VSOCK}, {"valueTwo", 0}}));
}

// engine_system_calls.txt: what Docker's default profile of June 2026 allows on x86-64 to a
// container with default capabilities, with conditions or without.
TEST(SeccompProfileTest, EveryCallThatEnginesAllowIsAllowedOrLeftOutForAReason) {
  const std::map<std::string, std::string> left_out = {
      {"epoll_ctl_old", "Linux no longer has it"},
      {"epoll_wait_old", "Linux no longer has it"},
      {"getxattrat", "newer than Linux 6.1"},
      {"listmount", "newer than Linux 6.1"},
      {"listxattrat", "newer than Linux 6.1"},
      {"removexattrat", "newer than Linux 6.1"},
      {"riscv_hwprobe", "of another processor"},
      {"setxattrat", "newer than Linux 6.1"},
      {"socketcall", "libseccomp allows each of its calls by that call's own name"},
      {"statmount", "newer than Linux 6.1"},
      {"uretprobe", "newer than Linux 6.1"}};
  std::ifstream file(LOCKET_SOURCE_DIR "/tests/guest-agent/engine_system_calls.txt");
  size_t calls = 0;
  for (std::string call; std::getline(file, call); ++calls) {
    EXPECT_EQ(RulesFor(call).count("SCMP_ACT_ALLOW"), left_out.count(call) == 0 ? 1U : 0U) << call;
  }
  EXPECT_EQ(calls, 370U);
}

TEST(SeccompProfileTest, NoCallIsBothAllowedAndRefused) {
  std::set<std::string> seen;
  const Json profile = SeccompProfile();
  for (const Json& rule : profile.at("syscalls")) {
    if (rule.contains("args")) continue;
    for (const Json& name : rule.at("names")) {
      EXPECT_TRUE(seen.insert(name.get<std::string>()).second) << name;
    }
  }
}

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
