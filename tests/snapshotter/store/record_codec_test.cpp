#include "snapshotter/store/record_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/snapshotter/store/some_snapshot.h"

namespace locket::snapshotter {
namespace {

TEST(RecordCodecTest, DecodesWhatItEncoded) {
  const Snapshot full = SomeSnapshot(5, "k8s.io/5/extract-1 sha256:aa");
  EXPECT_EQ(*DecodeSnapshot(EncodeSnapshot(full)), full);
  Snapshot bare = full;
  bare.usage.reset();
  bare.image.reset();
  bare.layer.reset();
  bare.labels.clear();
  bare.parent.clear();
  bare.created_ns = -1;
  EXPECT_EQ(*DecodeSnapshot(EncodeSnapshot(bare)), bare);
}

TEST(RecordCodecTest, RefusesEveryTruncationAndAnyByteAfterTheEnd) {
  const std::string bytes = EncodeSnapshot(SomeSnapshot(5, "name"));
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto decoded = DecodeSnapshot(bytes.substr(0, size));
    ASSERT_FALSE(decoded.ok()) << size;
    EXPECT_EQ(decoded.error().code(), ErrorCode::kDataLoss);
  }
  EXPECT_THAT(DecodeSnapshot(bytes + 'x').error().message(), ::testing::HasSubstr("after its end"));
}

TEST(RecordCodecTest, RefusesWhatNoEncoderWrites) {
  std::string bytes = EncodeSnapshot(SomeSnapshot(5, "name"));
  std::string changed = bytes;
  changed[0] = 1;  // with a state, as it once was
  EXPECT_THAT(DecodeSnapshot(changed).error().message(), ::testing::HasSubstr("unknown format"));
  changed = bytes;
  for (const char kind : {'\0', '\4'}) {
    changed[9] = kind;
    EXPECT_THAT(DecodeSnapshot(changed).error().message(), ::testing::HasSubstr("unknown kind"));
  }
  changed = bytes;
  changed[changed.find("containerd.io/snapshot.ref")] = 'A';  // sorts before "a"
  EXPECT_THAT(DecodeSnapshot(changed).error().message(), ::testing::HasSubstr("out of order"));
}

}  // namespace
}  // namespace locket::snapshotter
