// Ordinary images as sealed ones, made on this host: what `locket image seal --encrypt-layers none`
// would have pushed, byte for byte, so that a tenant can pin its digest beforehand
// (docs/decisions/0013).
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "erofs/block_sink.h"
#include "erofs/lower_directories.h"
#include "image/oci/manifest.h"
#include "snapshotter/cache/blob_cache.h"
#include "snapshotter/convert/convert_records.h"
#include "snapshotter/convert/convert_report.h"
#include "snapshotter/convert/convert_selection.h"
#include "snapshotter/store/layout.h"

namespace locket::snapshotter {

// An image as containerd asks for it.
struct OrdinaryImage {
  std::string reference;
  image::Digest manifest_digest;
  image::Manifest manifest;
};

// Its sealed image. Manifest, config and layers are complete in the blob cache and stay there while
// this lives.
struct ConvertedImage {
  image::Digest manifest_digest;
  image::Manifest manifest;
  std::vector<image::Digest> chain_ids;  // of the ordinary image: as containerd names its layers
  std::vector<std::shared_ptr<const BlobCache::Pin>> pins{};
};

struct ConverterDeps {
  const RootDirectory& root;
  BlobCache& blobs;
  const Clock& clock;
  ConvertOptions options{};
};

// Thread-safe. Layers are fetched and sealed by threads of its own, several at once, however many
// ask and whether they go on waiting; a layer that images share is converted once.
class Converter {
 public:
  // Says that the caller waits no longer; asked again and again.
  using GaveUp = std::function<bool()>;

  // Removes what an earlier process did not finish.
  static Result<std::unique_ptr<Converter>> Open(const ConverterDeps& deps);
  Converter(const Converter&) = delete;
  ~Converter();

  bool Converts(const std::string& reference) const {
    return snapshotter::Converts(deps_.options, reference);
  }

  // Waits until every layer is converted. kCancelled: the caller gave up, and the conversion goes
  // on; or Stop was called. Errors of the layers name the layer; those of the registry keep their
  // code. What was converted until then is kept.
  Result<std::shared_ptr<const ConvertedImage>> Convert(const OrdinaryImage& image,
                                                        const GaveUp& gave_up);

  // The image's layers have their snapshots, which keep its blobs from now on.
  void Release(const image::Digest& manifest_digest);

  // The image's /etc/passwd and /etc/group as far as it has them, for the stub that containerd
  // resolves names with. `layers` are blob digests, bottom first; those it did not convert count
  // for nothing.
  Status WriteAccounts(std::span<const std::string> layers,
                       const std::filesystem::path& etc_directory) const;

  // Lets go of images nobody asked for lately, and of records whose blob is gone.
  Status Cleanup();

  // The image could not be given as a sealed one, for a reason that lies outside of Convert.
  void NoteFailure(const std::string& reference, const Error& error);

  ConvertFigures figures() const;
  ConvertReport report() const;

  // Ends what is under way and refuses what comes; afterwards no thread of it runs. A layer half
  // done begins anew another time. By one thread at a time.
  void Stop();

 private:
  struct ImageJob;
  struct LayerJob;
  using ImageResult = Result<std::shared_ptr<const ConvertedImage>>;

  Converter(const ConverterDeps& deps, std::unique_ptr<ConvertRecords> records);
  void Work();
  void Enqueue(std::function<void()> task);
  void LetGoOfOld();
  void Remember(const std::string& reference, const Error& error);  // mutex_ is held
  void Forget(const std::string& reference);                        // mutex_ is held
  void Count(const Status& outcome, std::chrono::steady_clock::time_point began);
  bool IsThere(const image::Digest& blob) const;
  bool IsWhole(const ConvertedImage& image) const;

  std::shared_ptr<const BlobCache::Pin> PinOne(const image::Digest& blob) const;

  void PlanImage(const std::shared_ptr<ImageJob>& job);
  Result<image::ImageConfig> ReadConfig(const OrdinaryImage& image);
  void FinishImage(const std::shared_ptr<ImageJob>& job);
  ImageResult MakeImage(ImageJob& job);
  void Conclude(ImageJob& job, ImageResult outcome);  // mutex_ is held

  // convert_stack.cpp
  Result<std::vector<image::ConvertedLayer>> StackLayers(ImageJob& job);
  Result<image::ConvertedLayer> RecordOf(const image::Digest& key,
                                         const image::Digest& diff_id) const;
  Result<image::ConvertedLayer> Restack(ImageJob& job, size_t index, const image::Digest& below,
                                        const erofs::LowerDirectories& lower);

  void WantLayer(const std::shared_ptr<ImageJob>& job, const image::Digest& diff_id);
  void RunLayer(const std::shared_ptr<LayerJob>& job);
  Result<std::shared_ptr<const BlobCache::Pin>> ConvertLayer(const LayerJob& job);
  std::shared_ptr<const BlobCache::Pin> FindConverted(const image::Digest& key);
  Result<image::ConvertedLayer> SealBlob(const LayerJob& job, const std::filesystem::path& path);
  Result<erofs::ByteSource> SourceOf(const LayerJob& job) const;
  Result<uint64_t> TarBytes(const LayerJob& job) const;  // once it is unpacked
  Result<image::ConvertedLayer> TrySealing(const LayerJob& job, const std::filesystem::path& path);
  Result<std::shared_ptr<const BlobCache::Pin>> Adopt(const image::ConvertedLayer& layer,
                                                      const std::filesystem::path& path);

  const ConverterDeps deps_;
  const std::unique_ptr<ConvertRecords> records_;
  std::stop_source stop_;

  mutable std::mutex mutex_;          // guards what follows; std, for the condition variables
  std::condition_variable_any work_;  // there is a task
  std::condition_variable changed_;   // an image has its outcome
  std::deque<std::function<void()>> tasks_;
  std::map<image::Digest, std::shared_ptr<ImageJob>> images_;  // by manifest; shared with waiters
  std::map<image::Digest, std::shared_ptr<LayerJob>> layers_;  // under way, by diff ID
  ConvertFigures figures_;                                     // but for layers_waiting
  std::vector<FailedConversion> failed_;                       // the latest last

  std::vector<std::jthread> workers_;  // last: they use the rest
};

}  // namespace locket::snapshotter
