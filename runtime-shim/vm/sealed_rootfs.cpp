#include "runtime-shim/vm/sealed_rootfs.h"

#include <string_view>

#include "base/file.h"
#include "image/sealed/rootfs_description.h"

namespace locket::runtime_shim {
namespace {

Result<std::filesystem::path> FindDescription(const std::vector<std::string>& mount_options,
                                              const std::string& image_name) {
  for (const std::string& option : mount_options) {
    if (!option.starts_with(image::kRootfsMountOption)) continue;
    std::filesystem::path path = option.substr(image::kRootfsMountOption.size());
    if (path.is_absolute()) return path;
    return Error(ErrorCode::kInvalidArgument, "mount option '" + option + "': no absolute path");
  }
  const std::string image = image_name.empty() ? "the image" : "image '" + image_name + "'";
  return Error(ErrorCode::kFailedPrecondition,
               image +
                   " is not sealed; a confidential VM only runs sealed images (seal it with "
                   "`locket image seal`, and use snapshotter \"locket\")");
}

Status CheckLayer(const LayerFile& layer) {
  std::error_code failed;
  const std::string what = "layer " + layer.digest + ": '" + layer.path.string() + "'";
  if (!std::filesystem::is_regular_file(layer.path, failed)) {
    return Error(ErrorCode::kNotFound, what + " is not there; pull the image again");
  }
  const auto size = std::filesystem::file_size(layer.path, failed);
  if (failed) return Error::FromErrno(failed.value(), what);
  if (size == layer.size) return Ok();
  return Error(ErrorCode::kDataLoss, what + " has " + std::to_string(size) + " bytes instead of " +
                                         std::to_string(layer.size) + "; pull the image again");
}

// Reads documents until their common limit is used up.
class DocumentReader {
 public:
  Result<std::string> Read(const std::string& path) {
    LOCKET_TRY_ASSIGN(auto text, ReadFile(path, left_));
    left_ -= text.size();
    return text;
  }

  // What decides how a container runs is what it is said to be, or nothing.
  Result<std::string> Read(const std::string& path, const image::Digest& digest) {
    LOCKET_TRY_ASSIGN(auto text, Read(path));
    const auto is = image::Digest::Of(text);
    if (is == digest) return text;
    return Error(ErrorCode::kDataLoss, "'" + path + "' is " + is.ToText() + " instead of " +
                                           digest.ToText() + "; pull the image again");
  }

 private:
  size_t left_ = kMaxImageDocuments;
};

Result<SealedRootfs> Load(const std::filesystem::path& path) {
  const auto json = ReadFile(path, image::kMaxRootfsDescriptionBytes);
  if (!json.ok() && json.error().code() == ErrorCode::kNotFound) {
    return Error(
        ErrorCode::kFailedPrecondition,
        "it is not there: nobody asked the snapshotter for this container's mounts, so it "
        "does not know which image the container is of; start it through containerd (CRI)");
  }
  if (!json.ok()) return json.error();
  LOCKET_TRY_ASSIGN(const auto description, image::DecodeRootfsDescription(*json));
  DocumentReader reader;
  LOCKET_TRY_ASSIGN(auto manifest,
                    reader.Read(description.manifest_path, description.manifest_digest));
  LOCKET_TRY_ASSIGN(auto config, reader.Read(description.config_path, description.config_digest));
  SealedRootfs rootfs{.image_ref = description.image_ref,
                      .manifest = std::move(manifest),
                      .config = std::move(config),
                      .layers = {}};
  for (const std::string& signature : description.signature_paths) {
    LOCKET_TRY_ASSIGN(rootfs.signatures.emplace_back(), reader.Read(signature));
  }
  for (const image::RootfsLayer& layer : description.layers) {
    rootfs.layers.push_back(
        {.digest = layer.digest.ToText(), .size = layer.size, .path = layer.path});
    LOCKET_TRY(CheckLayer(rootfs.layers.back()));
  }
  return rootfs;
}

}  // namespace

Result<SealedRootfs> LoadSealedRootfs(const std::vector<std::string>& mount_options,
                                      const std::string& image_name) {
  LOCKET_TRY_ASSIGN(const auto path, FindDescription(mount_options, image_name));
  return Load(path).While("read sealed rootfs '" + path.string() + "'");
}

}  // namespace locket::runtime_shim
