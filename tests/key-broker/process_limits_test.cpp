// A configuration that the process's limits have no room for is refused at the start.
#include "key-broker/process_limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "tests/key-broker/program.h"

namespace locket::key_broker {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kNames =
    "listen = \"[::1]:8443\"\nstore_dir = \"/s\"\naudit_log = \"/a\"\n"
    "[tls]\ncertificate = \"/c\"\nkey = \"/k\"\n[limits]\n";

Config With(const std::string& limits) { return ParseConfig(std::string(kNames) + limits).value(); }

TEST(ProcessLimitsTest, RefusesMoreConnectionsThanFilesAndSaysWhatToChange) {
  const Config config = With("max_connections = 512\nthreads = 8\n");
  constexpr uint64_t kNeeded = 2 * 512 + 2 * 8 + kReservedFiles;
  EXPECT_TRUE(CheckFits(config, {.files = kNeeded}).ok());
  const auto refused = CheckFits(config, {.files = kNeeded - 1});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(refused.error().message(),
              HasSubstr("limits.max_connections = 512 needs 1296 open files, and this process may "
                        "have 1295: lower it, or raise LimitNOFILE="));
}

TEST(ProcessLimitsTest, RefusesMoreThreadsThanTasksAndSaysWhatToChange) {
  const Config config = With("threads = 100\n");
  EXPECT_TRUE(CheckFits(config, {.files = 65536, .tasks = 100 + kReservedTasks}).ok());
  EXPECT_TRUE(CheckFits(config, {.files = 65536}).ok()) << "no limit is known";
  const auto refused = CheckFits(config, {.files = 65536, .tasks = 99 + kReservedTasks});
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message(),
              HasSubstr("limits.threads = 100 needs 132 tasks, and this process's cgroup may have "
                        "131: lower it, or raise TasksMax="));
}

TEST(ProcessLimitsTest, FindTheLeastOfTheCgroupAndThoseAboveIt) {
  const auto root = TempDir::Create("/tmp", "cgroup").value();
  const auto set = [&](const std::string& cgroup, const std::string& value) {
    std::filesystem::create_directories(root.path() / cgroup);
    std::ofstream(root.path() / cgroup / "pids.max") << value << "\n";
  };
  set("system.slice/broker.service", "max");
  const auto limit = [&](std::string_view own) { return TasksLimit(own, root.path()); };
  constexpr std::string_view kOwn = "4:pids:/x\n0::/system.slice/broker.service\n";
  EXPECT_EQ(limit(kOwn), std::nullopt);
  set("system.slice", "300");
  EXPECT_EQ(limit(kOwn), 300U);
  set("system.slice/broker.service", "256");
  EXPECT_EQ(limit(kOwn), 256U);
  set("system.slice/broker.service", "400");
  EXPECT_EQ(limit(kOwn), 300U) << "the outer one holds as well";
  set(".", "7");
  EXPECT_EQ(limit("0::/\n"), 7U) << "a container's own root";
  EXPECT_EQ(limit("4:pids:/system.slice\n"), std::nullopt) << "version 1 is not looked at";
  EXPECT_EQ(limit(""), std::nullopt);
}

// The value of `key` in deploy/locket-broker.service.
uint64_t OfUnit(const std::string& key) {
  const auto unit =
      ReadFile(std::string(LOCKET_SOURCE_DIR) + "/deploy/locket-broker.service", 1U << 16);
  const size_t at = unit->find("\n" + key + "=");
  if (at == std::string::npos) return 0;
  return std::stoull(unit->substr(at + key.size() + 2));
}

TEST(ProcessLimitsTest, OfTheDeployedUnitHaveRoomForEveryConfiguration) {
  const auto fits = CheckFits(With("max_connections = 10000\nthreads = 256\n"),
                              {.files = OfUnit("LimitNOFILE"), .tasks = OfUnit("TasksMax")});
  EXPECT_TRUE(fits.ok()) << fits.error().message();
}

class OpenFilesTest : public ::testing::Test {
 protected:
  OpenFilesTest() { EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &former_), 0); }
  ~OpenFilesTest() override { EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &former_), 0); }

  rlimit former_{};
  BrokerProgram program_;
};

TEST_F(OpenFilesTest, AreRaisedFromTheSoftLimitToTheHardOne) {
  const rlimit low{.rlim_cur = 256, .rlim_max = former_.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  program_.Start();
  rlimit found{};
  ASSERT_EQ(::prlimit(program_.process().pid(), RLIMIT_NOFILE, nullptr, &found), 0);
  EXPECT_EQ(found.rlim_cur, former_.rlim_max);
  EXPECT_LE(program_.Memory("Threads"), 8 + kReservedTasks);
  EXPECT_EQ(program_.Stop(), 0);
}

TEST_F(OpenFilesTest, ThatAreTooFewAreNamedAtTheStart) {
  const std::string program = std::string(LOCKET_BINARY_DIR) + "/bin/locket-broker";
  const auto refused = RunCommand({"/bin/sh", "-c", "ulimit -n 1000 && exec \"$@\"", "sh", program,
                                   "--config", program_.Configure("127.0.0.1:0")});
  ASSERT_TRUE(refused.ok());
  EXPECT_EQ(refused->exit_status, 1);
  EXPECT_THAT(refused->standard_error,
              HasSubstr("needs 1296 open files, and this process may have 1000"));
}

}  // namespace
}  // namespace locket::key_broker
