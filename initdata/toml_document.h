// For image/'s .cpp files: what must hold of a TOML text before toml11 may see it.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace locket::initdata {

// toml11 recurses into arrays, inline tables and dotted keys, so a few thousand of them would end
// the stack. kInvalidArgument: deeper than 32, or larger than `max_bytes`.
Status CheckTomlBounds(std::string_view text, size_t max_bytes);

// A quoted TOML string: over several lines if it holds line feeds.
std::string QuoteToml(std::string_view text);
// The same on one line, as keys must stand.
std::string QuoteTomlKey(std::string_view key);

}  // namespace locket::initdata
