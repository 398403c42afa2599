// containerd's filter language over snapshots: `field op value` joined by commas (all must hold),
// several filters of which any must match. Operators: ==, !=, ~= (RE2), or none (is present).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "snapshotter/store/snapshot.h"

namespace locket::snapshotter {

class Filter {
 public:
  // Fields: name, parent, kind (view, active, committed) and labels.<key>; parts of a path may be
  // quoted. An unknown field is never present, as containerd has it. kInvalidArgument: it does not
  // parse, or its regular expression does not; the message shows where.
  static Result<Filter> Parse(std::string_view text);

  Filter(Filter&&) noexcept;
  Filter& operator=(Filter&&) noexcept;
  ~Filter();

  bool Matches(const Snapshot& snapshot) const;

 private:
  struct Selector;
  explicit Filter(std::vector<Selector> selectors);
  std::vector<Selector> selectors_;
};

// Whether any of `filters` matches; no filter matches everything.
bool MatchesAny(std::span<const Filter> filters, const Snapshot& snapshot);

}  // namespace locket::snapshotter
