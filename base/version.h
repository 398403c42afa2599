// The one version all programs print.
#pragma once

#include <string_view>

namespace locket {

inline constexpr std::string_view kVersion = LOCKET_VERSION;

}  // namespace locket
