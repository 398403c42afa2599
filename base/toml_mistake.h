// What toml11 has against a document, in one line.
#pragma once

#include <string>
#include <string_view>

namespace locket {

// From the text of its exception, which draws the place: "line 3: missing value after key-value
// separator '='". At most some 200 bytes.
std::string TomlMistake(std::string_view what);

}  // namespace locket
