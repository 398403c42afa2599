// Which layers --encrypt-layers means.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace locket::cli {

// "all", "none", or a list of numbers and ranges "A..B", "A..", "..B" separated by commas. Numbers
// count from 0 at the bottom; negative ones from the top, -1 being the topmost.
class LayerSelection {
 public:
  // kInvalidArgument: not such a text.
  static Result<LayerSelection> FromText(std::string_view text);

  bool none() const { return ranges_.empty(); }

  // One answer for each layer. kInvalidArgument: a number that the image does not have.
  Result<std::vector<bool>> For(size_t num_layers) const;

 private:
  struct Range {
    long first;
    long last;
    bool all;  // whatever there is, also nothing
  };
  std::vector<Range> ranges_;
};

}  // namespace locket::cli
