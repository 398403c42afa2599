#include "device-plugin/listing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/device-plugin/fake_sys.h"

namespace locket::device_plugin {
namespace {

using ::testing::HasSubstr;

TEST(ListTest, SaysWhatEachResourceHasAndWhyNotMore) {
  const FakeSys sys;
  sys.HaveSnp(99);
  sys.Write("sys/fs/cgroup/misc.current", "sev_es 3\n");
  Options options{.root = sys.root()};
  options.resources[0].reserved = 4;
  const auto listed = List(options);
  ASSERT_TRUE(listed.ok()) << listed.error().message();
  EXPECT_THAT(
      AsText(*listed),
      ::testing::StartsWith(
          "RESOURCE             DEVICES  TOTAL  RESERVED  IN USE  NOTE\n"
          "locket.dev/snp       95       99     4         3       -\n"
          "locket.dev/tdx       0        0      0         ?       KVM knows no TDX: no '/sys/"));
  const auto json = nlohmann::json::parse(AsJson(*listed));
  ASSERT_EQ(json.size(), 3U);
  EXPECT_EQ(json[0], nlohmann::json::parse(R"({"resource": "locket.dev/snp", "tee": "snp",
      "devices": 95, "total": 99, "reserved": 4, "in_use": 3, "note": ""})"));
  EXPECT_TRUE(json[1]["in_use"].is_null());
}

TEST(ListTest, LeavesOutWhatHasNoName) {
  const FakeSys sys;
  Options options{.root = sys.root()};
  for (Resource& resource : options.resources) resource.name.clear();
  EXPECT_TRUE(List(options)->empty());
  EXPECT_EQ(AsJson(*List(options)), "[]\n");
}

TEST(ListTest, ShoutsThatAnEmulatedTeeProtectsNothing) {
  const FakeSys sys;
  Options options{.root = sys.root()};
  options.resources[2].emulated = 5;
  const auto listed = List(options);
  ASSERT_TRUE(listed.ok());
  EXPECT_EQ(listed->at(2).devices, 5U);
  EXPECT_THAT(AsText(*listed), HasSubstr("EMULATED: not a TEE, it protects nothing"));
}

TEST(ListTest, NamesTheResourceThatCannotBeCounted) {
  const FakeSys sys;
  sys.HaveSnp(9);
  sys.Write("sys/fs/cgroup/misc.capacity", "nonsense");
  EXPECT_THAT(List({.root = sys.root()}).error().message(), HasSubstr("count 'locket.dev/snp': "));
}

TEST(DevicesTest, MoreReservedThanThereAreLeavesNone) {
  EXPECT_EQ(Devices({.tee = Tee::kSnp, .name = "a/b", .reserved = 10}, {.total = 9}), 0U);
  EXPECT_EQ(Devices({.tee = Tee::kSnp, .name = "a/b", .reserved = 2}, {.total = 9}), 7U);
}

}  // namespace
}  // namespace locket::device_plugin
