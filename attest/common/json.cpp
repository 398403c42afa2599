#include "attest/common/json.h"

namespace locket::attest {
namespace {

JsonLimits LimitsFor(size_t max_bytes) {
  return {.max_bytes = max_bytes, .max_values = max_bytes / kBytesPerJsonValue + 1};
}

}  // namespace

Result<nlohmann::json> ParseJson(std::string_view text, size_t max_bytes) {
  return locket::ParseJson(text, LimitsFor(max_bytes));
}

Result<nlohmann::json> ParseJsonObject(std::string_view text, size_t max_bytes) {
  return locket::ParseJsonObject(text, LimitsFor(max_bytes));
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

}  // namespace locket::attest
