#include "cli/image/copy_image.h"

#include <atomic>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "cli/parallel.h"
#include "image/oci/index_walk.h"
#include "image/oci/manifest.h"
#include "image/oci/media_type.h"

namespace locket::cli {
namespace {

using image::Descriptor;
using image::Digest;
using image::ManifestContent;

// What is to be put, found by walking down from the top. Children stand before their index.
struct Plan {
  std::vector<ManifestContent> documents{};
  std::vector<Descriptor> blobs{};         // each once
  std::map<Digest, Descriptor> renamed{};  // documents that were rewritten, by their old digest
  uint64_t left_out = 0;                   // layers that the source says not to pass on
};

class Planner {
 public:
  Planner(image::ImageSource& source, const CopyImageOptions& options)
      : source_(source), options_(options) {}

  Result<Plan> Make() {
    LOCKET_TRY_ASSIGN(const auto top,
                      options_.only_platform ? source_.GetManifest() : source_.GetTop());
    LOCKET_TRY(Add(top, 0).While(top.descriptor.digest.ToText()));
    return std::move(plan_);
  }

 private:
  Status Add(const ManifestContent& content, int depth) {
    if (++seen_ > image::kMaxWalkDocuments) {
      return Error(ErrorCode::kResourceExhausted, "more than 1024 manifests in one index");
    }
    if (plan_.renamed.contains(content.descriptor.digest)) return Ok();
    if (image::IsIndex(content.descriptor.media_type)) return AddIndex(content, depth);
    LOCKET_TRY_ASSIGN(const auto manifest, image::DecodeManifest(content.bytes));
    AddBlob(manifest.config);
    for (const auto& layer : manifest.layers) AddLayer(layer);
    const bool is_image =
        image::IsConfig(manifest.config.media_type) &&
        !(content.descriptor.platform && content.descriptor.platform->IsUnknown());
    const bool beside_images = depth > 0 && !is_image;
    if (!options_.rewrite || beside_images) return AddDocument(content, content.bytes);
    LOCKET_TRY_ASSIGN(const std::string bytes, options_.rewrite(content));
    return AddDocument(content, bytes);
  }

  Status AddIndex(const ManifestContent& content, int depth) {
    if (depth == image::kMaxIndexDepth) {
      return Error(ErrorCode::kInvalidArgument, "indexes are nested too deeply");
    }
    LOCKET_TRY_ASSIGN(auto index, image::DecodeIndex(content.bytes));
    if (!index.unread.empty()) {
      return Error(ErrorCode::kInvalidArgument,
                   "the index has an entry that cannot be copied: " + index.unread[0].why +
                       "; --platform copies one image of it");
    }
    bool changed = false;
    for (auto& entry : index.manifests) {
      if (!image::IsManifest(entry.media_type) && !image::IsIndex(entry.media_type)) {
        AddBlob(entry);  // whatever it is, it has a digest
        continue;
      }
      const std::string name = "manifest " + entry.digest.ToText();
      LOCKET_TRY_ASSIGN(auto nested, source_.GetNested(entry).While(name));
      nested.descriptor.platform = entry.platform;
      LOCKET_TRY(Add(nested, depth + 1).While(name));
      const Descriptor& now = plan_.renamed.at(entry.digest);
      changed = changed || now.digest != entry.digest;
      image::Retarget(entry, now);
    }
    return AddDocument(content, changed ? image::EncodeIndex(index) : content.bytes);
  }

  Status AddDocument(const ManifestContent& from, std::string bytes) {
    const Descriptor descriptor = image::DescriptorOf(from.descriptor.media_type, bytes);
    plan_.renamed.emplace(from.descriptor.digest, descriptor);
    plan_.documents.push_back({.descriptor = descriptor, .bytes = std::move(bytes)});
    return Ok();
  }

  // A foreign layer is at its URLs, and a registry need neither have it nor take it.
  void AddLayer(const Descriptor& layer) {
    if (!image::IsNotDistributable(layer.media_type)) return AddBlob(layer);
    if (blobs_.emplace(layer.digest).second) ++plan_.left_out;
  }

  void AddBlob(const Descriptor& blob) {
    if (blobs_.emplace(blob.digest).second) plan_.blobs.push_back(blob);
  }

  image::ImageSource& source_;
  const CopyImageOptions& options_;
  Plan plan_{};
  std::set<Digest> blobs_{};
  size_t seen_ = 0;
};

Status Documents(const Plan& plan, image::ImageTarget& target, const CopyImageOptions& options,
                 CopyReport& report) {
  std::vector<Descriptor> documents;
  for (const auto& document : plan.documents) documents.push_back(document.descriptor);
  for (size_t i = 0; i + 1 < plan.documents.size(); ++i) {
    const auto& document = plan.documents[i];
    LOCKET_TRY(target.PutNested(document.descriptor, document.bytes)
                   .While("put manifest " + document.descriptor.digest.ToText()));
  }
  if (options.before_name) LOCKET_TRY(options.before_name(documents));
  const auto& top = plan.documents.back();
  LOCKET_TRY_ASSIGN(report.top, target.PutManifest(top.descriptor.media_type, top.bytes)
                                    .While("put manifest " + top.descriptor.digest.ToText()));
  return Ok();
}

}  // namespace

Result<CopyReport> CopyImage(image::ImageSource& source, image::ImageTarget& target,
                             const CopyImageOptions& options, Progress& progress) {
  LOCKET_TRY_ASSIGN(const Plan plan, Planner(source, options).Make());
  std::atomic<uint64_t> sent = 0;
  std::atomic<uint64_t> bytes = 0;
  progress.Start("copy " + std::to_string(plan.blobs.size()) + " blobs", /*total=*/0);
  const auto transfer = [&](size_t i) -> Status {
    const Descriptor& blob = plan.blobs[i];
    if (options.stop.stop_requested()) return Error(ErrorCode::kCancelled, "interrupted");
    LOCKET_TRY_ASSIGN(const bool there, target.HasBlob(blob));
    if (there) return Ok();
    LOCKET_TRY_ASSIGN(const UniqueFd fd, source.OpenBlobFile(blob));
    LOCKET_TRY(target.PutBlob(blob, fd.get()));
    ++sent;
    bytes += blob.size;
    return Ok();
  };
  auto copied = ForEachInParallel(plan.blobs.size(), options.transfers, [&](size_t i) {
    return transfer(i).While("blob " + std::to_string(i + 1) + " of " +
                             std::to_string(plan.blobs.size()));
  });
  CopyReport report{.top = plan.documents.back().descriptor,
                    .blobs = plan.blobs.size(),
                    .blobs_left_out = plan.left_out,
                    .blobs_sent = sent,
                    .bytes_sent = bytes};
  if (copied.ok()) copied = Documents(plan, target, options, report);
  if (!copied.ok()) {
    progress.Clear();
    return std::move(copied).error();
  }
  progress.Finish(std::to_string(report.blobs_sent) + " sent (" + HumanBytes(report.bytes_sent) +
                  "), " + std::to_string(report.blobs - report.blobs_sent) + " already there" +
                  (plan.left_out == 0
                       ? ""
                       : ", " + std::to_string(plan.left_out) + " foreign layers left out"));
  return report;
}

}  // namespace locket::cli
