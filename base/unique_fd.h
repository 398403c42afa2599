// UniqueFd: owns one file descriptor. Pass `UniqueFd` to give it away, `int` to lend it.
#pragma once

#include <utility>

namespace locket {

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
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
  void reset(int fd = -1) noexcept;  // leaves errno as it was

 private:
  int fd_ = -1;
};

// A descriptor someone owns is closed by that owner alone.
int close(const UniqueFd&) = delete;

}  // namespace locket
