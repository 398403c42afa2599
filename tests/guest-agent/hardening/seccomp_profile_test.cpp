// What the profile says. That the kernel does as it is told is for vm_test.cpp.
#include "guest-agent/hardening/seccomp_profile.h"

#include <gmock/gmock.h>
#include <sys/socket.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

namespace locket::guest_agent {
namespace {

using Json = nlohmann::json;
using ::testing::IsSupersetOf;

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
  std::ifstream file(LOCKET_SOURCE_DIR "/tests/guest-agent/hardening/engine_system_calls.txt");
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

}  // namespace
}  // namespace locket::guest_agent
