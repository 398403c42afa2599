// SHA-256, streaming. The only hash the project uses on bulk data; hides OpenSSL from its users.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace locket::verity {

using Sha256Digest = std::array<std::byte, 32>;

// Bytes in, digest out. For one thread; movable.
class Sha256 {
 public:
  Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  ~Sha256();

  // Adds bytes.
  void Update(std::span<const std::byte> bytes);
  // Returns the hash of all bytes that were added. The next Update begins a new hash.
  Sha256Digest Finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

// Returns the hash of `bytes`.
Sha256Digest Sha256Of(std::span<const std::byte> bytes);

// Returns the hash as registries write it: "sha256:" and 64 lower-case hex digits.
std::string DigestText(const Sha256Digest& digest);

}  // namespace locket::verity
