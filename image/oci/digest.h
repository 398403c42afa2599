// The digest of some content, as OCI documents write it. SHA-256 is the only algorithm: registries,
// containerd and our formats use no other.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "verity/sha256.h"

namespace locket::image {

// A value; it always holds a digest, so there is no empty one. Ordered like its bytes.
class Digest {
 public:
  // Reads "sha256:" and 64 lower-case hex digits. kInvalidArgument: any other text.
  static Result<Digest> FromText(std::string_view text);
  // Hashes `bytes`.
  static Digest Of(std::span<const std::byte> bytes);
  static Digest Of(std::string_view bytes);
  // Takes the hash of bytes that were hashed elsewhere.
  static Digest FromHash(const verity::Sha256Digest& hash) { return Digest(hash); }

  // Returns "sha256:" and the hex digits.
  std::string ToText() const;
  // Returns the 64 hex digits alone, the name of a blob's file in an OCI layout.
  std::string Hex() const;
  const verity::Sha256Digest& hash() const { return hash_; }

  bool operator==(const Digest&) const = default;
  auto operator<=>(const Digest&) const = default;

 private:
  explicit Digest(const verity::Sha256Digest& hash) : hash_(hash) {}
  verity::Sha256Digest hash_;
};

// Computes the digest of content that comes in pieces. For one thread.
class DigestHasher {
 public:
  // Adds the next piece.
  void Update(std::span<const std::byte> bytes) { hash_.Update(bytes); }
  // Returns the digest of all pieces so far. The next Update begins a new content.
  Digest Finish() { return Digest::FromHash(hash_.Finish()); }

 private:
  verity::Sha256 hash_;
};

}  // namespace locket::image
