// Why two layers have different root hashes: what stands in the one file system and not in the
// other, or stands there otherwise.
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
  std::string a{};   // the values, where they can be shown
  std::string b{};

  bool operator==(const LayerDifference&) const = default;
};

// Every difference in the order of paths: names, types, modes, owners, mtimes, device numbers,
// symlink targets, contents, xattrs, which names are links of one file. If there is none of these,
// but contents lie in other places, the tars list their files in another order, and that is the one
// difference. An error of `found` ends the walk. kDataLoss: an image is damaged. kCancelled: `stop`
// was asked for.
Status DiffLayers(const erofs::ImageReader& a, const erofs::ImageReader& b,
                  const std::function<Status(const LayerDifference&)>& found,
                  const std::stop_token& stop = {});

}  // namespace locket::cli
