// The guest image directory (docs/formats/guest-channels.md): what the VM boots.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace locket::runtime_shim {

// Paths are absolute.
struct GuestImage {
  std::filesystem::path kernel;
  std::filesystem::path initrd;
  std::string cmdline;  // the kernel's, as it was measured
  bool operator==(const GuestImage&) const = default;
};

// Reads `directory`/guest-image.json and makes sure that the files it names are there. Returns
// their paths. It does not look at the measurements: the broker compares them, and the host is not
// trusted to. The error names the directory. kNotFound: a file is missing. kInvalidArgument:
// guest-image.json is malformed or of another version.
Result<GuestImage> LoadGuestImage(const std::filesystem::path& directory);

// Returns the command line to boot with: the image's own, followed by `kernel_params` if any.
std::string BootCmdline(const GuestImage& image, std::string_view kernel_params);

}  // namespace locket::runtime_shim
