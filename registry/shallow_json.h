// JSON of those who are no friends.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

namespace locket::registry {

// The object that `text` is; null if it is none. What stands eight levels deep is left out:
// brackets without end would only be parsed to be thrown away.
nlohmann::json ParseShallowObject(std::string_view text);

}  // namespace locket::registry
