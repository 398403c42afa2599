// The guest image directory (docs/formats/guest-channels.md): what the VM boots.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace locket::runtime_shim {

struct GuestImage {
  std::filesystem::path kernel;
  std::filesystem::path initrd;
  std::string cmdline;
  bool operator==(const GuestImage&) const = default;
};

// Reads guest-image.json and makes sure that the files it names are there. The error names the
// directory. Measurements are the broker's business, not the host's.
Result<GuestImage> LoadGuestImage(const std::filesystem::path& directory);

// The command line to boot: the image's own, and `kernel_params` behind it if any.
std::string BootCmdline(const GuestImage& image, std::string_view kernel_params);

}  // namespace locket::runtime_shim
