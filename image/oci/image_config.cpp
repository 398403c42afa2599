#include <utility>

#include "image/oci/json_object.h"
#include "image/oci/manifest.h"

namespace locket::image {
namespace {

using nlohmann::json;

void ReadRootfs(FieldReader& parent, ImageConfig& config) {
  json value = parent.Required("rootfs");
  FieldReader reader(value, "rootfs");
  const std::string type = reader.Text("type");
  if (!type.empty() && type != "layers") reader.Fail("type", "not 'layers'");
  const auto diff_ids = reader.TextList("diff_ids");
  if (diff_ids.size() > kMaxLayers) reader.Fail("diff_ids", "too many layers");
  for (size_t i = 0; reader.status().ok() && i < diff_ids.size(); ++i) {
    auto digest = Digest::FromText(diff_ids[i]);
    if (digest.ok()) {
      config.diff_ids.push_back(*digest);
    } else {
      reader.Fail("diff_ids[" + std::to_string(i) + "]", digest.error().message());
    }
  }
  config.rootfs_extra = reader.Rest();
  parent.Adopt(reader);
}

void ReadInnerConfig(FieldReader& parent, ImageConfig& config) {
  json value = parent.Optional("config");
  if (value.is_null()) return;
  FieldReader reader(value, "config");
  config.user = reader.Text("User");
  config.env = reader.TextList("Env");
  config.entrypoint = reader.TextList("Entrypoint");
  config.cmd = reader.TextList("Cmd");
  config.working_dir = reader.Text("WorkingDir");
  config.stop_signal = reader.Text("StopSignal");
  config.labels = reader.TextMap("Labels");
  config.config_extra = reader.Rest();
  parent.Adopt(reader);
}

}  // namespace

Result<ImageConfig> DecodeImageConfig(std::string_view text) {
  constexpr std::string_view kDoing = "read image config";
  LOCKET_TRY_ASSIGN(json document,
                    ParseJsonObject(text, {.max_bytes = kMaxConfigBytes}).While(kDoing));
  FieldReader reader(document, "");
  ImageConfig config{.architecture = reader.RequiredText("architecture"),
                     .os = reader.RequiredText("os"),
                     .variant = reader.Text("variant"),
                     .diff_ids = {}};
  ReadRootfs(reader, config);
  ReadInnerConfig(reader, config);
  config.extra = reader.Rest();
  LOCKET_TRY(Status(reader.status()).While(kDoing));
  return config;
}

std::string EncodeImageConfig(const ImageConfig& config) {
  json inner = ObjectOf(config.config_extra);
  SetUnlessEmpty(inner, "User", config.user);
  SetUnlessEmpty(inner, "Env", config.env);
  SetUnlessEmpty(inner, "Entrypoint", config.entrypoint);
  SetUnlessEmpty(inner, "Cmd", config.cmd);
  SetUnlessEmpty(inner, "WorkingDir", config.working_dir);
  SetUnlessEmpty(inner, "StopSignal", config.stop_signal);
  SetUnlessEmpty(inner, "Labels", config.labels);
  json rootfs = ObjectOf(config.rootfs_extra);
  rootfs["type"] = "layers";
  rootfs["diff_ids"] = json::array();
  for (const auto& diff_id : config.diff_ids) rootfs["diff_ids"].push_back(diff_id.ToText());
  json object = ObjectOf(config.extra);
  object["architecture"] = config.architecture;
  object["os"] = config.os;
  SetUnlessEmpty(object, "variant", config.variant);
  if (!inner.empty()) object["config"] = std::move(inner);
  object["rootfs"] = std::move(rootfs);
  return DumpJson(object);
}

}  // namespace locket::image
