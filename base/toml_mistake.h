// toml11's complaint about a document, in one line.
#pragma once

#include <string>
#include <string_view>

namespace locket {

// Returns the complaint from the text of toml11's exception, which draws the place over several
// lines: "line 3: missing value after key-value separator '='". About 200 bytes at most.
std::string TomlMistake(std::string_view what);

}  // namespace locket
