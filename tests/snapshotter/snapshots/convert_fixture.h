// An ordinary image that is to be converted, and containerd's way to ask for it.
#pragma once

#include <string>

#include "tests/snapshotter/convert/ordinary_image.h"
#include "tests/snapshotter/snapshots/snapshots_fixture.h"

namespace locket::snapshotter {

class ConvertPrepareTest : public SnapshotsTest {
 protected:
  void SetUp() override {
    machine_.convert.enabled = true;
    SnapshotsTest::SetUp();
    image_.AddTo(machine_.fetcher);
  }

  // As containerd does for each layer; returns the name of the top snapshot.
  std::string PullAll(const TestImage& image) {
    std::string parent;
    for (size_t i = 0; i < image.layers.size(); ++i) {
      ExpectError(snapshots().Prepare(image.Pull(i, parent, Key())), ErrorCode::kAlreadyExists,
                  "is there");
      const std::vector<std::string> filters{"labels.\"containerd.io/snapshot.ref\"==" +
                                             image.chain_ids[i] + ",parent==\"" + parent + "\""};
      const auto found = snapshots().List(filters);
      EXPECT_THAT(*found, ::testing::SizeIs(1)) << image.chain_ids[i] << " on '" << parent << "'";
      if (found->empty()) return "";
      parent = found->front().name;
    }
    return parent;
  }
  std::string Key() { return "k8s.io/" + std::to_string(++sequence_) + "/extract-1 sha256:x"; }

  const TestImage image_ = MakeVariedImage("127.0.0.1:5000/debian:12");
  int sequence_ = 0;
};

}  // namespace locket::snapshotter
