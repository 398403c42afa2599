// Ordinary images as sealed ones, made on this host: what `locket image seal --encrypt-layers none`
// would have pushed, byte for byte, so that a tenant can pin its digest beforehand
// (docs/decisions/0013).
#pragma once

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "image/oci/manifest.h"
#include "snapshotter/cache/blob_cache.h"
#include "snapshotter/convert/convert_history.h"
#include "snapshotter/convert/convert_records.h"
#include "snapshotter/convert/convert_report.h"
#include "snapshotter/convert/convert_selection.h"
#include "snapshotter/convert/converted_image.h"
#include "snapshotter/convert/layer_converter.h"
#include "snapshotter/convert/sealed_image_maker.h"
#include "snapshotter/convert/worker_threads.h"
#include "snapshotter/store/layout.h"

namespace locket::snapshotter {

// All that is referred to outlives the Converter.
struct ConverterDeps {
  const RootDirectory& root;
  BlobCache& blobs;
  const Clock& clock;
  ConvertOptions options{};
};

// Which images and layers are being converted, by which threads, and who waits for them.
//
// Life of a conversion
//   The first Convert of an image begins it, on threads of the converter: they fetch its config,
//   then its layers, several at once, and last they put the layers together. Further calls for the
//   image wait for the same outcome. A layer that images share is converted once. An image that was
//   converted keeps its blobs until Release, or for ten minutes after it was last asked for.
//
// Scenario: containerd pulls an image of three layers
//   Prepare of layer 1 -> Convert: begins all three layers, waits, returns the sealed image
//   Prepare of layer 2 -> Convert: returns the same at once
//   Prepare of layer 3 -> Convert: the same; its record is written, so now Release
//
// Scenario: the kubelet gives up on a pull, and tries again
//   Convert returns kCancelled, since its caller gave up. The conversion goes on. The Convert of
//   the next pull waits for it, or finds it done.
//
// Scenario: the process is killed in between
//   The next process removes what was being sealed. Layers that were recorded until then are found
//   again (ConvertRecords), and only the others are converted.
//
// Thread-safe, but for Stop.
class Converter {
 public:
  // Says whether the caller waits no longer; asked ten times a second while it waits. An empty
  // function: the caller waits as long as it takes.
  using GaveUp = std::function<bool()>;

  // Removes what an earlier process did not finish, and starts the threads: as many as the machine
  // has processors, but two to eight.
  static Result<std::unique_ptr<Converter>> Open(const ConverterDeps& deps);
  Converter(const Converter&) = delete;
  ~Converter();

  // Whether the operator wants the image of that reference converted.
  bool Converts(const std::string& reference) const {
    return snapshotter::Converts(deps_.options, reference);
  }

  // Converts an image, and returns its sealed image when all of it is in the blob cache.
  // kCancelled: the caller gave up, and the conversion goes on; or Stop was called.
  // kInvalidArgument: the image cannot be sealed. kResourceExhausted: the disk is full. Errors of a
  // layer name the layer; those of the registry keep their code. Layers that were converted until
  // then are kept for the next try.
  Result<std::shared_ptr<const ConvertedImage>> Convert(const OrdinaryImage& image,
                                                        const GaveUp& gave_up);

  // Lets go of an image whose layers have their snapshots, which keep its blobs from now on.
  void Release(const image::Digest& manifest_digest);

  // Writes the image's /etc/passwd and /etc/group into `etc_directory`, as far as the image has
  // them: containerd resolves names with them. `layers` are digests of sealed blobs, bottom first;
  // those that were not converted here count for nothing.
  Status WriteAccounts(std::span<const std::string> layers,
                       const std::filesystem::path& etc_directory) const;

  // Lets go of images that nobody asked for lately, and of records whose blob is gone.
  Status Cleanup();

  // Remembers that the image could not be given as a sealed one, for a reason outside of Convert.
  void NoteFailure(const std::string& reference, const Error& error) {
    history_.Remember(reference, error);
  }

  // Return what happened since the process started, for the metrics and for the operator.
  ConvertFigures figures() const;
  ConvertReport report() const;

  // Ends what is under way and refuses what comes; afterwards no thread of the converter runs. A
  // layer that is half done is begun again another time. By one thread at a time.
  void Stop();

 private:
  struct ImageJob;
  struct LayerJob;
  using ImageResult = Result<std::shared_ptr<const ConvertedImage>>;

  Converter(const ConverterDeps& deps, std::unique_ptr<ConvertRecords> records);
  void PlanImage(const std::shared_ptr<ImageJob>& job);
  void RunLayer(const std::shared_ptr<LayerJob>& job);
  void FinishImage(const std::shared_ptr<ImageJob>& job);

  // mutex_ is held in these.
  void LetGoOfOld();
  void WantLayer(const std::shared_ptr<ImageJob>& job, const image::Digest& diff_id);
  void Conclude(ImageJob& job, ImageResult outcome);

  const ConverterDeps deps_;
  const std::unique_ptr<ConvertRecords> records_;
  std::stop_source stop_;
  ConvertHistory history_;
  LayerConverter layer_converter_;
  SealedImageMaker image_maker_;

  mutable std::mutex mutex_;         // guards what follows; std, for the condition variable
  std::condition_variable changed_;  // an image has its outcome
  std::map<image::Digest, std::shared_ptr<ImageJob>> images_;  // by manifest; shared with waiters
  std::map<image::Digest, std::shared_ptr<LayerJob>> layers_;  // under way, by diff ID

  WorkerThreads workers_;  // last: its tasks use the rest
};

}  // namespace locket::snapshotter
