// containerd's filter language (its filters package), over snapshots.
//
//   parent=="sha256:ab",labels."containerd.io/snapshot.ref"==sha256:cd
//
// A filter is selectors joined by commas, all of which must hold. A selector is a field, an
// operator and a value: == (equals), != (differs, or is absent), ~= (matches a regular expression,
// RE2), or a field alone (is present).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "snapshotter/store/snapshot.h"

namespace locket::snapshotter {

// A value: nothing changes it, so any thread may use it.
class Filter {
 public:
  // Parses one filter. Fields are name, parent, kind (view, active, committed) and labels.<key>;
  // parts of a path may be quoted. An unknown field is never present, as in containerd.
  // kInvalidArgument: the filter or its regular expression does not parse; the message shows where.
  static Result<Filter> Parse(std::string_view text);

  Filter(Filter&&) noexcept;
  Filter& operator=(Filter&&) noexcept;
  ~Filter();

  // Whether all selectors hold.
  bool Matches(const Snapshot& snapshot) const;

 private:
  struct Selector;
  explicit Filter(std::vector<Selector> selectors);
  std::vector<Selector> selectors_;
};

// Whether any of `filters` matches. If there are none, every snapshot matches.
bool MatchesAny(std::span<const Filter> filters, const Snapshot& snapshot);

}  // namespace locket::snapshotter
