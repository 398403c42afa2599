#include "image/oci/platform.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <string_view>
#include <utility>

namespace locket::image {
namespace {

struct Machine {
  std::string architecture;
  std::string variant;

  bool operator==(const Machine&) const = default;
};

std::string Lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string NormalOs(const Platform& platform) {
  const std::string os = Lower(platform.os);
  if (os.empty()) return "linux";
  return os == "macos" ? "darwin" : os;
}

std::string NormalArmVariant(const std::string& variant) {
  if (variant.empty()) return "v7";
  const bool digit = variant.size() == 1 && variant[0] >= '5' && variant[0] <= '8';
  return digit ? "v" + variant : variant;
}

// The usual name of each: with no variant where there is a usual one, except for arm.
Machine NormalMachine(const Platform& platform) {
  std::string name = Lower(platform.architecture);
  std::string variant = Lower(platform.variant);
  if (name == "i386") return {"386", ""};
  if (name == "armhf") return {"arm", "v7"};
  if (name == "armel") return {"arm", "v6"};
  if (name == "arm") return {"arm", NormalArmVariant(variant)};
  if (name == "x86_64" || name == "x86-64") name = "amd64";
  if (name == "aarch64") name = "arm64";
  if (name == "amd64" && variant == "v1") variant.clear();
  if (name == "arm64" && (variant == "8" || variant == "v8")) variant.clear();
  return {std::move(name), std::move(variant)};
}

struct Version {
  int major;
  int minor;
};

// "v8.3"; two digits each at most, which bounds the loops over them.
std::optional<Version> ParseVariant(std::string_view text) {
  if (text.starts_with('v')) text.remove_prefix(1);
  const auto number = [](std::string_view digits) -> std::optional<int> {
    int value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    const bool whole = error == std::errc() && end == digits.data() + digits.size();
    return whole && value >= 0 && digits.size() <= 2 ? std::optional(value) : std::nullopt;
  };
  const size_t dot = text.find('.');
  const auto major = number(text.substr(0, dot));
  const auto minor = dot == std::string_view::npos ? 0 : number(text.substr(dot + 1));
  if (!major || !minor) return std::nullopt;
  return Version{*major, *minor};
}

void AddArm(const std::string& variant, std::vector<Machine>& runs) {
  runs.push_back({"arm", variant});
  const auto version = ParseVariant(variant);
  for (int v = version ? version->major - 1 : 0; v >= 5; --v) {
    runs.push_back({"arm", "v" + std::to_string(v)});
  }
}

// v8.3 runs v8.2 down to v8. v9.1 runs v9, and v8.6 down to v8, from which v9 parted at v8.5.
void AddArm64(const std::string& variant, std::vector<Machine>& runs) {
  runs.push_back({"arm64", variant});
  const auto version = variant.empty() ? Version{8, 0} : ParseVariant(variant);
  const auto add = [&](int major, int minor) {
    const std::string name = "v" + std::to_string(major);
    const bool plain = major == 8 && minor == 0;
    runs.push_back({"arm64", plain ? "" : name + (minor == 0 ? "" : "." + std::to_string(minor))});
  };
  if (version && (version->major == 8 || version->major == 9)) {
    for (int minor = version->minor - 1; minor >= 0; --minor) add(version->major, minor);
    if (version->major == 9) {
      for (int minor = version->minor + 5; minor >= 0; --minor) add(8, minor);
    }
    return AddArm("v8", runs);
  }
  AddArm(variant, runs);
}

// What runs on the machine, best first (containerd's platformVector).
std::vector<Machine> RunsOn(const Machine& machine) {
  std::vector<Machine> runs;
  if (machine.architecture == "arm") {
    AddArm(machine.variant, runs);
  } else if (machine.architecture == "arm64") {
    AddArm64(machine.variant, runs);
  } else {
    runs.push_back(machine);
  }
  if (machine.architecture == "amd64") {
    const auto version = ParseVariant(machine.variant);
    for (int v = version ? version->major - 1 : 0; v >= 1; --v) {
      runs.push_back({"amd64", v == 1 ? "" : "v" + std::to_string(v)});
    }
    runs.push_back({"386", ""});
  }
  return runs;
}

}  // namespace

std::string Platform::ToText() const {
  return os + "/" + architecture + (variant.empty() ? "" : "/" + variant);
}

Platform HostPlatform() {
#if defined(__x86_64__)
  return {.architecture = "amd64", .os = "linux"};
#elif defined(__aarch64__)
  return {.architecture = "arm64", .os = "linux"};
#else
#error "which OCI architecture is this?"
#endif
}

std::optional<size_t> PlatformRank(const Platform& wanted, const Platform& offered) {
  if (NormalOs(wanted) != NormalOs(offered) || !offered.os_features.empty()) return std::nullopt;
  const std::vector<Machine> runs = RunsOn(NormalMachine(wanted));
  const auto found = std::ranges::find(runs, NormalMachine(offered));
  if (found == runs.end()) return std::nullopt;
  return static_cast<size_t>(found - runs.begin());
}

}  // namespace locket::image
