#include "guest-agent/policy/volumes.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <set>

namespace locket::guest_agent {
namespace {

constexpr size_t kMaxVolumes = 256;
constexpr size_t kMaxNameBytes = 253;

// Mounts the guest makes itself whatever the host says.
bool IsGuestMount(std::string_view destination) {
  static const std::set<std::string_view> kOwn = {
      "/proc",       "/dev",          "/dev/pts",         "/dev/shm",
      "/dev/mqueue", "/sys",          "/sys/fs/cgroup",   "/run",
      "/etc/hosts",  "/etc/hostname", "/etc/resolv.conf", "/dev/termination-log"};
  return kOwn.contains(destination);
}

bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes && name.front() != '.' &&
         std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.';
         });
}

// Takes the last component off `path` and returns it; empty if `path` has no slash.
std::string_view TakeLast(std::string_view& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string_view::npos) return {};
  const std::string_view last = path.substr(slash + 1);
  path.remove_suffix(path.size() - slash);
  return last;
}

bool Contains(const std::vector<std::string>& texts, const std::string& text) {
  return std::ranges::find(texts, text) != texts.end();
}

}  // namespace

std::optional<std::string> EmptyVolumeName(std::string_view source) {
  if (!source.starts_with('/')) return std::nullopt;
  const std::string_view name = TakeLast(source);
  if (!IsName(name) || TakeLast(source) != "kubernetes.io~empty-dir" ||
      TakeLast(source) != "volumes" || !IsName(TakeLast(source)) || TakeLast(source) != "pods") {
    return std::nullopt;
  }
  return std::string(name);
}

ChosenVolumes ChooseVolumes(const std::vector<HostMount>& mounts,
                            const std::vector<std::string>& allowed) {
  ChosenVolumes chosen;
  std::set<std::string> taken;
  for (const HostMount& mount : mounts) {
    const auto name = EmptyVolumeName(mount.source);
    const bool is_allowed = Contains(allowed, mount.destination);
    if (name && is_allowed && taken.insert(mount.destination).second) {
      chosen.mounts.push_back({.name = *name,
                               .destination = mount.destination,
                               .read_only = Contains(mount.options, "ro")});
      continue;
    }
    if (IsGuestMount(mount.destination)) continue;
    std::string what = "mount at '" + mount.destination + "'";
    if (name && !is_allowed) what += " (an empty volume: see allow_volumes of initdata's [agent])";
    chosen.left_out.push_back(std::move(what));
  }
  return chosen;
}

void EmptyVolumes::UseScratch(std::filesystem::path scratch) {
  const std::lock_guard lock(mutex_);
  scratch_ = std::move(scratch);
}

Result<std::filesystem::path> EmptyVolumes::Parent() {
  if (scratch_.empty() && memory_) return directory_;
  const auto parent = scratch_.empty() ? directory_.parent_path() : scratch_ / "volumes";
  std::error_code error;
  std::filesystem::create_directories(parent, error);
  if (error) return Error::FromErrno(error.value(), "make '" + parent.string() + "'");
  if (!scratch_.empty()) return parent;
  LOCKET_TRY_ASSIGN(auto memory, device::Mounted::Create(mounts_, {.source = "tmpfs",
                                                                   .target = directory_.string(),
                                                                   .type = "tmpfs",
                                                                   .data = "mode=0711",
                                                                   .nodev = true,
                                                                   .nosuid = true}));
  memory_.emplace(std::move(memory));
  return directory_;
}

Result<std::filesystem::path> EmptyVolumes::Open(const std::string& name) {
  const std::lock_guard lock(mutex_);
  if (const auto found = open_.find(name); found != open_.end()) return found->second;
  if (!IsName(name)) return Error(ErrorCode::kInvalidArgument, "no volume can be called that");
  const std::string doing = "volume '" + name + "'";
  if (open_.size() >= kMaxVolumes) {
    return Error(ErrorCode::kResourceExhausted, doing + ": too many volumes");
  }
  LOCKET_TRY_ASSIGN(const auto parent, Parent().While(doing));
  const auto directory = parent / name;
  // As kubelet's: for whatever user the containers run as. The umask has no say in chmod(2).
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return Error::FromErrno(errno, doing + ": make directory");
  }
  if (::chmod(directory.c_str(), 0777) != 0) {
    return Error::FromErrno(errno, doing + ": set the directory's mode");
  }
  open_.emplace(name, directory);
  return directory;
}

}  // namespace locket::guest_agent
