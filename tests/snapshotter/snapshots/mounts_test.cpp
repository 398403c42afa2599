#include "snapshotter/snapshots/mounts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace locket::snapshotter {
namespace {

using ::testing::ElementsAre;

TEST(OverlayMountsTest, BindsWhenOneDirectoryIsAllThereIs) {
  const OverlayPlan base{.kind = Kind::kActive,
                         .content = "/s/1/fs",
                         .work = "/s/1/work",
                         .parents = {},
                         .index_off = true};
  EXPECT_THAT(OverlayMounts(base), ElementsAre(Mount{"bind", "/s/1/fs", {"rw", "rbind"}}));
  const OverlayPlan view{.kind = Kind::kView,
                         .content = "/s/2/fs",
                         .work = {},
                         .parents = {"/s/1/fs"},
                         .index_off = true};
  EXPECT_THAT(OverlayMounts(view), ElementsAre(Mount{"bind", "/s/1/fs", {"ro", "rbind"}}));
}

TEST(OverlayMountsTest, StacksTheNearestParentOnTop) {
  OverlayPlan plan{.kind = Kind::kActive,
                   .content = "/s/3/fs",
                   .work = "/s/3/work",
                   .parents = {"/s/2/fs", "/s/1/fs"},
                   .index_off = false};
  EXPECT_THAT(
      OverlayMounts(plan),
      ElementsAre(Mount{"overlay",
                        "overlay",
                        {"workdir=/s/3/work", "upperdir=/s/3/fs", "lowerdir=/s/2/fs:/s/1/fs"}}));
  plan.kind = Kind::kView;
  plan.index_off = true;
  EXPECT_THAT(OverlayMounts(plan),
              ElementsAre(Mount{"overlay", "overlay", {"index=off", "lowerdir=/s/2/fs:/s/1/fs"}}));
}

TEST(SealedMountsTest, CarriesTheDescriptionInAnOptionOfABind) {
  EXPECT_THAT(SealedMounts(Kind::kView, "/s/4/rootfs", "/s/4/rootfs.json"),
              ElementsAre(Mount{
                  "bind", "/s/4/rootfs", {"rbind", "ro", "dev.locket.rootfs=/s/4/rootfs.json"}}));
}

}  // namespace
}  // namespace locket::snapshotter
