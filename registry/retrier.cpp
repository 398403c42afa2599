#include "registry/retrier.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <ctime>
#include <mutex>
#include <random>
#include <stop_token>

namespace locket::registry {
namespace {

using std::chrono::milliseconds;

bool WorthRetrying(const Result<HttpResponse>& outcome) {
  if (!outcome.ok()) {
    const auto code = outcome.error().code();
    return code == ErrorCode::kUnavailable || code == ErrorCode::kDeadlineExceeded;
  }
  return IsBusy(*outcome);
}

// Retry-After: seconds or a date. Negative: none.
milliseconds RetryAfter(const HttpResponse& response) {
  const std::string text = response.Header("retry-after");
  if (text.empty()) return milliseconds(-1);
  unsigned int seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error == std::errc() && end == text.data() + text.size()) {
    return std::chrono::seconds(seconds);
  }
  const time_t then = curl_getdate(text.c_str(), nullptr);
  if (then < 0) return milliseconds(-1);
  return std::chrono::seconds(std::max<time_t>(then - std::time(nullptr), 0));
}

void SleepUnlessStopped(milliseconds time, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, time, [] { return false; });
}

}  // namespace

bool IsBusy(const HttpResponse& response) {
  const long status = response.status;
  return status == 408 || status == 429 || status == 500 || (status >= 502 && status <= 504);
}

milliseconds Retrier::Delay(const Result<HttpResponse>& outcome) const {
  if (outcome.ok()) {
    const auto asked = RetryAfter(*outcome);
    if (asked >= milliseconds(0)) return std::min(asked, policy_.max_delay);
  }
  auto delay = policy_.first_delay;
  for (int i = 1; i < attempts_ && delay < policy_.max_delay; ++i) delay *= 2;
  // Not in step with others that failed at the same moment.
  thread_local std::minstd_rand random(std::random_device{}());
  delay += delay * static_cast<int>(random() % 256) / 1024;
  return std::min(delay, policy_.max_delay);
}

bool Retrier::Again(const Result<HttpResponse>& outcome) {
  ++attempts_;
  if (!WorthRetrying(outcome) || attempts_ >= max_attempts_ || call_.stop.stop_requested()) {
    return false;
  }
  const auto delay = Delay(outcome);
  if (call_.on_pause) call_.on_pause(delay);
  if (policy_.wait) {
    policy_.wait(delay, call_.stop);
  } else {
    SleepUnlessStopped(delay, call_.stop);
  }
  return !call_.stop.stop_requested();
}

}  // namespace locket::registry
