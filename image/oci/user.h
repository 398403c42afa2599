// Turns the USER of an image config into numbers, with the image's own passwd and group files.
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

// Resolves `user` by Docker's rules: "", "user", "uid", "user:group", "uid:gid" and mixtures.
// Digits are always a number. Without a group it is the user's group in passwd, or 0 if passwd does
// not have that number. kNotFound: a name that its file does not have. kInvalidArgument: malformed,
// or a number above 2^31-1.
Result<NumericUser> ResolveUser(std::string_view user, std::string_view passwd_text,
                                std::string_view group_text);

// Reads "uid:gid" in digits. kInvalidArgument: any other text.
Result<NumericUser> ParseNumericUser(std::string_view text);

// What an image's account files say about a user.
struct Account {
  std::string home{};              // empty: passwd has no such user, or no directory for it
  std::vector<uint32_t> groups{};  // whose members it is among, in the order of the file

  bool operator==(const Account&) const = default;
};

// Returns the account of `uid` by containerd's rules: the first line of passwd with this number
// names the user, and the groups that list that name are its supplementary groups. Malformed lines
// are passed over, so this does not fail.
Account AccountOf(uint32_t uid, std::string_view passwd_text, std::string_view group_text);

}  // namespace locket::image
