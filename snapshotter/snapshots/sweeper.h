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

// A queue of IDs and one thread that works through it. In memory only: IDs that a kill leaves are
// found again as directories without a record. Thread-safe.
class Sweeper {
 public:
  // `sweep` is called with one ID after the other, on the sweeper's own thread.
  explicit Sweeper(std::function<void(uint64_t)> sweep);
  Sweeper(const Sweeper&) = delete;
  ~Sweeper();  // waits for the ID under way; the others are left as they are

  // Adds an ID to the queue and returns at once.
  void Add(uint64_t id);

  // Returns the IDs that are not swept to the end, the one under way included.
  std::vector<uint64_t> pending() const;

  // Waits until all IDs that were added before this call are swept.
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
