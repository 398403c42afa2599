// What a pax extended header says about the entry after it ("LENGTH KEY=VALUE\n", POSIX.1-2001),
// read as Go's archive/tar reads it: nothing malformed is guessed at.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace locket::erofs {

struct PaxTime {
  int64_t seconds;
  uint32_t nanoseconds;  // below 10^9; counts forward, also before 1970

  bool operator==(const PaxTime&) const = default;
};

class PaxRecords {
 public:
  // Of one key's records the last counts. kInvalidArgument: a record is malformed.
  static Result<PaxRecords> Parse(std::string_view text);

  // The value of `key`. Nothing if there is none or it is empty, which means that the header's own
  // field holds.
  std::optional<std::string_view> Find(std::string_view key) const;

  // As Find. kInvalidArgument: the value is not a decimal number that fits.
  Result<std::optional<int64_t>> FindNumber(std::string_view key) const;

  // As Find. kInvalidArgument: the value is not "SECONDS" or "SECONDS.FRACTION".
  Result<std::optional<PaxTime>> FindTime(std::string_view key) const;

  // The values of GNU.sparse.offset and GNU.sparse.numbytes, which alternate, in their order.
  const std::vector<int64_t>& sparse_numbers() const { return sparse_numbers_; }

  // Every key and its value, empty values too.
  const std::map<std::string, std::string, std::less<>>& all() const { return records_; }

 private:
  Status Add(std::string_view key, std::string_view value);

  std::map<std::string, std::string, std::less<>> records_;
  std::vector<int64_t> sparse_numbers_;
};

// All of `text` as a decimal number, with or without a sign.
std::optional<int64_t> DecimalNumber(std::string_view text);

}  // namespace locket::erofs
