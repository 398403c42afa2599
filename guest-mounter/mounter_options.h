// The command line of locket-mounter, a tool for somebody with a shell in a guest: it opens one
// image as the agent would, without an agent, a policy or a broker.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"

namespace locket::guest_mounter {

struct MounterOptions {
  // Files with the image's manifest and config, byte for byte as the registry has them. Their
  // digests are the policy: there is nobody else whose word would count.
  std::filesystem::path manifest{};
  std::filesystem::path config{};
  // For mount points. Made if it is absent; another mounter or agent must not use it.
  std::filesystem::path directory = "/run/locket-mounter";
  // Files of 32 raw bytes, by the key's ID in its normal form (ResourceName::ToText).
  std::map<std::string, std::filesystem::path> keys{};
  // --help and --version end the parsing: what comes after them is not looked at, and the paths
  // above may be empty.
  bool help = false;
  bool version = false;
};

inline constexpr char kMounterHelp[] =
    "locket-mounter: opens a sealed image by hand, inside a guest, for debugging.\n"
    "\n"
    "usage: locket-mounter --manifest FILE --config FILE [--key ID=FILE]... [--directory DIR]\n"
    "\n"
    "Finds the disks of the layers by their serial numbers and mounts the image. Prints the root\n"
    "directory, and unmounts everything at SIGTERM or SIGINT. The image that is given is allowed:\n"
    "there is no other policy.\n"
    "\n"
    "  --manifest FILE   Manifest of the image, byte for byte\n"
    "  --config FILE     Config of the image, byte for byte\n"
    "  --key ID=FILE     Key encryption key for encrypted layers: its name\n"
    "                    kbs:///REPO/TYPE/TAG and a file of 32 bytes; repeatable\n"
    "  --directory DIR   Directory to mount in (default: /run/locket-mounter)\n"
    "  --help            Print this help, then exit\n"
    "  --version         Print the version, then exit\n";

// Returns the options of `arguments`, which leave out the program's name. An option that comes
// twice has its last value; a key with another ID is one more key. No file is opened here.
// kInvalidArgument: an unknown option, a missing value, a key ID that is malformed, or no
// --manifest or --config. The message is for the terminal.
Result<MounterOptions> ParseMounterOptions(const std::vector<std::string>& arguments);

}  // namespace locket::guest_mounter
