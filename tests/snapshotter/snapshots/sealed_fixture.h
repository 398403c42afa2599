// A sealed image, and containerd's way to ask for it.
#pragma once

#include <string>

#include "tests/snapshotter/snapshots/snapshots_fixture.h"

namespace locket::snapshotter {

class SealedTest : public SnapshotsTest {
 protected:
  void SetUp() override {
    SnapshotsTest::SetUp();
    image_.AddTo(machine_.fetcher);
  }

  // As containerd does for each layer; returns the name of the top snapshot.
  std::string PullAll(const TestImage& image) {
    std::string parent;
    for (size_t i = 0; i < image.layers.size(); ++i) {
      const auto prepared = snapshots().Prepare(image.Pull(i, parent, Key()));
      ExpectError(prepared, ErrorCode::kAlreadyExists, "is there");
      parent = Find(image.chain_ids[i], parent);
    }
    return parent;
  }
  std::string Key() {
    return "k8s.io/" + std::to_string(++sequence_) + "/extract-1 sha256:whatever";
  }
  // containerd's own question after ALREADY_EXISTS.
  std::string Find(const std::string& ref, const std::string& parent) {
    const std::vector<std::string> filters{"labels.\"containerd.io/snapshot.ref\"==" + ref +
                                           ",parent==\"" + parent + "\""};
    const auto found = snapshots().List(filters);
    EXPECT_EQ(found->size(), 1U) << ref << " on '" << parent << "'";
    EXPECT_EQ(found->at(0).kind, Kind::kCommitted);
    return found->at(0).name;
  }

  const TestImage image_ = MakeImage("127.0.0.1:5000/app:1", "ABC");
  int sequence_ = 0;
};

}  // namespace locket::snapshotter
