// What every Containerd promises. The world it looks into has in namespace "k8s.io": the image of
// ConformanceImage() under its reference and in its content, and a container "web" of it, by CRI.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/snapshotter/containerd/fake_containerd.h"

namespace locket::snapshotter {

inline void CheckContainerd(Containerd& containerd, const TestImage& image) {
  const auto code = [](const auto& result) {
    return result.ok() ? std::optional<ErrorCode>() : result.error().code();
  };
  const auto record = containerd.GetContainer("k8s.io", "web");
  ASSERT_TRUE(record.ok()) << record.error().message();
  EXPECT_EQ(record->image, image.reference);
  EXPECT_EQ(record->snapshot_key, "web");
  EXPECT_THAT(record->cri_metadata, ::testing::HasSubstr(image.config_digest()));
  EXPECT_EQ(code(containerd.GetContainer("k8s.io", "absent")), ErrorCode::kNotFound);
  EXPECT_EQ(code(containerd.GetContainer("other", "web")), ErrorCode::kNotFound);

  const auto target = containerd.GetImageTarget("k8s.io", image.reference);
  ASSERT_TRUE(target.ok()) << target.error().message();
  EXPECT_EQ(target->ToText(), image.manifest_digest());
  EXPECT_EQ(code(containerd.GetImageTarget("k8s.io", "r.example/absent:1")), ErrorCode::kNotFound);
  EXPECT_EQ(code(containerd.GetImageTarget("other", image.reference)), ErrorCode::kNotFound);

  for (const std::string& bytes : {image.manifest, image.config}) {
    const auto digest = image::Digest::Of(bytes);
    const auto read = containerd.ReadContent("k8s.io", digest, bytes.size());
    ASSERT_TRUE(read.ok()) << read.error().message();
    EXPECT_EQ(*read, bytes);
    EXPECT_EQ(code(containerd.ReadContent("k8s.io", digest, bytes.size() - 1)),
              ErrorCode::kInvalidArgument);
    EXPECT_EQ(code(containerd.ReadContent("other", digest, bytes.size())), ErrorCode::kNotFound);
  }
  EXPECT_EQ(code(containerd.ReadContent("k8s.io", image::Digest::Of("absent"), 100)),
            ErrorCode::kNotFound);
}

}  // namespace locket::snapshotter
