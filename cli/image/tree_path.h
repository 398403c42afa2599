// The position of a walk through a file tree.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace locket::cli {

// Names the current file in messages, and bounds how deep a walk recurses into an image that may be
// hostile. Begins at the root. Enter() and Leave() come in pairs.
class TreePath {
 public:
  // Goes down to `name`. kDataLoss: the path would be longer than any that Linux accepts; the
  // position stays as it is.
  Status Enter(std::string_view name) {
    if (text_.size() + 1 + name.size() > kMaxBytes) {
      return Error(ErrorCode::kDataLoss, "the path is longer than 4095 bytes");
    }
    starts_.push_back(text_.size());
    text_.append("/").append(name);
    return Ok();
  }
  void Leave() {
    text_.resize(starts_.back());
    starts_.pop_back();
  }

  // Returns the absolute path: "/usr/bin", or "/" at the root.
  std::string Text() const { return text_.empty() ? "/" : text_; }
  // Returns the path from the root: "usr/bin", or "." at the root.
  std::string Relative() const { return text_.empty() ? "." : text_.substr(1); }

 private:
  static constexpr size_t kMaxBytes = 4095;  // PATH_MAX without its zero byte
  std::string text_;
  std::vector<size_t> starts_;
};

}  // namespace locket::cli
