#include "runtime-shim/host/cgroup_place.h"

#include <algorithm>
#include <climits>
#include <set>
#include <sstream>

namespace locket::runtime_shim {
namespace {

constexpr std::string_view kOurs = "locket-";
constexpr size_t kMaxIdInName = 32;
constexpr std::string_view kSlice = ".slice";

Error Bad(std::string_view path, const std::string& why) {
  return {ErrorCode::kInvalidArgument,
          "cgroupsPath '" + std::string(path.substr(0, kMaxCgroupsPath)) + "': " + why};
}

std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  size_t start = 0;
  for (size_t end = 0; end != std::string_view::npos; start = end + 1) {
    end = text.find(separator, start);
    parts.emplace_back(text.substr(start, end - start));
  }
  return parts;
}

// "a-b-c.slice" is a.slice/a-b.slice/a-b-c.slice; "-.slice" is the root (systemd.slice(5)).
Result<std::filesystem::path> ExpandSlice(std::string_view path, std::string_view slice) {
  if (slice == "-.slice") return std::filesystem::path();
  if (!slice.ends_with(kSlice) || slice.find('/') != std::string_view::npos) {
    return Bad(path, "'" + std::string(slice) + "' is no slice");
  }
  slice.remove_suffix(kSlice.size());
  std::filesystem::path expanded;
  std::string unit;
  for (const std::string& part : Split(slice, '-')) {
    if (part.empty()) return Bad(path, "'" + std::string(slice) + ".slice' is no slice");
    unit += (unit.empty() ? "" : "-") + part;
    expanded /= unit + std::string(kSlice);
  }
  return expanded;
}

// The parent of an absolute path, without its leading slash.
Result<std::filesystem::path> ParentOf(std::string_view path) {
  const std::filesystem::path whole(path);
  std::filesystem::path parent;
  for (const auto& part : whole.relative_path().parent_path()) {
    if (part == ".." || part == ".") return Bad(path, "'" + part.string() + "' in it");
    if (part.string().size() > NAME_MAX) return Bad(path, "a name in it is too long");
    if (!part.empty()) parent /= part;
  }
  if (whole.filename().empty() || whole.filename() == ".." || whole.filename() == ".") {
    return Bad(path, "no name at its end");
  }
  return parent;
}

// proc(5): space, tab, newline and backslash are three octal digits.
std::string Unescape(std::string_view text) {
  const auto octal = [](char c) { return c >= '0' && c <= '7'; };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && text[i + 1] <= '3' &&
        std::ranges::all_of(text.substr(i + 1, 3), octal)) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                               (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

bool Contains(const std::vector<std::string>& list, std::string_view word) {
  return std::ranges::find(list, word) != list.end();
}

}  // namespace

Result<CgroupPlace> PlaceInCgroups(std::string_view path, std::string_view id) {
  if (path.size() > kMaxCgroupsPath) return Bad(path, "too long");
  if (std::ranges::any_of(path, [](unsigned char c) { return c < 0x20 || c == 0x7f; })) {
    return Bad(path, "not printable");
  }
  std::string name = std::string(kOurs) + std::string(id.substr(0, kMaxIdInName));
  if (path.starts_with('/')) {
    LOCKET_TRY_ASSIGN(auto parent, ParentOf(path));
    return CgroupPlace{.parent = std::move(parent), .name = std::move(name)};
  }
  const auto parts = Split(path, ':');
  if (parts.size() != 3) return Bad(path, "neither an absolute path nor slice:prefix:name");
  LOCKET_TRY_ASSIGN(auto parent, ExpandSlice(path, parts[0]));
  return CgroupPlace{.parent = std::move(parent), .name = name + ".scope"};
}

bool CgroupMount::Has(std::string_view controller) const {
  return Contains(controllers, controller);
}

std::vector<CgroupMount> ParseCgroupMounts(std::string_view mountinfo) {
  std::vector<CgroupMount> mounts;
  std::set<std::string> devices;
  std::istringstream lines{std::string(mountinfo)};
  for (std::string line; std::getline(lines, line);) {
    // id parent major:minor root mount-point options [tags...] - type source super-options
    const auto fields = Split(line, ' ');
    const auto dash = std::ranges::find(fields, "-");
    if (fields.end() - dash < 4 || dash - fields.begin() < 6) continue;
    const std::string& type = *(dash + 1);
    if (type != "cgroup" && type != "cgroup2") continue;
    const std::string mount_point = Unescape(fields[4]);
    if (!mount_point.starts_with('/') || mount_point.find('\n') != std::string::npos) continue;
    if (!devices.insert(fields[2]).second) continue;  // the same one, mounted again
    const auto super_options = Split(*(dash + 3), ',');
    CgroupMount mount{.mount_point = mount_point, .unified = type == "cgroup2"};
    mount.read_only = Contains(super_options, "ro") || Contains(Split(fields[5], ','), "ro");
    if (!mount.unified) mount.controllers = super_options;
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

}  // namespace locket::runtime_shim
