// What became of conversions since the process started.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "snapshotter/convert/convert_report.h"

namespace locket::snapshotter {

// Counts for the metrics, and remembers failures for the operator. Thread-safe; it waits for
// nothing.
class ConvertHistory {
 public:
  // `clock` outlives the object.
  explicit ConvertHistory(const Clock& clock) : clock_(clock) {}

  // A thread begins with a layer, and ends. `began` is when, by the steady clock. A layer that was
  // cancelled does not count as failed.
  void LayerBegan();
  void LayerEnded(const Status& outcome, std::chrono::steady_clock::time_point began);

  // What became of a layer: it had been converted before, or it was now, into a blob of that size.
  void LayerWasKnown();
  void LayerWasConverted(uint64_t sealed_bytes);

  void ImageWasConverted();
  void ImageFailed(const std::string& reference, const Error& error);

  // Remembers why the image could not be given as a sealed one. Only the latest reason of each
  // image is kept, and those of 16 images. A cancelled conversion goes on, so it is not remembered.
  void Remember(const std::string& reference, const Error& error);

  // Forgets it: the image was converted after all.
  void Forget(const std::string& reference);

  // Returns all figures but `layers_waiting`, which is 0.
  ConvertFigures figures() const;

  // Returns the remembered failures, the latest first.
  std::vector<FailedConversion> failures() const;

 private:
  void RememberLocked(const std::string& reference, const Error& error);

  const Clock& clock_;
  mutable std::mutex mutex_;  // guards what follows
  ConvertFigures figures_;
  std::vector<FailedConversion> failed_;  // the latest last
};

}  // namespace locket::snapshotter
