// The version that all programs print: that of the project in CMakeLists.txt.
#pragma once

#include <string_view>

namespace locket {

inline constexpr std::string_view kVersion = LOCKET_VERSION;

}  // namespace locket
