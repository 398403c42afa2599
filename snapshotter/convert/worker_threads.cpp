#include "snapshotter/convert/worker_threads.h"

namespace locket::snapshotter {

WorkerThreads::WorkerThreads(unsigned count) {
  for (unsigned i = 0; i < count; ++i) threads_.emplace_back([this] { Work(); });
}

void WorkerThreads::Enqueue(std::function<void()> task) {
  const std::lock_guard lock(mutex_);
  tasks_.push_back(std::move(task));
  work_.notify_one();
}

void WorkerThreads::Stop() {
  stop_.request_stop();
  for (std::jthread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void WorkerThreads::Work() {
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

}  // namespace locket::snapshotter
