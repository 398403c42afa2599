#include <CLI/CLI.hpp>
#include <utility>

#include "cli/image/image_commands.h"
#include "cli/key.h"
#include "image/oci/reference.h"

namespace locket::cli {

Error Usage(const std::string& message) { return {ErrorCode::kInvalidArgument, message}; }

void AddAccess(CLI::App& command, ImageAccessOptions& access) {
  command.add_option(
      "--platform", access.platform,
      "Which image of an index, OS/ARCHITECTURE[/VARIANT] (default: this machine's)");
  command.add_option("--tmp", access.temporary_directory, "Directory for one layer at a time")
      ->capture_default_str();
  command.add_option("--creds-file", access.creds_file,
                     "Registry credentials (default: docker's and podman's)");
  command.add_option("--hosts-dir", access.hosts_dir, "Directory of containerd's hosts.toml files")
      ->capture_default_str();
}

Status CheckAccess(const ImageAccessOptions& access) {
  if (access.platform.empty()) return Ok();
  LOCKET_TRY(ParsePlatform(access.platform).While("--platform"));
  return Ok();
}

Status CheckImageName(const std::string& image, const std::string& what) {
  LOCKET_TRY(image::ParseImageLocation(image).While(what));
  return Ok();
}

Status CheckTargetName(const std::string& target) {
  LOCKET_TRY_ASSIGN(const auto location, image::ParseImageLocation(target).While("TARGET"));
  if (location.transport == image::Transport::kOciLayout && location.tag.empty()) {
    return Usage("TARGET '" + target + "': name a tag, oci:DIR:TAG");
  }
  if (location.transport == image::Transport::kDockerArchive) {
    return Usage("TARGET '" + target + "': docker archives can be read only; write oci-archive:");
  }
  return Ok();
}

Result<std::optional<Secret>> ReadOptionalKey(const std::string& file) {
  std::optional<Secret> key;
  if (file.empty()) return key;
  LOCKET_TRY_ASSIGN(Secret read, ReadKeyFile(file));
  key.emplace(std::move(read));
  return key;
}

}  // namespace locket::cli
