// SIGINT and SIGTERM as a stop token, for work that ends itself in good order. Whoever sees it take
// too long sends a second one, which ends the process as it stands (exit 130).
#pragma once

#include <memory>
#include <stop_token>
#include <thread>

#include "base/result.h"
#include "base/unique_fd.h"
#include "cli/context.h"

namespace locket::cli {

class StopOnSignal {
 public:
  static Result<std::unique_ptr<StopOnSignal>> Start(const Context& context);
  StopOnSignal(const StopOnSignal&) = delete;
  StopOnSignal& operator=(const StopOnSignal&) = delete;
  ~StopOnSignal();

  std::stop_token token() const { return source_.get_token(); }

 private:
  StopOnSignal(UniqueFd signals, UniqueFd end);
  bool WaitForSignal() const;  // false: the object dies

  std::stop_source source_;
  UniqueFd signals_;
  UniqueFd end_;
  std::thread thread_;
};

}  // namespace locket::cli
