#include "image/oci/digest.h"

#include <algorithm>

#include "base/encoding.h"

namespace locket::image {
namespace {

constexpr std::string_view kPrefix = "sha256:";

}  // namespace

Result<Digest> Digest::FromText(std::string_view text) {
  for (const std::string_view other : {"sha384", "sha512"}) {
    if (!text.starts_with(other)) continue;
    return Error(ErrorCode::kInvalidArgument,
                 "a " + std::string(other) + " digest, and only 'sha256:' is known here");
  }
  if (!text.starts_with(kPrefix)) {
    return Error(ErrorCode::kInvalidArgument, "not a digest: does not begin with 'sha256:'");
  }
  verity::Sha256Digest hash{};
  if (text.size() != kPrefix.size() + 2 * hash.size()) {
    return Error(ErrorCode::kInvalidArgument, "not a digest: not 64 hex digits");
  }
  LOCKET_TRY_ASSIGN(const auto bytes, HexDecode(text.substr(kPrefix.size())).While("not a digest"));
  std::ranges::copy(bytes, hash.begin());
  return Digest(hash);
}

Digest Digest::Of(std::span<const std::byte> bytes) { return Digest(verity::Sha256Of(bytes)); }

Digest Digest::Of(std::string_view bytes) { return Of(AsBytes(bytes)); }

std::string Digest::ToText() const { return std::string(kPrefix) + Hex(); }

std::string Digest::Hex() const { return HexEncode(hash_); }

}  // namespace locket::image
