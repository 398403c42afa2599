#include "snapshotter/cache/manifest_cache.h"

#include "image/oci/manifest.h"

namespace locket::snapshotter {
namespace {

constexpr size_t kMaxManifestsInMemory = 16;

}  // namespace

Result<std::string> ManifestCache::Get(const std::string& reference, const image::Digest& digest) {
  const std::string text = digest.ToText();
  std::string bytes;
  const auto is_there = [&](bool /*waited*/) {
    const std::lock_guard lock(mutex_);
    const auto found = manifests_.find(text);
    if (found != manifests_.end()) bytes = found->second;
    return found != manifests_.end();
  };
  const auto work = [&] { return Fetch(reference, digest, bytes); };
  LOCKET_TRY(fetching_.RunOnce(
      {.digest = text, .reference = reference, .is_there = is_there, .work = work}));
  return bytes;
}

Status ManifestCache::Fetch(const std::string& reference, const image::Digest& digest,
                            std::string& bytes) {
  const std::string text = digest.ToText();
  auto content = files_.Read(text, image::kMaxManifestBytes);
  if (!content.ok()) content = fetcher_.FetchManifest(reference, digest, stop_);
  LOCKET_TRY_ASSIGN(bytes, std::move(content).While("fetch manifest " + text));
  const std::lock_guard lock(mutex_);
  if (manifests_.size() >= kMaxManifestsInMemory) manifests_.erase(manifests_.begin());
  manifests_.emplace(text, bytes);
  return Ok();
}

void ManifestCache::Forget(const std::string& digest) {
  const std::lock_guard lock(mutex_);
  manifests_.erase(digest);
}

}  // namespace locket::snapshotter
