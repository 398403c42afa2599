#include "runtime-shim/vm/guest_text.h"

namespace locket::runtime_shim {

std::string GuestText(std::string text) {
  if (text.size() <= kMaxGuestText) return text;
  size_t end = kMaxGuestText;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  text.resize(end);
  return text + "...";
}

std::string LeftOutText(const std::vector<std::string>& left_out) {
  std::string all;
  for (const std::string& text : left_out) {
    if (all.size() + text.size() > kMaxGuestText) return all + ", ...";
    all += (all.empty() ? "" : ", ") + text;
  }
  return all;
}

}  // namespace locket::runtime_shim
