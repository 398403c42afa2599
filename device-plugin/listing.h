// What would be announced, and why not more: `--list`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "device-plugin/options.h"

namespace locket::device_plugin {

// The count of what `resource` is about, as CountTee's; an emulated one is as large as configured.
Result<TeeCount> Count(const Resource& resource, const std::filesystem::path& root);

// How many devices `resource` has to offer.
uint64_t Devices(const Resource& resource, const TeeCount& count);

struct ListedResource {
  Resource resource;
  TeeCount count;
  uint64_t devices = 0;
};

// Of each resource that has a name. As CountTee, for the first that cannot be counted.
Result<std::vector<ListedResource>> List(const Options& options);

std::string AsText(const std::vector<ListedResource>& listed);  // a table
std::string AsJson(const std::vector<ListedResource>& listed);  // an array

}  // namespace locket::device_plugin
