#include "cli/result_text.h"

#include "base/encoding.h"

namespace locket::cli {

std::string Printable(std::string_view text) {
  std::string printable;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      printable.append("\\x").append(HexEncode(AsBytes({&c, 1})));
    } else {
      printable.push_back(c);
    }
  }
  return printable;
}

}  // namespace locket::cli
