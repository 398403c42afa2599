#include "base/secret.h"

#include <cstring>

namespace locket {

Secret::~Secret() { explicit_bzero(bytes_.data(), bytes_.size()); }

}  // namespace locket
