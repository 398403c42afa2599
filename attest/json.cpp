#include "attest/json.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <vector>

namespace locket::attest {
namespace {

// Counted outside texts, before anything is allocated.
struct Shape {
  int depth = 0;
  size_t values = 1;  // at least as many as there are
};

Shape ShapeOf(std::string_view text) {
  Shape shape;
  int depth = 0;
  bool in_text = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_text) {
      if (c == '\\') ++i;
      if (c == '"') in_text = false;
      continue;
    }
    if (c == '"') in_text = true;
    if (c == '[' || c == '{') shape.depth = std::max(shape.depth, ++depth);
    if (c == ']' || c == '}') --depth;
    if (c == '[' || c == '{' || c == ',') ++shape.values;
  }
  return shape;
}

Error Refused(const std::string& message) { return {ErrorCode::kInvalidArgument, message}; }

// Tells the parser to go on, and remembers whether an object named a member twice.
class MemberNames {
 public:
  bool operator()(int depth, nlohmann::json::parse_event_t event, const nlohmann::json& parsed) {
    using Event = nlohmann::json::parse_event_t;
    const auto level = static_cast<size_t>(depth);
    if (event == Event::object_start) {
      if (names_.size() < level + 2) names_.resize(level + 2);
      names_[level + 1].clear();  // its members come one level deeper
    }
    if (event == Event::key && level < names_.size()) {
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

}  // namespace

Result<nlohmann::json> ParseJson(std::string_view text, size_t max_bytes) {
  if (text.size() > max_bytes) {
    return Error(ErrorCode::kInvalidArgument, "JSON of " + std::to_string(text.size()) +
                                                  " bytes is above the limit of " +
                                                  std::to_string(max_bytes));
  }
  const Shape shape = ShapeOf(text);
  if (shape.depth > kMaxJsonDepth) {
    return Refused("JSON nested deeper than " + std::to_string(kMaxJsonDepth));
  }
  if (shape.values > max_bytes / kBytesPerJsonValue + 1) {
    return Refused("JSON of " + std::to_string(shape.values) + " values is above the limit of " +
                   std::to_string(max_bytes / kBytesPerJsonValue + 1));
  }
  MemberNames names;
  nlohmann::json value = nlohmann::json::parse(text, std::ref(names), /*allow_exceptions=*/false);
  if (value.is_discarded()) return Refused("not JSON");
  if (names.repeated()) {
    return Refused("JSON names the member '" + Shortened(*names.repeated()) + "' twice");
  }
  return value;
}

Result<nlohmann::json> ParseJsonObject(std::string_view text, size_t max_bytes) {
  LOCKET_TRY_ASSIGN(auto value, ParseJson(text, max_bytes));
  if (!value.is_object()) return Error(ErrorCode::kInvalidArgument, "not a JSON object");
  return value;
}

Result<std::string> JsonText(const nlohmann::json& object, std::string_view key) {
  const auto found = object.find(key);
  if (found == object.end()) {
    return Error(ErrorCode::kInvalidArgument, "'" + std::string(key) + "' is missing");
  }
  if (!found->is_string()) {
    return Error(ErrorCode::kInvalidArgument, "'" + std::string(key) + "' is not text");
  }
  return found->get<std::string>();
}

std::string Shortened(std::string_view text, size_t max_bytes) {
  std::string out(text.substr(0, max_bytes));
  std::ranges::replace_if(
      out, [](unsigned char c) { return c < ' ' || c > '~'; }, '?');
  return text.size() > max_bytes ? out + "..." : out;
}

std::string DumpJson(const nlohmann::json& value) {
  return value.dump(-1, ' ', /*ensure_ascii=*/false, nlohmann::json::error_handler_t::replace);
}

}  // namespace locket::attest
