#include "snapshotter/convert/converter.h"

#include <fcntl.h>

#include <algorithm>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "base/encoding.h"
#include "base/file.h"
#include "base/log.h"

namespace locket::snapshotter {
namespace fs = std::filesystem;
namespace {

// How often somebody who waits is asked whether he still does: gRPC has no way to wake him.
constexpr std::chrono::milliseconds kAskEvery{100};
// From one Prepare of a pull to the next there is no snapshot yet that keeps a layer; a pull that
// is not gone on with ends some time.
constexpr std::chrono::minutes kKeepIdle{10};
constexpr unsigned kMinWorkers = 2;  // one downloads while the other seals
constexpr unsigned kMaxWorkers = 8;

Error Stopping() { return {ErrorCode::kCancelled, "the snapshotter is stopping"}; }

}  // namespace

// The converter's mutex guards all but `image`, which never changes, and `config`, which is set
// before anybody else sees a layer of it.
struct Converter::ImageJob {
  const OrdinaryImage image;
  std::optional<image::ImageConfig> config{};
  std::vector<std::shared_ptr<const BlobCache::Pin>> pins{};  // of the layers done so far
  std::shared_ptr<const BlobCache::Pin> config_pin{};
  size_t num_missing = 0;  // layers
  size_t num_waiting = 0;  // callers
  std::optional<ImageResult> outcome{};
  std::chrono::steady_clock::time_point started{};
  std::chrono::steady_clock::time_point last_used{};
};

struct Converter::LayerJob {
  const LayerToConvert layer;
  std::vector<std::shared_ptr<ImageJob>> wanted_by{};  // guarded by the converter's mutex
};

Result<std::unique_ptr<Converter>> Converter::Open(const ConverterDeps& deps) {
  LOCKET_TRY(RemoveTree(deps.root.converting()));
  LOCKET_TRY(MakeDirectory(deps.root.converting(), 0700));
  LOCKET_TRY_ASSIGN(auto records, ConvertRecords::Open(deps.root.converted()));
  return std::unique_ptr<Converter>(new Converter(deps, std::move(records)));
}

Converter::Converter(const ConverterDeps& deps, std::unique_ptr<ConvertRecords> records)
    : deps_(deps),
      records_(std::move(records)),
      history_(deps.clock),
      layer_converter_({.root = deps.root,
                        .blobs = deps.blobs,
                        .records = *records_,
                        .history = history_,
                        .stop = stop_.get_token()}),
      image_maker_({.root = deps.root,
                    .blobs = deps.blobs,
                    .records = *records_,
                    .layers = layer_converter_}),
      workers_(std::clamp(std::thread::hardware_concurrency(), kMinWorkers, kMaxWorkers)) {}

Converter::~Converter() { Stop(); }

void Converter::Stop() {
  stop_.request_stop();
  {
    const std::lock_guard lock(mutex_);
    changed_.notify_all();
  }
  workers_.Stop();
}

Result<std::shared_ptr<const ConvertedImage>> Converter::Convert(const OrdinaryImage& image,
                                                                 const GaveUp& gave_up) {
  std::unique_lock lock(mutex_);
  LetGoOfOld();
  while (true) {
    auto& known = images_[image.manifest_digest];
    if (known && known->outcome && !image_maker_.IsWhole(***known->outcome)) known.reset();
    if (!known) {
      known = std::make_shared<ImageJob>(ImageJob{.image = image});
      workers_.Enqueue([this, job = known] { PlanImage(job); });
    }
    const auto job = known;
    ++job->num_waiting;
    while (!job->outcome && !stop_.stop_requested() && !(gave_up && gave_up())) {
      changed_.wait_for(lock, kAskEvery);
    }
    --job->num_waiting;
    job->last_used = deps_.clock.Steady();
    if (!job->outcome) {
      if (stop_.stop_requested()) return Stopping();
      return Error(ErrorCode::kCancelled, "its caller gave up waiting; the conversion goes on");
    }
    if (job->outcome->ok()) history_.Forget(image.reference);
    // Another image's registry may have what this one's lacks, so only our own's failure counts.
    if (job->outcome->ok() || job->image.reference == image.reference) return *job->outcome;
  }
}

// mutex_ is held.
void Converter::LetGoOfOld() {
  const auto now = deps_.clock.Steady();
  std::erase_if(images_, [&](const auto& entry) {
    const ImageJob& job = *entry.second;
    return job.outcome && job.num_waiting == 0 && now - job.last_used >= kKeepIdle;
  });
}

void Converter::Release(const image::Digest& manifest_digest) {
  const std::lock_guard lock(mutex_);
  const auto found = images_.find(manifest_digest);
  if (found == images_.end() || !found->second->outcome) return;
  // The worker that concluded it may still have the job, which must not keep the blobs.
  if (found->second->num_waiting == 0) found->second->outcome.reset();
  images_.erase(found);
}

void Converter::PlanImage(const std::shared_ptr<ImageJob>& job) {
  job->started = deps_.clock.Steady();
  auto pin = SharePin(deps_.blobs, job->image.manifest.config.digest);
  auto config = image_maker_.FetchConfig(job->image);
  const std::lock_guard lock(mutex_);
  job->config_pin = std::move(pin);
  if (!config.ok()) return Conclude(*job, std::move(config).error());
  job->config = std::move(*config);
  const auto& diff_ids = job->config->diff_ids;
  // An empty layer may stand in an image many times.
  const std::set<image::Digest> distinct(diff_ids.begin(), diff_ids.end());
  job->num_missing = distinct.size();
  for (const image::Digest& diff_id : distinct) WantLayer(job, diff_id);
}

// mutex_ is held. Joins the conversion of this layer, or begins it with the image's own blob.
void Converter::WantLayer(const std::shared_ptr<ImageJob>& job, const image::Digest& diff_id) {
  auto& known = layers_[diff_id];
  if (!known) {
    const auto& diff_ids = job->config->diff_ids;
    const auto index = static_cast<size_t>(std::ranges::find(diff_ids, diff_id) - diff_ids.begin());
    known = std::make_shared<LayerJob>(LayerJob{.layer = {.reference = job->image.reference,
                                                          .blob = job->image.manifest.layers[index],
                                                          .diff_id = diff_id}});
    workers_.Enqueue([this, started = known] { RunLayer(started); });
  }
  known->wanted_by.push_back(job);
}

void Converter::RunLayer(const std::shared_ptr<LayerJob>& job) {
  const LayerToConvert& layer = job->layer;
  const auto began = deps_.clock.Steady();
  history_.LayerBegan();
  auto converted = layer_converter_.Convert(layer).While("layer " + layer.blob.digest.ToText());
  const std::lock_guard lock(mutex_);
  layers_.erase(layer.diff_id);
  history_.LayerEnded(converted.ok() ? Ok() : Status(converted.error()), began);
  for (const auto& image : std::exchange(job->wanted_by, {})) {
    if (image->outcome) continue;
    if (!converted.ok()) {
      // Another image's registry may have what this one's lacks.
      image->image.reference == layer.reference ? Conclude(*image, converted.error())
                                                : WantLayer(image, layer.diff_id);
      continue;
    }
    image->pins.push_back(*converted);
    if (--image->num_missing == 0) workers_.Enqueue([this, image] { FinishImage(image); });
  }
  // Nobody but the image has its pins once this lock is free.
  if (converted.ok()) converted->reset();
}

// mutex_ is held.
void Converter::Conclude(ImageJob& job, ImageResult outcome) {
  if (job.outcome) return;  // another layer failed before
  job.last_used = deps_.clock.Steady();
  const auto took =
      std::chrono::duration_cast<std::chrono::milliseconds>(job.last_used - job.started);
  if (outcome.ok()) {
    history_.ImageWasConverted();
    history_.Forget(job.image.reference);
    log::Info("converted an image", {{"image", job.image.reference},
                                     {"manifest", job.image.manifest_digest.ToText()},
                                     {"sealed_manifest", (*outcome)->manifest_digest.ToText()},
                                     {"ms", took.count()}});
  } else {
    history_.ImageFailed(job.image.reference, outcome.error());
    // Who waits tells of it himself.
    if (job.num_waiting == 0) {
      log::Error("an image was not converted",
                 {{"image", job.image.reference}, log::Field(outcome.error())});
    }
    images_.erase(job.image.manifest_digest);
  }
  job.outcome = std::move(outcome);
  job.pins.clear();
  job.config_pin.reset();
  changed_.notify_all();
}

// Only the worker that got the last layer is here, so nobody else has the job's pins.
void Converter::FinishImage(const std::shared_ptr<ImageJob>& job) {
  auto made = image_maker_.Make(job->image, *job->config, job->pins);
  const std::lock_guard lock(mutex_);
  Conclude(*job, std::move(made));
}

Status Converter::WriteAccounts(std::span<const std::string> layers,
                                const fs::path& etc_directory) const {
  image::ImageAccounts accounts;
  for (const std::string& blob : layers) {
    LOCKET_TRY_ASSIGN(const image::Digest digest, image::Digest::FromText(blob));
    if (const auto layer = records_->FindBlob(digest)) accounts.AddLayer(layer->accounts);
  }
  for (const auto& [name, content] :
       {std::pair{"passwd", &accounts.passwd()}, std::pair{"group", &accounts.group()}}) {
    if (!content->has_value()) continue;
    LOCKET_TRY_ASSIGN(const UniqueFd fd,
                      OpenFile(etc_directory / name, O_WRONLY | O_CREAT | O_TRUNC, 0644));
    LOCKET_TRY(WriteFull(fd.get(), AsBytes(**content)).While(std::string("write ") + name));
  }
  return Ok();
}

Status Converter::Cleanup() {
  {
    const std::lock_guard lock(mutex_);
    LetGoOfOld();
  }
  return records_->Prune([this](const image::Digest& blob) {
    std::error_code failed;  // a blob that cannot be looked at is as good as none
    return fs::exists(deps_.root.blob(blob.ToText()), failed);
  });
}

ConvertFigures Converter::figures() const {
  const std::lock_guard lock(mutex_);
  ConvertFigures figures = history_.figures();
  figures.layers_waiting = layers_.size() - figures.layers_running;
  return figures;
}

ConvertReport Converter::report() const {
  ConvertReport report{.enabled = deps_.options.enabled, .directory = deps_.root.converting()};
  std::error_code unknown;
  const auto space = fs::space(report.directory, unknown);
  if (!unknown) report.free_bytes = space.available;
  report.failures = history_.failures();
  return report;
}

}  // namespace locket::snapshotter
