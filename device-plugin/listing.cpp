#include "device-plugin/listing.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace locket::device_plugin {
namespace {

std::string Padded(std::string text, size_t width) {
  text.resize(std::max(text.size(), width) + 2, ' ');
  return text;
}

}  // namespace

Result<TeeCount> Count(const Resource& resource, const std::filesystem::path& root) {
  if (resource.tee != Tee::kEmulated) {
    return CountTee(resource.tee, root).While("count '" + resource.name + "'");
  }
  const char* note = resource.emulated == 0 ? "off: [emulated] count is 0"
                                            : "EMULATED: not a TEE, it protects nothing";
  return TeeCount{.total = resource.emulated, .in_use = {}, .note = note};
}

uint64_t Devices(const Resource& resource, const TeeCount& count) {
  return count.total - std::min<uint64_t>(count.total, resource.reserved);
}

Result<std::vector<ListedResource>> List(const Options& options) {
  std::vector<ListedResource> listed;
  for (const Resource& resource : options.resources) {
    if (resource.name.empty()) continue;
    LOCKET_TRY_ASSIGN(TeeCount count, Count(resource, options.root));
    const uint64_t devices = Devices(resource, count);
    listed.push_back({.resource = resource, .count = std::move(count), .devices = devices});
  }
  return listed;
}

std::string AsText(const std::vector<ListedResource>& listed) {
  size_t width = 8;
  for (const auto& each : listed) width = std::max(width, each.resource.name.size());
  std::string text = Padded("RESOURCE", width) + "DEVICES  TOTAL  RESERVED  IN USE  NOTE\n";
  for (const auto& [resource, count, devices] : listed) {
    text.append(Padded(resource.name, width))
        .append(Padded(std::to_string(devices), 7))
        .append(Padded(std::to_string(count.total), 5))
        .append(Padded(std::to_string(resource.reserved), 8))
        .append(Padded(count.in_use ? std::to_string(*count.in_use) : "?", 6))
        .append(count.note.empty() ? "-" : count.note)
        .append("\n");
  }
  return text;
}

std::string AsJson(const std::vector<ListedResource>& listed) {
  nlohmann::ordered_json array = nlohmann::ordered_json::array();
  for (const auto& [resource, count, devices] : listed) {
    nlohmann::ordered_json entry{{"resource", resource.name},
                                 {"tee", Name(resource.tee)},
                                 {"devices", devices},
                                 {"total", count.total},
                                 {"reserved", resource.reserved}};
    entry["in_use"] = count.in_use ? nlohmann::ordered_json(*count.in_use) : nullptr;
    entry["note"] = count.note;
    array.push_back(std::move(entry));
  }
  return array.dump(2) + "\n";
}

}  // namespace locket::device_plugin
