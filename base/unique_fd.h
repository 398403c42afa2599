// UniqueFd: owns one file descriptor, and closes it. A function that takes a `UniqueFd` keeps the
// descriptor; one that takes an `int` borrows it for the call.
#pragma once

#include <utility>

namespace locket {

// Movable, not copyable. A default or moved-from object owns nothing, and valid() is false.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) noexcept : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    reset(other.release());
    return *this;
  }
  ~UniqueFd() { reset(); }

  bool valid() const { return fd_ >= 0; }
  int get() const { return fd_; }
  // Returns the descriptor, which the caller now has to close.
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
  // Closes what it owns and owns `fd` from now on. Leaves errno as it was, so that it can be called
  // between a failed call and the look at its errno. An error of close(2) is not reported: a
  // caller that needs the bytes on disk calls fsync(2) first.
  void reset(int fd = -1) noexcept;

 private:
  int fd_ = -1;
};

// Keeps close(2) away from descriptors that have an owner.
int close(const UniqueFd&) = delete;

}  // namespace locket
