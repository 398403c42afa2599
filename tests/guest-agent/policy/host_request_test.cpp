#include "guest-agent/policy/host_request.h"

#include <gmock/gmock.h>

namespace locket::guest_agent {
namespace {

using ::testing::HasSubstr;

TEST(HostRequestTest, ReadsWhatTheAgentLooksAtAndNothingElse) {
  const auto request = DecodeHostRequest(R"({
    "ociVersion": "1.0.2", "hooks": {"prestart": [{"path": "/evil"}]},
    "process": {"args": ["/bin/app", "x"], "env": ["A=1"], "terminal": true, 
      "noNewPrivileges": true,
      "user": {"uid": 7, "gid": 8, "additionalGids": [9, 10]},
      "capabilities": {"bounding": ["CAP_CHOWN"]},
      "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 18446744073709551615}]},
    "root": {"path": "/host", "readonly": true}, "hostname": "pod",
    "mounts": [{"destination": "/proc", "type": "proc"}, {"destination": "/data",
      "type": "bind", "source": "/host/data", "options": ["rbind", "ro"]}],
    "linux": {"sysctl": {"a.b": "1"},
      "resources": {"memory": {"limit": -1},
      "cpu": {"shares": 2, "quota": 3, "period": 4},
      "pids": {"limit": 5}}}})");
  ASSERT_TRUE(request.ok()) << request.error().message();
  EXPECT_EQ(
      *request,
      (HostRequest{
          .args = {"/bin/app", "x"},
          .env = {"A=1"},
          .uid = 7,
          .groups = {9, 10},
          .capabilities = {"CAP_CHOWN"},
          .rlimits = {{.type = "RLIMIT_NOFILE", .soft = 1, .hard = UINT64_MAX}},
          .mounts = {{.destination = "/proc"},
                     {.destination = "/data", .source = "/host/data", .options = {"rbind", "ro"}}},
          .sysctls = {"a.b"},
          .hostname = "pod",
          .terminal = true,
          .no_new_privileges = true,
          .read_only_root = true,
          .memory_limit = -1,
          .cpu_shares = 2,
          .cpu_quota = 3,
          .cpu_period = 4,
          .pids_limit = 5}));
}

TEST(HostRequestTest, ProcessesAreTheContainersOwnOnlyInANamespaceThatIsMadeForIt) {
  const auto joins = [](const std::string& namespaces) {
    return DecodeHostRequest(R"({"process":{},"linux":{)" + namespaces + "}}")->joins_processes;
  };
  EXPECT_FALSE(joins(""));
  EXPECT_FALSE(joins(R"("namespaces":[{"type":"ipc","path":"/p"},{"type":"pid"}])"));
  EXPECT_TRUE(joins(R"("namespaces":[{"type":"pid","path":"/proc/7/ns/pid"}])"));
  EXPECT_TRUE(joins(R"("namespaces":[{"type":"ipc"}])"));
}

TEST(HostRequestTest, WhatIsAbsentOrNullIsEmpty) {
  const auto request = DecodeHostRequest(R"({"process":{"env":null},"linux":null,"mounts":null})");
  ASSERT_TRUE(request.ok()) << request.error().message();
  EXPECT_EQ(*request, HostRequest());
}

struct Malformed {
  const char* json;
  const char* reason;
};
void PrintTo(const Malformed& request, std::ostream* out) { *out << request.reason; }

class MalformedHostRequestTest : public ::testing::TestWithParam<Malformed> {};

TEST_P(MalformedHostRequestTest, NamesTheFieldThatIsWrong) {
  const auto request = DecodeHostRequest(GetParam().json);
  ASSERT_FALSE(request.ok());
  EXPECT_EQ(request.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(request.error().message(), HasSubstr(GetParam().reason));
}

INSTANTIATE_TEST_SUITE_P(
    Cases, MalformedHostRequestTest,
    ::testing::Values(
        Malformed{"", "the document"}, Malformed{"[]", "the document"},
        Malformed{"{\"process\":", "the document"}, Malformed{"{}", "process is not there"},
        Malformed{R"({"process":1})", "process is not an object"},
        Malformed{R"({"process":{"args":"x"}})", "args is not a list"},
        Malformed{R"({"process":{"args":[1]}})", "args is not a list of texts"},
        Malformed{R"({"process":{"args":["a\u0000b"]}})", "args is not text without NUL"},
        Malformed{R"({"process":{"terminal":1}})", "terminal is not a boolean"},
        Malformed{R"({"process":{"capabilities":[]}})", "capabilities is not an object"},
        Malformed{R"({"process":{},"linux":{"namespaces":{}}})", "namespaces is not a list"},
        Malformed{R"({"process":{},"linux":{"namespaces":["pid"]}})",
                  "namespaces is not a list of objects"},
        Malformed{R"({"process":{"user":7}})", "user is not an object"},
        Malformed{R"({"process":{"user":{"uid":-1}}})", "uid is not an unsigned integer"},
        Malformed{R"({"process":{"rlimits":[1]}})", "rlimits is not a list of objects"},
        Malformed{R"({"process":{"rlimits":[{"type":"X","soft":1}]}})", "soft and hard"},
        Malformed{R"({"process":{"rlimits":[{"type":"X","soft":-1,"hard":1}]}})", "unsigned"},
        Malformed{R"({"process":{},"hostname":[]})", "hostname is not text"},
        Malformed{R"({"process":{},"mounts":[1]})", "mounts is not a list of objects"},
        Malformed{R"({"process":{},"mounts":[{"source":1}]})", "source is not text"},
        Malformed{R"({"process":{},"mounts":[{"options":["ro",1]}]})", "options is not a list of"},
        Malformed{R"({"process":{},"linux":{"resources":{"memory":{"limit":1.5}}}})", "limit"},
        Malformed{R"({"process":{},"linux":{"resources":{"pids":{"limit":18446744073709551615}}}})",
                  "limit is not a signed 64-bit integer"}));

TEST(HostRequestTest, AProcessAloneIsReadTheSameWay) {
  const auto process = DecodeHostProcess(
      R"({"args":["/x"],"env":["A=1"],"terminal":true,"capabilities":{"bounding":["CAP_KILL"]}})");
  ASSERT_TRUE(process.ok()) << process.error().message();
  EXPECT_EQ(*process,
            (HostRequest{
                .args = {"/x"}, .env = {"A=1"}, .capabilities = {"CAP_KILL"}, .terminal = true}));
  EXPECT_EQ(*DecodeHostProcess("{}"), HostRequest{});
  EXPECT_THAT(DecodeHostProcess("[]").error().message(), HasSubstr("the document"));
  EXPECT_THAT(DecodeHostProcess(R"({"args":[1]})").error().message(), HasSubstr("list of texts"));
  EXPECT_THAT(DecodeHostProcess(std::string(kMaxHostRequestBytes + 1, ' ')).error().message(),
              HasSubstr("more than 1048576"));
}

TEST(HostRequestTest, BoundsSizeAndLists) {
  EXPECT_THAT(DecodeHostRequest(std::string(kMaxHostRequestBytes + 1, ' ')).error().message(),
              HasSubstr("more than 1048576"));
  std::string many = "{\"process\":{\"env\":[\"A=1\"";
  for (size_t i = 0; i < kMaxHostListEntries; ++i) many += ",\"A=1\"";
  EXPECT_THAT(DecodeHostRequest(many + "]}}").error().message(), HasSubstr("at most 4096 entries"));
  EXPECT_FALSE(DecodeHostRequest(std::string(kMaxHostRequestBytes, '[')).ok()) << "and nesting";
}

}  // namespace
}  // namespace locket::guest_agent
