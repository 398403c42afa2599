#include "runtime-shim/left_out.h"

namespace locket::runtime_shim {
namespace {

constexpr size_t kMaxText = 4096;

}  // namespace

std::string LeftOutText(const std::vector<std::string>& left_out) {
  std::string all;
  for (const std::string& text : left_out) {
    if (all.size() + text.size() > kMaxText) return all + ", ...";
    all += (all.empty() ? "" : ", ") + text;
  }
  return all;
}

}  // namespace locket::runtime_shim
