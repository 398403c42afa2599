// Finds why two layers have different root hashes: what is in one file system and not in the other,
// or differs between them.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "erofs/image_reader.h"

namespace locket::cli {

struct LayerDifference {
  std::string path;
  std::string what;  // "only in A", "only in B", "type", "mode", "owner", "mtime", ...
  std::string a{};   // the value in A; empty if it cannot be shown
  std::string b{};   // the value in B; empty if it cannot be shown

  bool operator==(const LayerDifference&) const = default;
};

// Calls `found` for every difference, in the order of paths: names, types, modes, owners, mtimes,
// device numbers, symlink targets, contents, xattrs, and which names are links of one file. If none
// of these differs, but contents are stored at other places, the tars list their files in another
// order, and that is the one difference. An error of `found` ends the walk and is returned.
// kDataLoss: an image is damaged. kCancelled: `stop` was requested.
Status DiffLayers(const erofs::ImageReader& a, const erofs::ImageReader& b,
                  const std::function<Status(const LayerDifference&)>& found,
                  const std::stop_token& stop = {});

}  // namespace locket::cli
