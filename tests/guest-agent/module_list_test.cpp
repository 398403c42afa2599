#include "guest-agent/module_list.h"

#include <gmock/gmock.h>

#include <fstream>

#include "base/file.h"

namespace locket::guest_agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(ModuleListTest, ReadsOrderAndKind) {
  const auto list = ParseModuleList("required a.ko\noptional b-c.ko\nrequired d.ko x=1 y=2\n");
  ASSERT_TRUE(list.ok());
  EXPECT_THAT(*list,
              ElementsAre(ModuleEntry{.file = "a.ko", .required = true},
                          ModuleEntry{.file = "b-c.ko", .required = false},
                          ModuleEntry{.file = "d.ko", .required = true, .parameters = "x=1 y=2"}));
  EXPECT_THAT(*ParseModuleList(""), IsEmpty());
}

TEST(ModuleListTest, RefusesOtherLinesByName) {
  for (const char* line : {"a.ko", "required", "maybe a.ko", "required ../a.ko", "required a.so",
                           "required a.ko b.ko", "required  a.ko"}) {
    const auto list = ParseModuleList(line);
    ASSERT_FALSE(list.ok()) << line;
    EXPECT_THAT(list.error().message(), HasSubstr(line));
  }
}

TEST(ModuleListTest, AnAbsentRequiredModuleEndsTheBootAnOptionalOneDoesNot) {
  const auto directory = TempDir::Create(::testing::TempDir(), "modules");
  ASSERT_TRUE(directory.ok());
  const auto modules = directory->path() / "modules.list";
  std::ofstream(modules) << "optional absent.ko\n";
  EXPECT_TRUE(LoadModules(modules).ok());
  std::ofstream(modules) << "required absent.ko\n";
  const Status loaded = LoadModules(modules);
  ASSERT_FALSE(loaded.ok());
  EXPECT_THAT(loaded.error().message(), HasSubstr("absent.ko"));
}

}  // namespace
}  // namespace locket::guest_agent
