// Any cgroupsPath is refused, or leads below each mount point; mounts are absolute; files of
// numbers are read without a fault.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "runtime-shim/host/cgroup_place.h"
#include "runtime-shim/host/cgroup_usage.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locket::runtime_shim;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const CgroupMount& mount : ParseCgroupMounts(text)) {
    if (!mount.mount_point.is_absolute()) std::abort();
    if (mount.mount_point.string().find('\n') != std::string::npos) std::abort();
  }
  (void)CgroupNumber(text);
  (void)CgroupKey(text, "usage_usec");
  const auto place = PlaceInCgroups(text, "id");
  if (!place.ok()) return 0;
  if (place->parent.is_absolute() || place->name.find('/') != std::string::npos) std::abort();
  for (const auto& part : place->parent) {
    if (part == ".." || part == "." || part.string().find('\n') != std::string::npos) std::abort();
  }
  return 0;
}
