#include <CLI/CLI.hpp>
#include <utility>

#include "cli/image/image_commands.h"
#include "cli/key.h"
#include "image/oci/reference.h"

namespace locket::cli {

void AddSource(CLI::App& command, const char* name, std::string& image) {
  command
      .add_option(name, image,
                  "Image: registry reference, oci:DIR[:TAG], oci-archive:FILE[:TAG], "
                  "docker-archive:FILE[:NAME[:TAG]], or - for an archive on standard input")
      ->type_name("")
      ->required();
}

void AddTarget(CLI::App& command, std::string& image) {
  command
      .add_option("TARGET", image,
                  "Where to write the image: registry reference, oci:DIR:TAG, "
                  "oci-archive:FILE[:TAG], or - for an archive on standard output")
      ->type_name("")
      ->required();
}

void AddAccess(CLI::App& command, ImageAccessOptions& access) {
  command
      .add_option("--platform", access.platform,
                  "Platform whose image to take from an index (an image for several platforms), "
                  "OS/ARCHITECTURE[/VARIANT] (default: Linux on this machine's architecture)")
      ->type_name("PLATFORM");
  command
      .add_option("--tmp", access.temporary_directory,
                  "Directory for temporary files: one or a few layers at a time, and the content "
                  "of an archive (environment variable: TMPDIR)")
      ->type_name("DIR")
      ->capture_default_str();
  command
      .add_option("--creds-file", access.creds_file,
                  "Credentials for registries, as in docker's config.json (default: the files of "
                  "podman and docker)")
      ->type_name("FILE");
  command
      .add_option("--hosts-dir", access.hosts_dir,
                  "Directory of containerd's hosts.toml files, with mirrors and CAs of registries")
      ->type_name("DIR")
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
    return Usage("TARGET '" + target + "' has no tag: write oci:DIR:TAG");
  }
  if (location.transport == image::Transport::kDockerArchive) {
    return Usage("TARGET '" + target + "': docker archives can only be read; use oci-archive:FILE");
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
