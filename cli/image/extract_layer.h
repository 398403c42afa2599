// Lays the file system of one layer over a directory, as overlayfs would show it.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "erofs/image_reader.h"

namespace locket::cli {

struct ExtractLayerOptions {
  // Work without root: every file belongs to the caller, and what only root may make is left out.
  bool rootless = false;
  std::stop_token stop{};
};

struct ExtractReport {
  uint64_t files = 0;
  uint64_t devices_left_out = 0;  // rootless only
  uint64_t xattrs_left_out = 0;   // rootless only: trusted.*, security.*

  bool operator==(const ExtractReport&) const = default;
};

// Applies a layer to the directory open at `root`, which holds the layers below. Nobody else may
// change the directory meanwhile. A whiteout removes a name. An opaque directory hides what the
// layers below have in it. A directory keeps its entries and gets the layer's owner, mode, time and
// xattrs. Anything else replaces what was there. Nothing outside `root` is touched, whatever the
// image says. Adds to `report`. kDataLoss: the image is damaged. kCancelled: `options.stop` was
// requested. Other errors are the system's and name the file. On failure part of the layer is
// applied.
Status ExtractLayer(const erofs::ImageReader& image, int root, const ExtractLayerOptions& options,
                    ExtractReport& report);

// Removes `name` in the open `directory`, with everything below it, also where modes forbid it.
// Succeeds if there is no such name.
Status RemoveTree(int directory, const std::string& name);

}  // namespace locket::cli
