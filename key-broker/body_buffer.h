// What a request brings and an answer takes, counted together, so that many connections cannot
// fill the memory.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

#include "base/secret.h"

namespace locket::key_broker {

inline constexpr size_t kFreeBytes = 64U << 10;  // each connection has these without asking

// Bytes that connections hold beyond kFreeBytes each. Thread-safe.
class MemoryBudget {
 public:
  explicit MemoryBudget(size_t bytes) : left_(bytes) {}
  bool Take(size_t bytes);  // false: there is no room, and nothing is taken
  void Return(size_t bytes) { left_ += bytes; }
  size_t left() const { return left_; }

 private:
  std::atomic<size_t> left_;
};

// What one holder took of a budget; returned with it.
class BudgetShare {
 public:
  explicit BudgetShare(MemoryBudget& budget) : budget_(budget) {}
  BudgetShare(const BudgetShare&) = delete;
  ~BudgetShare() { budget_.Return(taken_); }
  // Makes the share enough for `bytes` in all. False: there is no room.
  bool Grow(size_t bytes);

 private:
  MemoryBudget& budget_;
  size_t taken_ = 0;
};

// A request's body: bounded, wiped, and grown by itself, so that a reallocation leaves no copy.
class BodyBuffer {
 public:
  // `budget` outlives the buffer.
  BodyBuffer(size_t limit, MemoryBudget& budget) : limit_(limit), share_(budget) {}
  // False: it would be above the limit, or the budget is used up. What was there stays.
  bool Append(const char* data, size_t size);
  Secret Take() const;

 private:
  size_t limit_;
  size_t size_ = 0;
  BudgetShare share_;
  std::unique_ptr<Secret> bytes_ = std::make_unique<Secret>(0);
};

}  // namespace locket::key_broker
