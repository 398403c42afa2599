// A content digest. SHA-256 is the only algorithm: what registries, containerd and our formats use.
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

class Digest {
 public:
  // Exactly "sha256:" and 64 lower-case hex digits. kInvalidArgument: anything else.
  static Result<Digest> FromText(std::string_view text);
  static Digest Of(std::span<const std::byte> bytes);
  static Digest Of(std::string_view bytes);
  static Digest FromHash(const verity::Sha256Digest& hash) { return Digest(hash); }

  std::string ToText() const;  // "sha256:<hex>"
  std::string Hex() const;
  const verity::Sha256Digest& hash() const { return hash_; }

  bool operator==(const Digest&) const = default;
  auto operator<=>(const Digest&) const = default;

 private:
  explicit Digest(const verity::Sha256Digest& hash) : hash_(hash) {}
  verity::Sha256Digest hash_;
};

// Content that comes in pieces.
class DigestHasher {
 public:
  void Update(std::span<const std::byte> bytes) { hash_.Update(bytes); }
  Digest Finish() { return Digest::FromHash(hash_.Finish()); }  // and starts afresh

 private:
  verity::Sha256 hash_;
};

}  // namespace locket::image
