#include "snapshotter/snapshots/cri_labels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace locket::snapshotter {
namespace {

using ::testing::HasSubstr;

class CriLabelsTest : public ::testing::Test {
 protected:
  const std::string digest_ = image::Digest::Of("").ToText();
  const Labels labels_{{"containerd.io/snapshot/cri.image-ref", "r.example/app:1"},
                       {"containerd.io/snapshot/cri.manifest-digest", digest_},
                       {"containerd.io/snapshot/cri.layer-digest", digest_}};
};

TEST_F(CriLabelsTest, SayWhichLayerOfWhichImage) {
  const auto parsed = ParseCriLabels(labels_);
  ASSERT_TRUE(parsed.ok());
  ASSERT_TRUE(parsed->has_value());
  EXPECT_EQ((*parsed)->image_ref, "r.example/app:1");
  EXPECT_EQ((*parsed)->manifest_digest.ToText(), digest_);
  EXPECT_EQ((*parsed)->layer_digest.ToText(), digest_);
}

TEST_F(CriLabelsTest, SayNothingUnlessAllAreThere) {
  for (const auto& [name, value] : labels_) {
    Labels some = labels_;
    some.erase(name);
    const auto parsed = ParseCriLabels(some);
    ASSERT_TRUE(parsed.ok()) << name;
    EXPECT_FALSE(parsed->has_value()) << name;
  }
}

TEST_F(CriLabelsTest, ADigestThatIsNoneIsNamed) {
  for (const std::string name : {"cri.manifest-digest", "cri.layer-digest"}) {
    Labels wrong = labels_;
    wrong["containerd.io/snapshot/" + name] = "sha256:../../etc/passwd";
    const auto parsed = ParseCriLabels(wrong);
    ASSERT_FALSE(parsed.ok()) << name;
    EXPECT_EQ(parsed.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(parsed.error().message(), HasSubstr("label " + name));
  }
}

}  // namespace
}  // namespace locket::snapshotter
