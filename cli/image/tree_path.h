// Where a walk through a file tree is, for messages and for a bound on its depth.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace locket::cli {

class TreePath {
 public:
  // kDataLoss: deeper than any path Linux takes, so a walk that recurses ends here.
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

  // "/usr/bin"; "/" is the root.
  std::string Text() const { return text_.empty() ? "/" : text_; }
  // "usr/bin"; "." is the root.
  std::string Relative() const { return text_.empty() ? "." : text_.substr(1); }

 private:
  static constexpr size_t kMaxBytes = 4095;  // PATH_MAX without its zero byte
  std::string text_;
  std::vector<size_t> starts_;
};

}  // namespace locket::cli
