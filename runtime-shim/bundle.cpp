#include "runtime-shim/bundle.h"

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "runtime-shim/command_line.h"

namespace locket::runtime_shim {
namespace {

using nlohmann::json;

constexpr const char* kContainerType = "io.kubernetes.cri.container-type";
constexpr const char* kSandboxId = "io.kubernetes.cri.sandbox-id";
constexpr const char* kImageName = "io.kubernetes.cri.image-name";
constexpr const char* kInitdata = "io.katacontainers.config.hypervisor.cc_init_data";

Error Bad(const std::string& why) { return {ErrorCode::kInvalidArgument, "config.json: " + why}; }

// An absent text is an empty one.
Result<std::string> Text(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return std::string();
  if (!found->is_string()) return Bad(std::string("'") + key + "' is not a text");
  return found->get<std::string>();
}

}  // namespace

Result<BundleSpec> ParseBundleSpec(std::string_view text) {
  const json spec = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!spec.is_object()) return Bad("not a JSON object");
  BundleSpec out;
  LOCKET_TRY_ASSIGN(out.hostname, Text(spec, "hostname"));
  // Not copied: that recurses, and how deep the document is its writer decides.
  static const json kNone = json::object();
  const auto found = spec.find("annotations");
  const json& annotations = found == spec.end() ? kNone : *found;
  if (!annotations.is_object()) return Bad("'annotations' is not an object");
  LOCKET_TRY_ASSIGN(const auto type, Text(annotations, kContainerType));
  LOCKET_TRY_ASSIGN(out.sandbox_id, Text(annotations, kSandboxId));
  LOCKET_TRY_ASSIGN(out.image_name, Text(annotations, kImageName));
  LOCKET_TRY_ASSIGN(out.initdata_base64, Text(annotations, kInitdata));
  if (type == "sandbox") {
    out.kind = ContainerKind::kSandbox;
  } else if (type == "container") {
    out.kind = ContainerKind::kContainer;
    if (!IsIdentifier(out.sandbox_id)) {
      return Bad("'" + std::string(kSandboxId) + "' is no identifier");
    }
  } else if (!type.empty()) {
    return Bad("unknown container type '" + type + "'");
  }
  if (out.kind != ContainerKind::kContainer) out.sandbox_id.clear();
  return out;
}

Result<std::string> ReadBundleConfig(const std::filesystem::path& bundle) {
  return ReadFile(bundle / "config.json", kMaxSpecBytes);
}

}  // namespace locket::runtime_shim
