// The command line of locket-mounter.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"

namespace locket::guest_mounter {

struct MounterOptions {
  std::filesystem::path manifest{};
  std::filesystem::path config{};
  std::filesystem::path directory = "/run/locket-mounter";
  std::map<std::string, std::filesystem::path> keys{};  // by key ID
  bool help = false;
  bool version = false;
};

inline constexpr char kMounterHelp[] =
    "locket-mounter: opens a sealed image by hand, inside a guest, for debugging\n"
    "usage: locket-mounter --manifest FILE --config FILE [--key kbs:///REPO/TYPE/TAG=FILE]...\n"
    "                      [--directory DIR]\n"
    "Finds the layers' disks by serial, prints the root directory, and takes it down at SIGTERM "
    "or\n"
    "SIGINT. The image given is the image allowed: there is no other policy.\n"
    "  --manifest FILE   the image's manifest, exact bytes\n"
    "  --config FILE     its config, exact bytes\n"
    "  --key ID=FILE     a key encryption key, 32 raw bytes, for encrypted layers\n"
    "  --directory DIR   where to mount (default /run/locket-mounter)\n"
    "  --help, --version\n";

// kInvalidArgument: an unknown option, a missing value, or no manifest and config.
Result<MounterOptions> ParseMounterOptions(const std::vector<std::string>& arguments);

}  // namespace locket::guest_mounter
