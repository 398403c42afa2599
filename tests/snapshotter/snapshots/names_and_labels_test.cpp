#include "snapshotter/snapshots/names_and_labels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace locket::snapshotter {
namespace {

using ::testing::HasSubstr;

TEST(NamesAndLabelsTest, NamesAndLabelsHaveLimits) {
  EXPECT_TRUE(CheckName(std::string(16 << 10, 'n')).ok());
  EXPECT_EQ(CheckName(std::string((16 << 10) + 1, 'n')).error().code(),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(CheckName("").error().code(), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(CheckLabels({{"key", std::string(4093, 'v')}}).ok());
  const auto refused = CheckLabels({{"key", std::string(4094, 'v')}});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(refused.error().message(), HasSubstr("label 'key'"));
}

TEST(NamesAndLabelsTest, AnUpdateChangesWhatItsPathsName) {
  const Labels old{{"a", "1"}, {"b", "2"}};
  const Labels wanted{{"a", "9"}, {"c", "3"}};
  struct Case {
    std::vector<std::string> paths;
    Labels expected;
  };
  const Case cases[] = {{{}, wanted},
                        {{"labels"}, wanted},
                        {{"labels.a"}, {{"a", "9"}, {"b", "2"}}},
                        {{"labels.b"}, {{"a", "1"}}},
                        {{"labels.c", "labels.b"}, {{"a", "1"}, {"c", "3"}}}};
  for (const auto& [paths, expected] : cases) {
    const auto updated = UpdatedLabels(old, wanted, paths, "n");
    ASSERT_TRUE(updated.ok()) << updated.error().message();
    EXPECT_EQ(*updated, expected);
  }
  const std::vector<std::string> parent{"parent"};
  const auto refused = UpdatedLabels(old, wanted, parent, "n");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().message(),
            "cannot update 'parent' of snapshot 'n': only labels change");
}

TEST(NamesAndLabelsTest, KeysTellWhatASnapshotIsFor) {
  EXPECT_TRUE(IsUnpackKey("k8s.io/12/extract-123-abc sha256:ab"));
  EXPECT_FALSE(IsUnpackKey("k8s.io/12/0123abcd"));
  EXPECT_TRUE(IsForTheHost("k8s.io/12//mnt/image"));
  EXPECT_TRUE(IsForTheHost("default/3/ctr-images-mount-1"));
  EXPECT_FALSE(IsForTheHost("k8s.io/12/0123abcd"));
  EXPECT_FALSE(IsForTheHost("0123abcd")) << "not from containerd's metadata store";
}

}  // namespace
}  // namespace locket::snapshotter
