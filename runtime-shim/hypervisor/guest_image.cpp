#include "runtime-shim/hypervisor/guest_image.h"

#include <nlohmann/json.hpp>

#include "base/file.h"

namespace locket::runtime_shim {
namespace {

using nlohmann::json;

constexpr size_t kMaxJsonBytes = 1U << 20;

Error Bad(const std::string& why) { return {ErrorCode::kInvalidArgument, why}; }

Result<std::string> Text(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string() ||
      found->get_ref<const std::string&>().empty()) {
    return Bad(std::string("'") + key + "' is missing or not a text");
  }
  return found->get<std::string>();
}

Result<std::filesystem::path> FileOf(const std::filesystem::path& directory, const json& object,
                                     const char* key) {
  LOCKET_TRY_ASSIGN(const std::string name, Text(object, key));
  // A comma would end the value in QEMU's option syntax only for some options; a plain name never
  // needs to know.
  if (name.find('/') != std::string::npos || name == "..")
    return Bad("'" + name + "' is not a name");
  auto path = directory / name;
  std::error_code failed;
  if (!std::filesystem::is_regular_file(path, failed)) {
    return Error(ErrorCode::kNotFound, "'" + path.string() + "' is not there");
  }
  return path;
}

Result<GuestImage> Parse(const std::filesystem::path& directory, std::string_view text) {
  const json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return Bad("not a JSON object");
  if (object.value("version", json()) != 1) return Bad("unknown version");
  LOCKET_TRY_ASSIGN(auto kernel, FileOf(directory, object, "kernel"));
  LOCKET_TRY_ASSIGN(auto initrd, FileOf(directory, object, "initrd"));
  LOCKET_TRY_ASSIGN(auto cmdline, Text(object, "cmdline"));
  return GuestImage{
      .kernel = std::move(kernel), .initrd = std::move(initrd), .cmdline = std::move(cmdline)};
}

}  // namespace

Result<GuestImage> LoadGuestImage(const std::filesystem::path& directory) {
  const std::string doing = "read guest image '" + directory.string() + "'";
  const auto text = ReadFile(directory / "guest-image.json", kMaxJsonBytes);
  if (!text.ok() && text.error().code() == ErrorCode::kNotFound) {
    return Error(ErrorCode::kNotFound, doing +
                                           ": it has no guest-image.json; 'make build' makes one, "
                                           "guest_image_dir in the shim's configuration names it");
  }
  if (!text.ok()) return Error(text.error()).While(doing);
  return Parse(directory, *text).While(doing);
}

std::string BootCmdline(const GuestImage& image, std::string_view kernel_params) {
  if (kernel_params.empty()) return image.cmdline;
  return image.cmdline + " " + std::string(kernel_params);
}

}  // namespace locket::runtime_shim
