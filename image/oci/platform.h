// Which image of an index a platform gets, by the rules of containerd's matcher
// (github.com/containerd/platforms), so that a tenant's tool and a node choose the same one.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace locket::image {

// As an index or a config says it. Empty fields were not given.
struct Platform {
  std::string architecture;
  std::string os;
  std::string variant{};
  std::vector<std::string> os_features{};
  std::string extra = "{}";  // what else there was, a JSON object

  // "linux/arm/v7"
  std::string ToText() const;
  // What a build leaves in an index beside its images, such as attestations, is for
  // "unknown/unknown".
  bool IsUnknown() const { return os == "unknown" || architecture == "unknown"; }

  bool operator==(const Platform&) const = default;
};

// Linux on the machine this program was built for.
Platform HostPlatform();

// How well an image for `offered` serves `wanted`: 0 is best, nothing means that it does not run
// there. Names are compared in their usual form: no operating system is linux, x86_64 is amd64, no
// variant is amd64/v1, arm64/v8 and arm/v7. A machine also runs what is made for an earlier one:
// amd64/v3 runs v2, v1 and 386; arm/v7 runs v6 and v5; arm64 runs arm. What needs a feature of the
// operating system runs nowhere, as nobody asks for one; its version is not looked at.
std::optional<size_t> PlatformRank(const Platform& wanted, const Platform& offered);

}  // namespace locket::image
