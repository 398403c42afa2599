// One layer's file system laid over a directory, as overlayfs would show it.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "erofs/image_reader.h"

namespace locket::cli {

struct ExtractLayerOptions {
  // Without root: every file belongs to the caller, and what only root may make is left out.
  bool rootless = false;
  std::stop_token stop{};  // kCancelled once asked for
};

struct ExtractReport {
  uint64_t files = 0;
  uint64_t devices_left_out = 0;  // rootless only
  uint64_t xattrs_left_out = 0;   // rootless only: trusted.*, security.*

  bool operator==(const ExtractReport&) const = default;
};

// Applies the layer to the directory open at `root`, which holds the layers below and is nobody
// else's to change meanwhile: whiteouts remove, opaque directories hide, a directory keeps what it
// holds and takes the layer's owner, mode, time and xattrs, anything else replaces. Nothing outside
// `root` is touched, whatever the image says. Errors name the file. kDataLoss: the image is
// damaged. Adds to `report`.
Status ExtractLayer(const erofs::ImageReader& image, int root, const ExtractLayerOptions& options,
                    ExtractReport& report);

// Removes `name` in `directory` with all below it, whatever its modes. Absent is fine.
Status RemoveTree(int directory, const std::string& name);

}  // namespace locket::cli
