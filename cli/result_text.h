// Results and errors as text that whoever reads them can rely on, whatever names are in them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace locket::cli {

// `json` as every command prints it, with a line feed at its end. Names and paths may be any bytes:
// what is not UTF-8 becomes U+FFFD.
template <typename Json = nlohmann::ordered_json>
std::string JsonText(const Json& json) {
  return json.dump(2, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) + "\n";
}

// `text` on one line: control characters, by which whoever made an image could steer a terminal,
// as "\xNN".
std::string Printable(std::string_view text);

}  // namespace locket::cli
