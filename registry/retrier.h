// Decides whether a failed request is tried again, and waits before it.
#pragma once

#include "base/result.h"
#include "registry/client.h"
#include "registry/http.h"

namespace locket::registry {

// True for 408, 429 and those 5xx that pass by themselves.
bool IsBusy(const HttpResponse& response);

// Counts the attempts of one request. For one thread.
class Retrier {
 public:
  Retrier(const RetryPolicy& policy, const CallOptions& call, int max_attempts)
      : policy_(policy), call_(call), max_attempts_(max_attempts) {}

  // Returns true if `outcome` can pass by itself (connection troubles, stalls, 408, 429, 5xx) and
  // attempts are left; then it has waited already, as long as RetryPolicy and a Retry-After header
  // say. Returns false at once otherwise, and when the call is cancelled while it waits.
  bool Again(const Result<HttpResponse>& outcome);
  // Forgets the failed attempts, because bytes got through since.
  void Reset() { attempts_ = 0; }

 private:
  std::chrono::milliseconds Delay(const Result<HttpResponse>& outcome) const;

  const RetryPolicy& policy_;
  const CallOptions& call_;
  int max_attempts_;
  int attempts_ = 0;
};

}  // namespace locket::registry
