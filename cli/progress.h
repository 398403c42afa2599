// What a long command says on stderr while it works: a line that changes in place on a terminal,
// one line for each finished step elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <string>

#include "base/clock.h"
#include "base/mutex.h"

namespace locket::cli {

// "3.4 MiB"
std::string HumanBytes(uint64_t bytes);

// Thread-safe.
class Progress {
 public:
  Progress(std::ostream& err, bool terminal, const Clock& clock)
      : err_(err), terminal_(terminal), clock_(clock) {}

  // `total` 0: not known.
  void Start(const std::string& step, uint64_t total);
  void Update(uint64_t done);
  // So much more than before.
  void Add(uint64_t more);
  // Ends the step's line with `outcome`.
  void Finish(const std::string& outcome);
  // Leaves a clean line for an error message.
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
