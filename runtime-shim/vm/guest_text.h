// Texts from a guest, cut to a length that the host's logs and errors can take. The guest may send
// texts of any length.
#pragma once

#include <string>
#include <vector>

namespace locket::runtime_shim {

inline constexpr size_t kMaxGuestText = 4096;

// Returns `text`, which is UTF-8. If it is longer than kMaxGuestText bytes, it is cut between two
// characters and "..." is added.
std::string GuestText(std::string text);

// Returns the texts in which a guest says what it left out, as one line of bounded length.
std::string LeftOutText(const std::vector<std::string>& left_out);

}  // namespace locket::runtime_shim
