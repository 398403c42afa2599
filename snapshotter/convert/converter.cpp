#include "snapshotter/convert/converter.h"

#include <fcntl.h>

#include <algorithm>
#include <set>

#include "base/encoding.h"
#include "base/file.h"
#include "base/log.h"
#include "image/sealed/seal_documents.h"
#include "snapshotter/convert/converter_jobs.h"

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

Result<std::unique_ptr<Converter>> Converter::Open(const ConverterDeps& deps) {
  LOCKET_TRY(RemoveTree(deps.root.converting()));
  LOCKET_TRY(MakeDirectory(deps.root.converting(), 0700));
  LOCKET_TRY_ASSIGN(auto records, ConvertRecords::Open(deps.root.converted()));
  return std::unique_ptr<Converter>(new Converter(deps, std::move(records)));
}

Converter::Converter(const ConverterDeps& deps, std::unique_ptr<ConvertRecords> records)
    : deps_(deps), records_(std::move(records)) {
  const unsigned count = std::clamp(std::thread::hardware_concurrency(), kMinWorkers, kMaxWorkers);
  for (unsigned i = 0; i < count; ++i) workers_.emplace_back([this] { Work(); });
}

Converter::~Converter() { Stop(); }

void Converter::Stop() {
  stop_.request_stop();
  {
    const std::lock_guard lock(mutex_);
    changed_.notify_all();
  }
  for (std::jthread& worker : workers_) {
    if (worker.joinable()) worker.join();
  }
}

void Converter::Work() {
  std::unique_lock lock(mutex_);
  while (work_.wait(lock, stop_.get_token(), [&] { return !tasks_.empty(); })) {
    if (stop_.stop_requested()) return;
    const auto task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    lock.lock();
  }
}

// mutex_ is held.
void Converter::Enqueue(std::function<void()> task) {
  tasks_.push_back(std::move(task));
  work_.notify_one();
}

Result<std::shared_ptr<const ConvertedImage>> Converter::Convert(const OrdinaryImage& image,
                                                                 const GaveUp& gave_up) {
  std::unique_lock lock(mutex_);
  LetGoOfOld();
  while (true) {
    auto& known = images_[image.manifest_digest];
    if (known && known->outcome && !IsWhole(***known->outcome)) known.reset();
    if (!known) {
      known = std::make_shared<ImageJob>(ImageJob{.image = image});
      Enqueue([this, job = known] { PlanImage(job); });
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
    if (job->outcome->ok()) Forget(image.reference);
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

// One that cannot be looked at is as good as none.
bool Converter::IsThere(const image::Digest& blob) const {
  std::error_code failed;
  return fs::exists(deps_.root.blob(blob.ToText()), failed);
}

bool Converter::IsWhole(const ConvertedImage& image) const {
  const auto is_there = [this](const image::Descriptor& blob) {
    return deps_.blobs.Has(blob.digest.ToText(), blob.size);
  };
  return std::ranges::all_of(image.manifest.layers, is_there) && is_there(image.manifest.config) &&
         IsThere(image.manifest_digest);
}

std::shared_ptr<const BlobCache::Pin> Converter::PinOne(const image::Digest& blob) const {
  return std::make_shared<const BlobCache::Pin>(deps_.blobs,
                                                std::vector<std::string>{blob.ToText()});
}

Result<image::ImageConfig> Converter::ReadConfig(const OrdinaryImage& image) {
  const image::Descriptor& blob = image.manifest.config;
  if (blob.size > image::kMaxConfigBytes) {
    return Error(ErrorCode::kInvalidArgument, "its config is over 4 MiB");
  }
  LOCKET_TRY_ASSIGN(const std::string text, deps_.blobs.EnsureContent(image.reference, blob));
  LOCKET_TRY_ASSIGN(auto config, image::DecodeImageConfig(text).While("its config"));
  LOCKET_TRY(image::CheckCanBeSealed(image.manifest, config));
  return config;
}

void Converter::PlanImage(const std::shared_ptr<ImageJob>& job) {
  job->started = deps_.clock.Steady();
  auto pin = PinOne(job->image.manifest.config.digest);
  auto config = ReadConfig(job->image);
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
  auto& layer = layers_[diff_id];
  if (!layer) {
    const auto& diff_ids = job->config->diff_ids;
    const auto index = static_cast<size_t>(std::ranges::find(diff_ids, diff_id) - diff_ids.begin());
    layer = std::make_shared<LayerJob>(LayerJob{.reference = job->image.reference,
                                                .blob = job->image.manifest.layers[index],
                                                .diff_id = diff_id});
    Enqueue([this, started = layer] { RunLayer(started); });
  }
  layer->wanted_by.push_back(job);
}

// mutex_ is held.
void Converter::Conclude(ImageJob& job, ImageResult outcome) {
  if (job.outcome) return;  // another layer failed before
  job.last_used = deps_.clock.Steady();
  const auto took =
      std::chrono::duration_cast<std::chrono::milliseconds>(job.last_used - job.started);
  if (outcome.ok()) {
    ++figures_.images_converted;
    Forget(job.image.reference);
    log::Info("converted an image", {{"image", job.image.reference},
                                     {"manifest", job.image.manifest_digest.ToText()},
                                     {"sealed_manifest", (*outcome)->manifest_digest.ToText()},
                                     {"ms", took.count()}});
  } else {
    if (outcome.error().code() != ErrorCode::kCancelled) ++figures_.images_failed;
    Remember(job.image.reference, outcome.error());
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

void Converter::FinishImage(const std::shared_ptr<ImageJob>& job) {
  auto made = MakeImage(*job);
  const std::lock_guard lock(mutex_);
  Conclude(*job, std::move(made));
}

// Only the worker that got the last layer is here, so nobody else has the job's pins.
Converter::ImageResult Converter::MakeImage(ImageJob& job) {
  const image::ImageConfig& config = *job.config;
  image::ImageAccounts accounts;
  std::vector<image::Descriptor> layers;
  LOCKET_TRY_ASSIGN(const auto converted, StackLayers(job));
  for (const image::ConvertedLayer& layer : converted) {
    accounts.AddLayer(layer.accounts);
    LOCKET_TRY_ASSIGN(auto descriptor, image::DescriptorOf(layer));
    layers.push_back(std::move(descriptor));
  }
  LOCKET_TRY_ASSIGN(const std::string user, accounts.Resolve(config.user));
  LOCKET_TRY_ASSIGN(const auto documents,
                    image::MakeSealedDocuments(job.image.manifest, config, layers, user));
  const std::string manifest = documents.manifest.digest.ToText();
  const std::string config_digest = documents.config.digest.ToText();
  auto pins = job.pins;
  pins.push_back(PinOne(documents.config.digest));
  pins.push_back(PinOne(documents.manifest.digest));
  LOCKET_TRY(deps_.blobs.Keep(config_digest, documents.config_bytes));
  LOCKET_TRY(deps_.blobs.Keep(manifest, documents.manifest_bytes));
  LOCKET_TRY_ASSIGN(auto decoded, image::DecodeManifest(documents.manifest_bytes));
  return std::shared_ptr<const ConvertedImage>(
      std::make_shared<ConvertedImage>(ConvertedImage{.manifest_digest = documents.manifest.digest,
                                                      .manifest = std::move(decoded),
                                                      .chain_ids = image::ChainIds(config.diff_ids),
                                                      .pins = std::move(pins)}));
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
  return records_->Prune([this](const image::Digest& blob) { return IsThere(blob); });
}

}  // namespace locket::snapshotter
