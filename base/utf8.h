// UTF-8 as RFC 3629 has it: shortest form, no surrogates, nothing above U+10FFFF.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.h"

namespace locket {

// Returns how many bytes the character at the start of `text` has, 1 to 4, or 0 if the text does
// not start with a character. `text` is not empty.
size_t Utf8CharacterBytes(std::string_view text);

// kInvalidArgument: `text` is not UTF-8; the message says from which byte. Check texts from outside
// before toml11 3.7 parses them: it reads beyond its buffer when a string in them is not UTF-8
// (docs/decisions/0010-toml-is-checked-first.md).
Status CheckUtf8(std::string_view text);

}  // namespace locket
