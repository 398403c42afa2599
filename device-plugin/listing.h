// What would be announced, and why not more: `--list`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "device-plugin/options.h"

namespace locket::device_plugin {

// Returns the number of guests for the resource's TEE: CountTee's, or for the emulated one the
// configured number. Errors are CountTee's.
Result<TeeCount> Count(const Resource& resource, const std::filesystem::path& root);

// Returns how many devices `resource` has to offer: the count without the reserved ones.
uint64_t Devices(const Resource& resource, const TeeCount& count);

struct ListedResource {
  Resource resource;
  TeeCount count;
  uint64_t devices = 0;
};

// Returns each resource that has a name, in the order of the configuration. An error is CountTee's,
// of the first one that cannot be counted.
Result<std::vector<ListedResource>> List(const Options& options);

std::string AsText(const std::vector<ListedResource>& listed);  // a table
std::string AsJson(const std::vector<ListedResource>& listed);  // an array

}  // namespace locket::device_plugin
