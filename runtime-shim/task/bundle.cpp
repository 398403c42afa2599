#include "runtime-shim/task/bundle.h"

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "runtime-shim/config/command_line.h"

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

// Returns the text `wanted` of the entry of `list` whose text `key` is `value`; empty without one.
Result<std::string> TextOfEntry(const json& object, const char* list, const char* key,
                                std::string_view value, const char* wanted) {
  const auto entries = object.find(list);
  if (entries == object.end() || entries->is_null()) return std::string();
  if (!entries->is_array()) return Bad(std::string("'") + list + "' is not a list");
  for (const json& entry : *entries) {
    if (!entry.is_object())
      return Bad(std::string("'") + list + "' has an entry that is no object");
    LOCKET_TRY_ASSIGN(const auto found, Text(entry, key));
    if (found == value) return Text(entry, wanted);
  }
  return std::string();
}

Status ReadPlaces(const json& spec, BundleSpec& out) {
  LOCKET_TRY_ASSIGN(out.resolv_conf,
                    TextOfEntry(spec, "mounts", "destination", "/etc/resolv.conf", "source"));
  const auto linux_part = spec.find("linux");
  if (linux_part == spec.end()) return Ok();
  if (!linux_part->is_object()) return Bad("'linux' is not an object");
  LOCKET_TRY_ASSIGN(out.cgroups_path, Text(*linux_part, "cgroupsPath"));
  LOCKET_TRY_ASSIGN(out.netns, TextOfEntry(*linux_part, "namespaces", "type", "network", "path"));
  return Ok();
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
    LOCKET_TRY(ReadPlaces(spec, out));
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
