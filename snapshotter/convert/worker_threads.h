// Threads that work through a queue of tasks.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

namespace locket::snapshotter {

// Thread-safe, but for Stop.
class WorkerThreads {
 public:
  explicit WorkerThreads(unsigned count);
  WorkerThreads(const WorkerThreads&) = delete;
  ~WorkerThreads() { Stop(); }

  // Runs the task as soon as a thread is free, in the order in which tasks came. Returns at once,
  // so a caller may hold locks that the task takes. A task that comes after Stop never runs.
  void Enqueue(std::function<void()> task);

  // Waits for the tasks under way and leaves the others. Afterwards no thread runs. May be called
  // again; by one thread at a time, and not from a task.
  void Stop();

 private:
  void Work();

  std::stop_source stop_;
  std::mutex mutex_;                  // guards what follows; std, for the condition variable
  std::condition_variable_any work_;  // there is a task
  std::deque<std::function<void()>> tasks_;
  std::vector<std::jthread> threads_;  // last: they use the rest
};

}  // namespace locket::snapshotter
