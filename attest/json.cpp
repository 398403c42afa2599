#include "attest/json.h"

namespace locket::attest {
namespace {

// Brackets outside texts. The parser itself does not recurse, but what comes after it does.
bool TooDeep(std::string_view text) {
  int depth = 0;
  bool in_text = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_text) {
      if (c == '\\') ++i;
      if (c == '"') in_text = false;
    } else if (c == '"') {
      in_text = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxJsonDepth) return true;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return false;
}

}  // namespace

Result<nlohmann::json> ParseJson(std::string_view text, size_t max_bytes) {
  if (text.size() > max_bytes) {
    return Error(ErrorCode::kInvalidArgument, "JSON of " + std::to_string(text.size()) +
                                                  " bytes is above the limit of " +
                                                  std::to_string(max_bytes));
  }
  if (TooDeep(text)) {
    return Error(ErrorCode::kInvalidArgument,
                 "JSON nested deeper than " + std::to_string(kMaxJsonDepth));
  }
  nlohmann::json value = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) return Error(ErrorCode::kInvalidArgument, "not JSON");
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

std::string DumpJson(const nlohmann::json& value) {
  return value.dump(-1, ' ', /*ensure_ascii=*/false, nlohmann::json::error_handler_t::replace);
}

}  // namespace locket::attest
