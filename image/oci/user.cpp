#include "image/oci/user.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <optional>

namespace locket::image {
namespace {

constexpr uint32_t kMaxId = (1U << 31) - 1;  // as Docker: beyond it, ids turn negative somewhere

std::optional<uint32_t> Number(std::string_view text) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > kMaxId) return {};
  return value;
}

bool AllDigits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

// The first line of a passwd- or group-like file that `wanted` accepts; lines with fewer than
// `least` fields are passed over, as the C library does.
std::optional<std::vector<std::string_view>> FindLine(
    std::string_view text, size_t least,
    const std::function<bool(const std::vector<std::string_view>&)>& wanted) {
  for (const auto line : Split(text, '\n')) {
    auto fields = Split(line, ':');
    if (fields.size() >= least && wanted(fields)) return fields;
  }
  return {};
}

Result<uint32_t> IdIn(std::string_view field, std::string_view file) {
  const auto id = Number(field);
  if (id) return *id;
  return Error(ErrorCode::kInvalidArgument, "the image's " + std::string(file) +
                                                " holds a number above 2147483647 or none at all");
}

Result<NumericUser> ResolveName(std::string_view name, std::string_view passwd_text) {
  const auto line = FindLine(passwd_text, 4, [&](const auto& fields) { return fields[0] == name; });
  if (!line) {
    return Error(ErrorCode::kNotFound, "the image's /etc/passwd has no user '" + std::string(name) +
                                           "'; set USER to numbers instead");
  }
  LOCKET_TRY_ASSIGN(const uint32_t uid, IdIn((*line)[2], "/etc/passwd"));
  LOCKET_TRY_ASSIGN(const uint32_t gid, IdIn((*line)[3], "/etc/passwd"));
  return NumericUser{.uid = uid, .gid = gid};
}

Result<NumericUser> ResolveNumber(std::string_view digits, std::string_view passwd_text) {
  const auto uid = Number(digits);
  if (!uid) {
    return Error(ErrorCode::kInvalidArgument,
                 "user " + std::string(digits) + " is above 2147483647");
  }
  const auto line =
      FindLine(passwd_text, 4, [&](const auto& fields) { return Number(fields[2]) == uid; });
  if (!line) return NumericUser{.uid = *uid, .gid = 0};
  LOCKET_TRY_ASSIGN(const uint32_t gid, IdIn((*line)[3], "/etc/passwd"));
  return NumericUser{.uid = *uid, .gid = gid};
}

Result<uint32_t> ResolveGroup(std::string_view group, std::string_view group_text) {
  if (AllDigits(group)) {
    const auto gid = Number(group);
    if (gid) return *gid;
    return Error(ErrorCode::kInvalidArgument,
                 "group " + std::string(group) + " is above 2147483647");
  }
  const auto line = FindLine(group_text, 3, [&](const auto& fields) { return fields[0] == group; });
  if (line) return IdIn((*line)[2], "/etc/group");
  return Error(ErrorCode::kNotFound, "the image's /etc/group has no group '" + std::string(group) +
                                         "'; set USER to numbers instead");
}

}  // namespace

std::string NumericUser::ToText() const { return std::to_string(uid) + ":" + std::to_string(gid); }

Result<NumericUser> ResolveUser(std::string_view user, std::string_view passwd_text,
                                std::string_view group_text) {
  const std::string doing = "resolve USER '" + std::string(user) + "'";
  const auto parts = Split(user, ':');
  if (parts.size() > 2) {
    return Error(ErrorCode::kInvalidArgument, doing + ": more than one colon");
  }
  const std::string_view name = parts[0].empty() ? "0" : parts[0];
  LOCKET_TRY_ASSIGN(NumericUser resolved, (AllDigits(name) ? ResolveNumber(name, passwd_text)
                                                           : ResolveName(name, passwd_text))
                                              .While(doing));
  if (parts.size() == 2 && !parts[1].empty()) {
    LOCKET_TRY_ASSIGN(resolved.gid, ResolveGroup(parts[1], group_text).While(doing));
  }
  return resolved;
}

Account AccountOf(uint32_t uid, std::string_view passwd_text, std::string_view group_text) {
  Account account;
  const auto user =
      FindLine(passwd_text, 4, [&](const auto& fields) { return Number(fields[2]) == uid; });
  if (!user) return account;
  if (user->size() > 5) account.home = (*user)[5];
  for (const auto line : Split(group_text, '\n')) {
    const auto fields = Split(line, ':');
    if (fields.size() < 4 || fields[0] == (*user)[0]) continue;
    const auto gid = Number(fields[2]);
    const auto members = Split(fields[3], ',');
    if (gid && std::ranges::find(members, (*user)[0]) != members.end()) {
      account.groups.push_back(*gid);
    }
  }
  return account;
}

Result<NumericUser> ParseNumericUser(std::string_view text) {
  const auto parts = Split(text, ':');
  if (parts.size() == 2 && AllDigits(parts[0]) && AllDigits(parts[1])) {
    const auto uid = Number(parts[0]);
    const auto gid = Number(parts[1]);
    if (uid && gid) {
      const NumericUser user{.uid = *uid, .gid = *gid};
      if (user.ToText() == text) return user;  // no leading zeros
    }
  }
  return Error(ErrorCode::kInvalidArgument,
               "user '" + std::string(text) + "' is not 'uid:gid' in numbers");
}

}  // namespace locket::image
