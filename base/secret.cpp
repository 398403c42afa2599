#include "base/secret.h"

#include <cstring>

namespace locket {

Secret::~Secret() {
  // One that was moved from has no bytes, and explicit_bzero may not be given null.
  if (!bytes_.empty()) explicit_bzero(bytes_.data(), bytes_.size());
}

}  // namespace locket
