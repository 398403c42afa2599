#include "guest-agent/process/oom.h"

#include <gmock/gmock.h>

#include "base/file.h"
#include "guest-agent/process/crun_runtime.h"

namespace locket::guest_agent {
namespace {

using ::testing::HasSubstr;

TEST(OomTest, CountsKillsAndNotTheOtherEvents) {
  EXPECT_EQ(CountOomKills("low 0\nhigh 0\nmax 31\noom 2\noom_kill 1\noom_group_kill 4\n").value(),
            1U);
  EXPECT_EQ(CountOomKills("oom_kill 0").value(), 0U);
}

TEST(OomTest, WhatIsNotMemoryEventsIsSaid) {
  for (const char* text : {"", "oom 1\n", "oom_kill x\n", "oom_kill 1 2\n", "oom_kill \n",
                           "oom_kill 99999999999999999999999\n", "oom_group_kill 1\n"}) {
    const auto count = CountOomKills(text);
    ASSERT_FALSE(count.ok()) << text;
    EXPECT_THAT(count.error().message(), HasSubstr("counts no oom_kill"));
  }
}

TEST(OomTest, TheRuntimeAsksTheContainersOwnGroup) {
  const auto cgroups = TempDir::Create(::testing::TempDir(), "cgroups").value();
  CrunRuntime runtime({.cgroups = cgroups.path()});
  for (const auto& [id, text] : {std::pair("killed", "oom_kill 3\n"), {"fine", "oom_kill 0\n"}}) {
    std::filesystem::create_directory(cgroups.path() / id);
    ASSERT_TRUE(ReplaceFileDurably(cgroups.path() / id / "memory.events", text).ok());
  }
  EXPECT_TRUE(runtime.OomKilled("killed").value());
  EXPECT_FALSE(runtime.OomKilled("fine").value());
  EXPECT_EQ(runtime.OomKilled("absent").error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace locket::guest_agent
