#include "base/json.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <vector>

#include "base/encoding.h"

namespace locket {
namespace {

using nlohmann::json;

// Counted outside strings, before anything is allocated.
struct Shape {
  int depth = 0;
  size_t values = 1;  // at least as many as there are
};

Shape ShapeOf(std::string_view text) {
  Shape shape;
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '[' || c == '{') shape.depth = std::max(shape.depth, ++depth);
    if (c == ']' || c == '}') --depth;
    if (c == '[' || c == '{' || c == ',') ++shape.values;
  }
  return shape;
}

// Lets the parser go on, and remembers whether an object named a member twice.
class MemberNames {
 public:
  bool operator()(int depth, json::parse_event_t event, const json& parsed) {
    const auto level = static_cast<size_t>(depth);
    if (event == json::parse_event_t::object_start) {
      if (names_.size() < level + 2) names_.resize(level + 2);
      names_[level + 1].clear();  // its members come one level deeper
    }
    if (event == json::parse_event_t::key && level < names_.size()) {
      const auto name = parsed.get<std::string>();
      if (!names_[level].insert(name).second && !repeated_) repeated_ = name;
    }
    return true;
  }
  const std::optional<std::string>& repeated() const { return repeated_; }

 private:
  std::vector<std::set<std::string>> names_{};
  std::optional<std::string> repeated_{};
};

Error Refused(const std::string& message) { return {ErrorCode::kInvalidArgument, message}; }

Status CheckLimits(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) {
    return Refused("JSON of " + std::to_string(text.size()) + " bytes is above the limit of " +
                   std::to_string(limits.max_bytes));
  }
  // nlohmann takes a zero byte for the end of the text and reads nothing behind it.
  if (text.find('\0') != std::string_view::npos) return Refused("not JSON: it has a zero byte");
  const Shape shape = ShapeOf(text);
  if (shape.depth > kMaxJsonDepth) {
    return Refused("JSON nested deeper than " + std::to_string(kMaxJsonDepth) + " levels");
  }
  if (shape.values > limits.max_values) {
    return Refused("JSON of " + std::to_string(shape.values) + " values is above the limit of " +
                   std::to_string(limits.max_values));
  }
  return Ok();
}

}  // namespace

Result<json> ParseJson(std::string_view text, const JsonLimits& limits) {
  LOCKET_TRY(CheckLimits(text, limits));
  MemberNames names;
  json value;
  try {
    value = json::parse(text, std::ref(names), /*allow_exceptions=*/false);
  } catch (const json::exception&) {  // not all of them can be turned off
    return Refused("not JSON");
  }
  if (value.is_discarded()) return Refused("not JSON");
  if (names.repeated()) {
    return Refused("JSON names the member '" + Shortened(*names.repeated()) + "' twice");
  }
  return value;
}

Result<json> ParseJsonObject(std::string_view text, const JsonLimits& limits) {
  LOCKET_TRY_ASSIGN(auto value, ParseJson(text, limits));
  if (!value.is_object()) return Refused("not a JSON object");
  return value;
}

std::string DumpJson(const json& value) {
  return value.dump(-1, ' ', /*ensure_ascii=*/false, json::error_handler_t::replace);
}

}  // namespace locket
