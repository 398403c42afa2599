// Work for several threads at once.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <future>

#include "base/result.h"

namespace locket::cli {

// Calls `work(i)` once for every i below `count`, on up to `threads` threads, of which the caller's
// is one, and returns when all calls have ended. After the first error no further call begins.
// Returns that error. `work` is called from several threads at once.
Status ForEachInParallel(size_t count, size_t threads, const std::function<Status(size_t)>& work);

// Runs jobs beside the thread that makes them, at most `most` at a time, as `image seal` pushes one
// layer while it seals the next. Used by one thread. A job refers to nothing that dies before this
// object.
class Background {
 public:
  explicit Background(size_t most) : most_(most) {}
  Background(const Background&) = delete;
  // Waits for the jobs that run. Their errors are lost: call Finish() first.
  ~Background();

  // Starts `job`. If `most` jobs run already, waits for the oldest of them first, and if that one
  // failed returns its error and does not start `job`.
  Status Start(std::function<Status()> job);
  // Waits for all jobs. Returns the error of the oldest one that failed.
  Status Finish();

 private:
  const size_t most_;
  std::deque<std::future<Status>> running_;
};

}  // namespace locket::cli
