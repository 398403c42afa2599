// The layers that --encrypt-layers names.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace locket::cli {

// "all", "none", or numbers and ranges "A..B", "A..", "..B" separated by commas. A range includes
// both ends. Numbers count from 0 at the bottom; negative ones from -1 at the top. How many layers
// there are is not known before the image is read, so that check is For()'s.
class LayerSelection {
 public:
  // kInvalidArgument: a text of another form.
  static Result<LayerSelection> FromText(std::string_view text);

  // Whether the text was "none".
  bool none() const { return ranges_.empty(); }

  // Returns for each layer of an image, bottom first, whether it is named. kInvalidArgument: the
  // text has a number that the image does not have.
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
