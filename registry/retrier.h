// When to try again.
#pragma once

#include "base/result.h"
#include "registry/client.h"
#include "registry/http.h"

namespace locket::registry {

// True for 408, 429 and those 5xx that pass by themselves.
bool IsBusy(const HttpResponse& response);

// Counts the attempts of one request.
class Retrier {
 public:
  Retrier(const RetryPolicy& policy, const CallOptions& call, int max_attempts)
      : policy_(policy), call_(call), max_attempts_(max_attempts) {}

  // True if another attempt is worth it: connection troubles, stalls, 408, 429, 5xx, and attempts
  // left. Waits first.
  bool Again(const Result<HttpResponse>& outcome);
  // Something got through: what failed before no longer counts.
  void Reset() { attempts_ = 0; }

 private:
  std::chrono::milliseconds Delay(const Result<HttpResponse>& outcome) const;

  const RetryPolicy& policy_;
  const CallOptions& call_;
  int max_attempts_;
  int attempts_ = 0;
};

}  // namespace locket::registry
