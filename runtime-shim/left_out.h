// What a guest does without, for the shim's log.
#pragma once

#include <string>
#include <vector>

namespace locket::runtime_shim {

// One line of bounded length: a guest may send more than anybody wants to read.
std::string LeftOutText(const std::vector<std::string>& left_out);

}  // namespace locket::runtime_shim
