// Deletes what removed snapshots leave behind, after the answer: containerd holds the lock of all
// snapshots while it waits for a Remove (metadata/snapshot.go, garbageCollect), and the layer of an
// ordinary image may have a hundred thousand files.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace locket::snapshotter {

// Thread-safe.
class Sweeper {
 public:
  // `sweep` gets one id after the other, on the sweeper's own thread.
  explicit Sweeper(std::function<void(uint64_t)> sweep);
  Sweeper(const Sweeper&) = delete;
  ~Sweeper();  // ends after the id under way; the others are left as they are

  void Add(uint64_t id);

  // Those that are not swept to the end.
  std::vector<uint64_t> pending() const;

  // Waits until all that were added before are swept.
  void Drain();

 private:
  void Run();

  const std::function<void(uint64_t)> sweep_;
  mutable std::mutex mutex_;  // guards what follows; std, for the condition variables
  std::condition_variable added_;
  std::condition_variable swept_;
  std::deque<uint64_t> ids_;  // the first is under way
  uint64_t num_added_ = 0;
  uint64_t num_swept_ = 0;
  bool stopped_ = false;
  std::jthread thread_;  // last: it uses the rest
};

}  // namespace locket::snapshotter
