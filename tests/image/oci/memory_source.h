// An image source whose documents and blobs lie in memory, by their digests.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/encoding.h"
#include "image/oci/image_source.h"
#include "image/oci/media_type.h"

namespace locket::image {

class MemorySource final : public ImageSource {
 public:
  using json = nlohmann::json;

  // Stores `bytes` and answers a descriptor of them.
  json Put(std::string_view media_type, const std::string& bytes) {
    const Digest digest = Digest::Of(bytes);
    blobs_[digest] = bytes;
    return {{"mediaType", media_type}, {"digest", digest.ToText()}, {"size", bytes.size()}};
  }
  json Put(std::string_view media_type, const json& document) {
    return Put(media_type, document.dump());
  }

  // The index entry of an image that states its platform in its config, and in the entry only if
  // `stated`.
  json Image(const std::string& architecture, bool stated = true, const std::string& variant = {}) {
    json config = {{"architecture", architecture},
                   {"os", "linux"},
                   {"rootfs", {{"type", "layers"}, {"diff_ids", json::array()}}}};
    if (!variant.empty()) config["variant"] = variant;
    const json manifest = {{"schemaVersion", 2},
                           {"mediaType", kOciManifest},
                           {"config", Put(kOciConfig, config)},
                           {"layers", json::array()}};
    json entry = Put(kOciManifest, manifest);
    if (stated) {
      entry["platform"] = {{"os", "linux"}, {"architecture", architecture}};
      if (!variant.empty()) entry["platform"]["variant"] = variant;
    }
    return entry;
  }
  json Artifact(const std::string& content) {
    const json manifest = {{"schemaVersion", 2},
                           {"mediaType", kOciManifest},
                           {"artifactType", "application/vnd.example.sbom"},
                           {"config", Put(kEmptyConfig, std::string("{}"))},
                           {"layers", json::array({Put("text/plain", content)})}};
    json entry = Put(kOciManifest, manifest);
    entry["artifactType"] = "application/vnd.example.sbom";
    return entry;
  }
  json IndexOf(const std::vector<json>& entries) {
    return Put(kOciIndex,
               json{{"schemaVersion", 2}, {"mediaType", kOciIndex}, {"manifests", entries}});
  }
  // How often a document was asked for.
  size_t fetched() const { return fetched_; }

  Result<ManifestContent> GetManifest() override { return NoTop(); }
  Result<ManifestContent> GetTop() override { return NoTop(); }
  Result<ManifestContent> GetNested(const Descriptor& document) override {
    ++fetched_;
    const auto found = blobs_.find(document.digest);
    if (found == blobs_.end()) {
      return Error(ErrorCode::kNotFound, "no document " + document.digest.ToText());
    }
    return ManifestContent{.descriptor = document, .bytes = found->second};
  }
  Result<std::unique_ptr<BlobStream>> OpenBlob(const Descriptor& blob) override {
    const auto found = blobs_.find(blob.digest);
    if (found == blobs_.end()) {
      return Error(ErrorCode::kNotFound, "no blob " + blob.digest.ToText());
    }
    return std::unique_ptr<BlobStream>(std::make_unique<Stream>(found->second));
  }
  Result<UniqueFd> OpenBlobFile(const Descriptor&) override {
    return Error(ErrorCode::kInternal, "not in memory");
  }

 private:
  class Stream final : public BlobStream {
   public:
    explicit Stream(std::string bytes) : bytes_(std::move(bytes)) {}
    Result<size_t> Read(std::span<std::byte> out) override {
      const auto part = AsBytes(bytes_).subspan(done_, std::min(out.size(), bytes_.size() - done_));
      std::ranges::copy(part, out.begin());
      done_ += part.size();
      return part.size();
    }

   private:
    std::string bytes_;
    size_t done_ = 0;
  };

  static Error NoTop() { return {ErrorCode::kInternal, "the test says where to begin"}; }

  std::map<Digest, std::string> blobs_;
  size_t fetched_ = 0;
};

}  // namespace locket::image
