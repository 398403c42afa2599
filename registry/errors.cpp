#include "registry/errors.h"

#include "base/encoding.h"
#include "base/json.h"

namespace locket::registry {
namespace {

using nlohmann::json;

constexpr size_t kMaxText = 200;
constexpr size_t kMaxBody = 64U << 10;

std::string Field(const json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return {};
  return Shortened(found->get_ref<const std::string&>(), kMaxText);
}

ErrorCode CodeFor(long status) {
  switch (status) {
    case 401:
    case 403:
      return ErrorCode::kPermissionDenied;
    case 404:
      return ErrorCode::kNotFound;
    case 408:
    case 429:
      return ErrorCode::kUnavailable;
    default:
      return status >= 500 ? ErrorCode::kUnavailable : ErrorCode::kInvalidArgument;
  }
}

std::string WayOut(long status, std::string_view host) {
  const std::string name(host);
  switch (status) {
    case 401:
      return "log in with 'skopeo login " + name + "' or 'docker login " + name + "'";
    case 403:
      return "this login may not do that; ask the owner of the repository, or log in as another "
             "user with 'skopeo login " +
             name + "'";
    case 404:
      return "check the name and tag";
    case 405:
      return "the registry does not allow it";
    case 413:
      return "the registry or a proxy before it bounds the size of uploads";
    case 429:
      return "the registry limits requests; wait, or log in for a higher limit";
    default:
      return status >= 500 ? "the registry is in trouble; see its log" : "";
  }
}

}  // namespace

std::string RegistryErrorText(std::string_view body) {
  const auto document = ParseJsonObject(body, {.max_bytes = kMaxBody});
  if (!document.ok()) return {};
  const auto errors = document->find("errors");
  if (errors == document->end() || !errors->is_array() || errors->empty()) return {};
  const json& first = errors->front();
  if (!first.is_object()) return {};
  const std::string code = Field(first, "code");
  const std::string message = Field(first, "message");
  if (code.empty() || message.empty()) return code + message;
  return code + " (" + message + ")";
}

Error StatusError(const HttpResponse& response, std::string_view host) {
  std::string text = "HTTP " + std::to_string(response.status);
  const std::string own = RegistryErrorText(response.body);
  if (!own.empty()) text += " " + own;
  const std::string way_out = WayOut(response.status, host);
  if (!way_out.empty()) text += ": " + way_out;
  return {CodeFor(response.status), text};
}

}  // namespace locket::registry
