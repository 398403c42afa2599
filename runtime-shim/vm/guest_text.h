// What a guest says in words, for the host's logs and errors: it may say more than anybody wants to
// read.
#pragma once

#include <string>
#include <vector>

namespace locket::runtime_shim {

inline constexpr size_t kMaxGuestText = 4096;

// `text`, which is UTF-8, cut between two characters to kMaxGuestText bytes and "...".
std::string GuestText(std::string text);

// What a guest does without, as one line of bounded length.
std::string LeftOutText(const std::vector<std::string>& left_out);

}  // namespace locket::runtime_shim
