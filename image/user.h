// USER of an image config to numbers, with the image's own passwd and group.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

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

}  // namespace locket::image
