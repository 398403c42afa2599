#include "key-broker/body_buffer.h"

#include <algorithm>
#include <cstring>

namespace locket::key_broker {

bool MemoryBudget::Take(size_t bytes) {
  size_t left = left_;
  while (bytes <= left) {
    if (left_.compare_exchange_weak(left, left - bytes)) return true;
  }
  return false;
}

bool BudgetShare::Grow(size_t bytes) {
  const size_t needed = bytes > kFreeBytes ? bytes - kFreeBytes : 0;
  if (needed <= taken_) return true;
  if (!budget_.Take(needed - taken_)) return false;
  taken_ = needed;
  return true;
}

bool BodyBuffer::Append(const char* data, size_t size) {
  if (size > limit_ - size_) return false;
  if (size_ + size > bytes_->Reveal().size()) {
    const size_t capacity = std::min(limit_, 2 * (size_ + size));
    if (!share_.Grow(capacity)) return false;
    auto larger = std::make_unique<Secret>(capacity);
    std::copy_n(bytes_->Reveal().begin(), size_, larger->Reveal().begin());
    bytes_ = std::move(larger);
  }
  std::memcpy(bytes_->Reveal().data() + size_, data, size);
  size_ += size;
  return true;
}

Secret BodyBuffer::Take() const {
  Secret out(size_);
  std::copy_n(bytes_->Reveal().begin(), size_, out.Reveal().begin());
  return out;
}

}  // namespace locket::key_broker
