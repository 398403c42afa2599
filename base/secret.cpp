#include "base/secret.h"

#include <algorithm>
#include <cstring>

#include "base/encoding.h"

namespace locket {

Secret::~Secret() {
  // One that was moved from has no bytes, and explicit_bzero may not be given null.
  if (!bytes_.empty()) explicit_bzero(bytes_.data(), bytes_.size());
}

Secret ToSecret(std::string_view text) {
  Secret secret(text.size());
  std::ranges::copy(AsBytes(text), secret.Reveal().begin());
  return secret;
}

}  // namespace locket
