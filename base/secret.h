// Bytes that must not outlive their use, such as keys and passwords: wiped on destruction, moved
// but never copied, and without a conversion to text, so that none gets into a message by accident.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace locket {

// The size is fixed when the object is made, so the bytes are never reallocated and no copy stays
// in freed memory. A moved-from object has no bytes. The memory is not locked: it may be swapped
// out.
class Secret {
 public:
  // Makes a secret of `bytes` zero bytes, to be filled through Reveal.
  explicit Secret(size_t bytes) : bytes_(bytes) {}
  Secret(Secret&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  Secret& operator=(Secret&&) = delete;
  ~Secret();  // explicit_bzero

  // Returns the bytes, valid as long as the object. The one way to them, easy to grep for. A
  // caller that copies them has to wipe the copy.
  std::span<std::byte> Reveal() { return bytes_; }
  std::span<const std::byte> Reveal() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;  // never resized, so never reallocated
};

// Returns a copy of `text`. The caller's own copy is not wiped.
Secret ToSecret(std::string_view text);

}  // namespace locket
