// For converter*.cpp only: what is under way.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "erofs/lower_directories.h"
#include "snapshotter/convert/converter.h"

namespace locket::snapshotter {

// The converter's mutex guards all but `image`, which never changes, and `config`, which is set
// before anybody else sees a layer of it.
struct Converter::ImageJob {
  const OrdinaryImage image;
  std::optional<image::ImageConfig> config{};
  std::vector<std::shared_ptr<const BlobCache::Pin>> pins{};  // of the layers done so far
  std::shared_ptr<const BlobCache::Pin> config_pin{};
  size_t num_missing = 0;  // layers
  size_t num_waiting = 0;  // callers
  std::optional<ImageResult> outcome{};
  std::chrono::steady_clock::time_point started{};
  std::chrono::steady_clock::time_point last_used{};
};

struct Converter::LayerJob {
  const std::string reference;   // whose registry is asked
  const image::Descriptor blob;  // as it is there
  const image::Digest diff_id;
  // Of a layer that depends on those below it: what identifies them, and their directories.
  const std::optional<image::Digest> over{};
  const erofs::LowerDirectories* const lower = nullptr;
  std::vector<std::shared_ptr<ImageJob>> wanted_by{};  // guarded by the converter's mutex
};

}  // namespace locket::snapshotter
