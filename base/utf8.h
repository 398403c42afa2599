// UTF-8 as RFC 3629 has it: shortest form, no surrogates, nothing above U+10FFFF.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.h"

namespace locket {

// Bytes of the character at the start of `text`, which is not empty; 0 if there is none.
size_t Utf8CharacterBytes(std::string_view text);

// kInvalidArgument: says at which byte `text` stops being UTF-8. To be asked before toml11 3.7
// parses bytes from outside: it reads beyond its buffer when a string in them is not UTF-8.
Status CheckUtf8(std::string_view text);

}  // namespace locket
