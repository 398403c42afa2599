#include "guest-agent/policy/guest_account.h"

#include "image/oci/user.h"

namespace locket::guest_agent {
namespace {

constexpr size_t kMaxFileBytes = 1U << 20;
constexpr size_t kMaxGroups = 65535;  // the kernel's NGROUPS_MAX, but for the process's own group

Result<std::string> ReadIfPresent(const RootDirectory& root, const std::string& path) {
  auto text = root.ReadFile(path, kMaxFileBytes);
  if (!text.ok() && text.error().code() == ErrorCode::kNotFound) return std::string();
  return text;
}

}  // namespace

Status AddAccount(const RootDirectory& root, ImageProcess& process) {
  LOCKET_TRY_ASSIGN(const std::string passwd, ReadIfPresent(root, "/etc/passwd"));
  LOCKET_TRY_ASSIGN(const std::string group, ReadIfPresent(root, "/etc/group"));
  image::Account account = image::AccountOf(process.uid, passwd, group);
  if (account.groups.size() > kMaxGroups) {
    return Error(ErrorCode::kResourceExhausted,
                 "the image's /etc/group has the user in more than 65535 groups");
  }
  process.groups = std::move(account.groups);
  process.home = std::move(account.home);
  return Ok();
}

}  // namespace locket::guest_agent
