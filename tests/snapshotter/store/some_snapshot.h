// A snapshot with every field set.
#pragma once

#include <string>

#include "snapshotter/store/snapshot.h"

namespace locket::snapshotter {

inline Snapshot SomeSnapshot(uint64_t id, const std::string& name) {
  return {.id = id,
          .kind = Kind::kCommitted,
          .name = name,
          .parent = "k8s.io/1/parent",
          .created_ns = 1'700'000'000'123'456'789,
          .updated_ns = 1'700'000'001'000'000'000,
          .labels = {{"a", ""}, {"containerd.io/snapshot.ref", "sha256:ab"}},
          .usage = Usage{.size_bytes = 7, .inodes = 2},
          .image = ImageSource{.reference = "r/i:1", .manifest_digest = "m", .config_digest = "c"},
          .layer = SealedBlob{.digest = "d", .size_bytes = 1ULL << 40, .media_type = "t"}};
}

}  // namespace locket::snapshotter
