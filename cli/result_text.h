// Results and errors as text. Names in them come from the makers of images and can be any bytes:
// they must neither break JSON nor steer a terminal.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace locket::cli {

// Returns `json` as every command prints it: indented by two, with a line feed at its end. Bytes
// that are not UTF-8 become U+FFFD, so the result is always valid JSON.
template <typename Json = nlohmann::ordered_json>
std::string JsonText(const Json& json) {
  return json.dump(2, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) + "\n";
}

// Returns `text` on one line: every control character, line feeds too, becomes "\xNN". Other bytes
// stay.
std::string Printable(std::string_view text);

}  // namespace locket::cli
