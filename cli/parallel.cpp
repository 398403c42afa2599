#include "cli/parallel.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace locket::cli {

Status ForEachInParallel(size_t count, size_t threads, const std::function<Status(size_t)>& work) {
  std::atomic<size_t> next = 0;
  std::atomic<bool> failed = false;
  Mutex mutex;
  std::optional<Error> first;
  const auto run = [&] {
    for (size_t i = next++; i < count && !failed; i = next++) {
      auto done = work(i);
      if (done.ok()) continue;
      failed = true;
      const MutexLock lock(mutex);
      if (!first) first = std::move(done).error();
    }
  };
  std::vector<std::thread> helpers;
  for (size_t i = 1; i < std::min(threads, count); ++i) helpers.emplace_back(run);
  run();
  for (auto& helper : helpers) helper.join();
  if (first) return *first;
  return Ok();
}

Background::~Background() {
  for (auto& job : running_) job.wait();
}

Status Background::Start(std::function<Status()> job) {
  while (running_.size() >= most_) {
    Status done = running_.front().get();
    running_.pop_front();
    LOCKET_TRY(std::move(done));
  }
  running_.push_back(std::async(std::launch::async, std::move(job)));
  return Ok();
}

Status Background::Finish() {
  Status first = Ok();
  while (!running_.empty()) {
    Status done = running_.front().get();
    running_.pop_front();
    if (first.ok()) first = std::move(done);
  }
  return first;
}

}  // namespace locket::cli
