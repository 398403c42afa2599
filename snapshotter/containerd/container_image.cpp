#include "snapshotter/containerd/container_image.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/json.h"
#include "image/oci/manifest.h"
#include "image/oci/media_type.h"
#include "image/oci/reference.h"

namespace locket::snapshotter {
namespace {

using nlohmann::json;

constexpr size_t kMaxReads = 512;  // documents of one image: an index has one for each platform
constexpr int kMaxDepth = 4;       // of indexes in indexes
constexpr size_t kMaxMetadataBytes = 16U << 20;  // of a message of containerd's

bool IsBareDigest(const std::string& name) { return image::Digest::FromText(name).ok(); }

// What CRI's metadata says of the image. Fields are empty where it says nothing.
struct CriImage {
  std::string config_digest;   // what CRI calls the image's ID
  std::string user_specified;  // as the pod's author wrote it
  std::string requested;       // as the kubelet asked: a name, or the ID
};

std::string TextAt(const json& object, const json::json_pointer& where) {
  if (!object.contains(where)) return "";
  const json& found = object.at(where);
  return found.is_string() ? found.get<std::string>() : "";
}

// It is containerd's own, not an interface: what is not as expected says nothing.
CriImage ParseCriMetadata(const std::string& text) {
  const auto parsed = ParseJsonObject(text, {.max_bytes = kMaxMetadataBytes});
  if (!parsed.ok()) return {};
  const json& metadata = *parsed;
  using Pointer = json::json_pointer;
  return {
      .config_digest = TextAt(metadata, Pointer("/Metadata/ImageRef")),
      .user_specified = TextAt(metadata, Pointer("/Metadata/Config/image/user_specified_image")),
      .requested = TextAt(metadata, Pointer("/Metadata/Config/image/image"))};
}

void AddOnce(std::vector<std::string>& names, const std::string& name) {
  if (!name.empty() && std::ranges::find(names, name) == names.end()) names.push_back(name);
}

// Under which the image store may have what somebody calls `name`: CRI stores full names.
void AddName(std::vector<std::string>& names, const std::string& name) {
  if (name.empty() || IsBareDigest(name)) return;
  AddOnce(names, name);
  const auto reference = image::ParseReference(name);
  if (!reference.ok()) return;
  AddOnce(names, reference->ToText());
  if (reference->digest) AddOnce(names, reference->Name() + "@" + reference->digest->ToText());
}

// The name that the pod asked for first: to CRI two images of one config are one, under the names
// of both, and it picks any of them.
std::vector<std::string> NamesToTry(const ContainerRecord& record, const CriImage& cri) {
  std::vector<std::string> names;
  AddName(names, cri.user_specified);
  AddName(names, cri.requested);
  AddName(names, record.image);
  AddOnce(names, record.image);
  AddOnce(names, cri.config_digest);
  return names;
}

// Looks through all that one name stands for.
class ImageSearch {
 public:
  ImageSearch(Containerd& containerd, const std::string& ns, std::string_view chain_id,
              std::string_view config_digest)
      : containerd_(containerd), ns_(ns), chain_id_(chain_id), config_digest_(config_digest) {}

  // Every image below `digest` that has the layers and, of CRI, the config.
  Result<std::vector<ContainerImage>> Run(const image::Digest& digest) {
    LOCKET_TRY(Visit(digest, 0));
    return std::move(found_);
  }

 private:
  // Nothing: containerd has not got it, as those of other platforms, or it is no document.
  Result<std::optional<std::string>> Read(const image::Digest& digest, size_t max_bytes) {
    if (++num_reads_ > kMaxReads) {
      return Error(ErrorCode::kFailedPrecondition,
                   "its index has more than " + std::to_string(kMaxReads) + " documents");
    }
    auto text = containerd_.ReadContent(ns_, digest, max_bytes);
    if (text.ok()) return std::optional(std::move(text).value());
    const ErrorCode code = text.error().code();
    if (code == ErrorCode::kNotFound || code == ErrorCode::kInvalidArgument) {
      return std::optional<std::string>();
    }
    return std::move(text).error();
  }

  // What is no manifest of an image is passed over: an index may also name artifacts.
  Status Visit(const image::Digest& digest, int depth) {
    if (depth > kMaxDepth) return Ok();
    LOCKET_TRY_ASSIGN(const auto text, Read(digest, image::kMaxManifestBytes));
    if (!text) return Ok();
    const auto type = image::DetectMediaType(*text);
    if (!type.ok()) return Ok();
    if (!image::IsIndex(*type)) return Consider(digest, *text);
    const auto index = image::DecodeIndex(*text);
    if (!index.ok()) return Ok();
    for (const image::Descriptor& child : index->manifests) {
      LOCKET_TRY(Visit(child.digest, depth + 1));
    }
    return Ok();
  }

  Status Consider(const image::Digest& digest, const std::string& text) {
    const auto manifest = image::DecodeManifest(text);
    if (!manifest.ok()) return Ok();
    if (!config_digest_.empty() && manifest->config.digest.ToText() != config_digest_) return Ok();
    const bool known = std::ranges::any_of(
        found_, [&](const ContainerImage& image) { return image.manifest_digest == digest; });
    if (known) return Ok();
    LOCKET_TRY_ASSIGN(auto config, Read(manifest->config.digest, image::kMaxConfigBytes));
    if (!config) return Ok();
    const auto decoded = image::DecodeImageConfig(*config);
    if (!decoded.ok() || decoded->diff_ids.empty()) return Ok();
    if (image::ChainIds(decoded->diff_ids).back().ToText() != chain_id_) return Ok();
    found_.push_back({.name = "",
                      .reference = "",
                      .manifest_digest = digest,
                      .manifest = text,
                      .config = std::move(*config)});
    return Ok();
  }

  Containerd& containerd_;
  const std::string& ns_;
  const std::string_view chain_id_;
  const std::string_view config_digest_;  // empty: any
  size_t num_reads_ = 0;
  std::vector<ContainerImage> found_;
};

std::string Join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text.append(text.empty() ? "'" : ", '").append(name).append("'");
  }
  return text;
}

Error NotToBeTold(const std::vector<std::string>& names, const std::vector<std::string>& others) {
  if (names.empty()) {
    return {ErrorCode::kFailedPrecondition,
            "its record in containerd names no image, so the manifest to run is unknown"};
  }
  if (others.empty()) {
    return {ErrorCode::kFailedPrecondition,
            "containerd has its image no longer (" + Join(names) + "): pull it again"};
  }
  return {ErrorCode::kFailedPrecondition,
          Join(others) + " is not the image it was created of any more: create it again"};
}

}  // namespace

std::optional<SnapshotName> SplitSnapshotName(const std::string& name) {
  const size_t first = name.find('/');
  if (first == std::string::npos) return std::nullopt;
  const size_t second = name.find('/', first + 1);
  if (second == std::string::npos) return std::nullopt;
  uint64_t number = 0;
  const char* end = name.data() + second;
  const auto parsed = std::from_chars(name.data() + first + 1, end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return SnapshotName{.ns = name.substr(0, first), .key = name.substr(second + 1)};
}

Result<std::optional<ContainerImage>> FindContainerImage(Containerd& containerd,
                                                         const std::string& snapshot,
                                                         std::string_view chain_id) {
  const auto key = SplitSnapshotName(snapshot);
  if (!key) return std::optional<ContainerImage>();
  // CRI, ctr and nerdctl name a container's snapshot as they name the container.
  const auto record = containerd.GetContainer(key->ns, key->key);
  if (!record.ok() && record.error().code() != ErrorCode::kNotFound) return record.error();
  if (!record.ok() || record->snapshot_key != key->key) return std::optional<ContainerImage>();
  const CriImage cri = ParseCriMetadata(record->cri_metadata);
  const std::vector<std::string> names = NamesToTry(*record, cri);
  std::vector<std::string> others;  // names that stand for something else
  for (const std::string& name : names) {
    const auto target = containerd.GetImageTarget(key->ns, name);
    if (!target.ok() && target.error().code() == ErrorCode::kNotFound) continue;
    if (!target.ok()) return target.error();
    ImageSearch search(containerd, key->ns, chain_id, cri.config_digest);
    LOCKET_TRY_ASSIGN(auto found, search.Run(*target).While("image '" + name + "'"));
    if (found.size() > 1) {
      return Error(ErrorCode::kFailedPrecondition,
                   "image '" + name + "' has several manifests of these layers, such as " +
                       found[0].manifest_digest.ToText() + " and " +
                       found[1].manifest_digest.ToText() + ": name one of them by its digest");
    }
    if (found.empty()) {
      others.push_back(name);
      continue;
    }
    found[0].name = name;
    const auto reference = image::ParseReference(name);
    if (!IsBareDigest(name) && reference.ok()) found[0].reference = reference->ToText();
    return std::optional(std::move(found[0]));
  }
  return NotToBeTold(names, others);
}

}  // namespace locket::snapshotter
