// What a long command prints on standard error while it works. On a terminal it is one line that is
// redrawn. Elsewhere it is one line for each finished step, so that logs stay readable.
#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <string>

#include "base/clock.h"
#include "base/mutex.h"

namespace locket::cli {

// Returns a size for people, in powers of 1024: "3.4 MiB".
std::string HumanBytes(uint64_t bytes);

// Used step by step: Start("layer 2 of 3", size), Update() or Add() while bytes move, and then
// either Finish("sound"), which prints "layer 2 of 3: sound", or on failure Clear(), after which an
// error message can be printed on a clean line. One step at a time. Thread-safe: the threads that
// transfer blobs call Add().
class Progress {
 public:
  Progress(std::ostream& err, bool terminal, const Clock& clock)
      : err_(err), terminal_(terminal), clock_(clock) {}

  // `total` is the number of bytes of this step, 0 if it is not known: then there is no bar.
  void Start(const std::string& step, uint64_t total);
  // Sets the number of bytes done so far.
  void Update(uint64_t done);
  // Adds to the number of bytes done so far.
  void Add(uint64_t more);
  void Finish(const std::string& outcome);
  void Clear();

 private:
  void Draw() LOCKET_REQUIRES(mutex_);

  Mutex mutex_;
  std::ostream& err_ LOCKET_GUARDED_BY(mutex_);
  const bool terminal_;
  const Clock& clock_;
  std::string step_ LOCKET_GUARDED_BY(mutex_);
  uint64_t done_ LOCKET_GUARDED_BY(mutex_) = 0;
  uint64_t total_ LOCKET_GUARDED_BY(mutex_) = 0;
  std::chrono::steady_clock::time_point drawn_ LOCKET_GUARDED_BY(mutex_){};
};

}  // namespace locket::cli
