#include "image/oci/index_walk.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "image/oci/media_type.h"

namespace locket::image {
namespace {

Error TooDeep() { return {ErrorCode::kInvalidArgument, "indexes of indexes, nested too deeply"}; }

Error TooMany() {
  return {ErrorCode::kResourceExhausted,
          "more than " + std::to_string(kMaxWalkDocuments) + " manifests in one index"};
}

// Of an index entry that does not say its platform. Nothing: it is not an image.
Result<std::optional<Platform>> PlatformOfConfig(ImageSource& source,
                                                 const ManifestContent& content) {
  LOCKET_TRY_ASSIGN(const Manifest manifest, DecodeManifest(content.bytes));
  if (!IsConfig(manifest.config.media_type)) return std::optional<Platform>();
  LOCKET_TRY_ASSIGN(const std::string text, ReadBlob(source, manifest.config, kMaxConfigBytes));
  const auto config = DecodeImageConfig(text);
  if (!config.ok()) return std::optional<Platform>();
  return std::optional(config->platform());
}

class Chooser {
 public:
  Chooser(ImageSource& source, const Platform& platform) : source_(source), platform_(platform) {}

  Result<ManifestContent> Choose(const Index& index) {
    LOCKET_TRY_ASSIGN(auto found, In(index, 0));
    if (found) return std::move(*found);
    return Error(ErrorCode::kNotFound, "no image for " + platform_.ToText() + "; there are: " +
                                           (there_.empty() ? "none" : there_) + passed_over_);
  }

 private:
  using Found = std::optional<ManifestContent>;

  Result<Found> In(const Index& index, int depth) {
    for (const UnreadEntry& entry : index.unread) PassOver("an entry", entry.why);
    const Descriptor* best = nullptr;
    size_t best_rank = SIZE_MAX;
    for (const Descriptor& entry : index.manifests) {
      if (!entry.platform || !IsManifest(entry.media_type)) continue;
      Note(*entry.platform);
      const auto rank = PlatformRank(platform_, *entry.platform);
      if (!rank || *rank >= best_rank) continue;
      best = &entry;
      best_rank = *rank;
    }
    if (best != nullptr) return Fetch(*best);
    for (const Descriptor& entry : index.manifests) {
      auto found = Inside(entry, depth);
      const bool passed = !found.ok() && (found.error().code() == ErrorCode::kNotFound ||
                                          found.error().code() == ErrorCode::kInvalidArgument);
      if (passed) {
        PassOver(Name(entry), found.error().message());
      } else if (!found.ok() || *found) {
        return found;
      }
    }
    return Found();
  }

  // Of an entry whose platform has to be looked for.
  Result<Found> Inside(const Descriptor& entry, int depth) {
    const bool is_index = IsIndex(entry.media_type);
    if (is_index ? entry.platform && !PlatformRank(platform_, *entry.platform)
                 : entry.platform || !IsManifest(entry.media_type)) {
      return Found();
    }
    if (is_index && depth + 1 == kMaxIndexDepth) return TooDeep();
    LOCKET_TRY_ASSIGN(auto document, GetOne(entry));
    if (is_index) {
      LOCKET_TRY_ASSIGN(const Index inner, DecodeIndex(document.bytes));
      return In(inner, depth + 1);
    }
    LOCKET_TRY_ASSIGN(const auto platform, PlatformOfConfig(source_, document));
    if (!platform) return Found();
    Note(*platform);
    return PlatformRank(platform_, *platform) ? Found(std::move(document)) : Found();
  }

  Result<Found> Fetch(const Descriptor& entry) {
    LOCKET_TRY_ASSIGN(auto document, GetOne(entry));
    return Found(std::move(document));
  }

  Result<ManifestContent> GetOne(const Descriptor& entry) {
    if (++fetched_ > kMaxWalkDocuments) return TooMany();
    return source_.GetNested(entry);
  }

  // The last one is told of: it may be what the caller meant.
  void PassOver(const std::string& what, const std::string& why) {
    passed_over_ = "; " + what + " was passed over: " + why;
  }

  // What a build leaves for no platform is not worth a word.
  void Note(const Platform& platform) {
    if (platform.IsUnknown() || platform.architecture.empty()) return;
    there_ += (there_.empty() ? "" : ", ") + platform.ToText();
  }

  static std::string Name(const Descriptor& entry) { return "manifest " + entry.digest.ToText(); }

  ImageSource& source_;
  const Platform& platform_;
  std::string there_{};
  std::string passed_over_{};
  size_t fetched_ = 0;
};

class Walker {
 public:
  Walker(ImageSource& source, const VisitDocument& visit) : source_(source), visit_(visit) {}

  Status Walk(const Descriptor& entry, const ManifestContent& document, int depth) {
    if (!seen_.insert(document.descriptor.digest).second) return Ok();
    if (seen_.size() > kMaxWalkDocuments) return TooMany();
    LOCKET_TRY(visit_(entry, document));
    if (!IsIndex(document.descriptor.media_type)) return Ok();
    if (depth == kMaxIndexDepth) return TooDeep();
    LOCKET_TRY_ASSIGN(const Index index, DecodeIndex(document.bytes));
    for (const Descriptor& inner : index.manifests) {
      if (!IsManifest(inner.media_type) && !IsIndex(inner.media_type)) continue;
      if (seen_.contains(inner.digest)) continue;
      const std::string name = "manifest " + inner.digest.ToText();
      LOCKET_TRY_ASSIGN(const auto nested, source_.GetNested(inner).While(name));
      LOCKET_TRY(Walk(inner, nested, depth + 1).While(name));
    }
    return Ok();
  }

 private:
  ImageSource& source_;
  const VisitDocument& visit_;
  std::set<Digest> seen_{};
};

}  // namespace

Result<ManifestContent> ChooseImage(ImageSource& source, const Index& index,
                                    const Platform& platform) {
  return Chooser(source, platform).Choose(index);
}

Status WalkDocuments(ImageSource& source, const ManifestContent& top, const VisitDocument& visit) {
  return Walker(source, visit).Walk(top.descriptor, top, 0);
}

}  // namespace locket::image
