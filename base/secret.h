// Bytes that must not outlive their use: wiped on destruction, moved but never copied, and without
// any way into a log line.
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace locket {

class Secret {
 public:
  explicit Secret(size_t bytes) : bytes_(bytes) {}
  Secret(Secret&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  Secret& operator=(Secret&&) = delete;
  ~Secret();  // explicit_bzero

  // The only door. `Reveal` is meant to be easy to grep for and awkward to write.
  std::span<std::byte> Reveal() { return bytes_; }
  std::span<const std::byte> Reveal() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;  // never resized, so never reallocated
};

}  // namespace locket
