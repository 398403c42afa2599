// Work for several threads at once.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <future>

#include "base/result.h"

namespace locket::cli {

// Calls `work(i)` for every i below `count`, on up to `threads` threads. After the first error no
// further call begins; it is returned when all have ended.
Status ForEachInParallel(size_t count, size_t threads, const std::function<Status(size_t)>& work);

// Jobs that run beside the thread which makes them, a bounded number at a time.
class Background {
 public:
  explicit Background(size_t most) : most_(most) {}
  Background(const Background&) = delete;
  ~Background();  // waits

  // Starts `job`, first waiting until fewer than `most` run. The error of an earlier job, if there
  // is one; then `job` was not started.
  Status Start(std::function<Status()> job);
  // Waits for all; the first error.
  Status Finish();

 private:
  const size_t most_;
  std::deque<std::future<Status>> running_;
};

}  // namespace locket::cli
