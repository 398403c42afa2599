// USER of an image config to numbers, with the image's own passwd and group.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace locket::image {

struct NumericUser {
  uint32_t uid;
  uint32_t gid;

  std::string ToText() const;  // "uid:gid"
  bool operator==(const NumericUser&) const = default;
};

// As Docker does: "", "user", "uid", "user:group", "uid:gid" and mixtures. Digits are always a
// number. Without a group: the user's from passwd, or 0 if passwd does not know the number.
// kNotFound: a name that the file lacks. kInvalidArgument: malformed or above 2^31-1.
Result<NumericUser> ResolveUser(std::string_view user, std::string_view passwd_text,
                                std::string_view group_text);

// "uid:gid", digits only. kInvalidArgument: anything else.
Result<NumericUser> ParseNumericUser(std::string_view text);

// What an image's files say of a user.
struct Account {
  std::string home{};              // empty: passwd has no such user, or no directory for it
  std::vector<uint32_t> groups{};  // whose members it is among, in the order of the file

  bool operator==(const Account&) const = default;
};

// As containerd does: the first line of passwd with this number names the user, and the groups that
// list this name are its supplementary ones. Malformed lines are passed over.
Account AccountOf(uint32_t uid, std::string_view passwd_text, std::string_view group_text);

}  // namespace locket::image
