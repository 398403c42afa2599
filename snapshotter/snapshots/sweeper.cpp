#include "snapshotter/snapshots/sweeper.h"

#include <utility>

namespace locket::snapshotter {

Sweeper::Sweeper(std::function<void(uint64_t)> sweep)
    : sweep_(std::move(sweep)), thread_([this] { Run(); }) {}

Sweeper::~Sweeper() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  added_.notify_one();
}

void Sweeper::Add(uint64_t id) {
  const std::lock_guard lock(mutex_);
  ids_.push_back(id);
  ++num_added_;
  added_.notify_one();
}

std::vector<uint64_t> Sweeper::pending() const {
  const std::lock_guard lock(mutex_);
  return {ids_.begin(), ids_.end()};
}

void Sweeper::Drain() {
  std::unique_lock lock(mutex_);
  const uint64_t goal = num_added_;
  swept_.wait(lock, [this, goal] { return num_swept_ >= goal; });
}

void Sweeper::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    added_.wait(lock, [this] { return stopped_ || !ids_.empty(); });
    if (stopped_) return;
    const uint64_t id = ids_.front();
    lock.unlock();
    sweep_(id);
    lock.lock();
    ids_.pop_front();
    ++num_swept_;
    swept_.notify_all();
  }
}

}  // namespace locket::snapshotter
