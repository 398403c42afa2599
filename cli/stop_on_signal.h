// SIGINT and SIGTERM as a stop token, for work that ends itself in good order.
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

  std::stop_source source_;
  UniqueFd signals_;
  UniqueFd end_;
  std::thread thread_;
};

}  // namespace locket::cli
