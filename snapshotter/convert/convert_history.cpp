#include "snapshotter/convert/convert_history.h"

namespace locket::snapshotter {
namespace {

constexpr size_t kMaxFailures = 16;

void ForgetIn(std::vector<FailedConversion>& failed, const std::string& reference) {
  std::erase_if(failed, [&](const FailedConversion& one) { return one.image == reference; });
}

}  // namespace

void ConvertHistory::LayerBegan() {
  const std::lock_guard lock(mutex_);
  ++figures_.layers_running;
}

void ConvertHistory::LayerEnded(const Status& outcome,
                                std::chrono::steady_clock::time_point began) {
  const std::lock_guard lock(mutex_);
  --figures_.layers_running;
  figures_.busy_ms +=
      std::chrono::duration_cast<std::chrono::milliseconds>(clock_.Steady() - began);
  if (!outcome.ok() && outcome.error().code() != ErrorCode::kCancelled) ++figures_.layers_failed;
}

void ConvertHistory::LayerWasKnown() {
  const std::lock_guard lock(mutex_);
  ++figures_.layers_known;
}

void ConvertHistory::LayerWasConverted(uint64_t sealed_bytes) {
  const std::lock_guard lock(mutex_);
  ++figures_.layers_converted;
  figures_.sealed_bytes += sealed_bytes;
}

void ConvertHistory::ImageWasConverted() {
  const std::lock_guard lock(mutex_);
  ++figures_.images_converted;
}

void ConvertHistory::ImageFailed(const std::string& reference, const Error& error) {
  const std::lock_guard lock(mutex_);
  if (error.code() != ErrorCode::kCancelled) ++figures_.images_failed;
  RememberLocked(reference, error);
}

void ConvertHistory::Remember(const std::string& reference, const Error& error) {
  const std::lock_guard lock(mutex_);
  RememberLocked(reference, error);
}

void ConvertHistory::RememberLocked(const std::string& reference, const Error& error) {
  if (error.code() == ErrorCode::kCancelled) return;  // it goes on, or we end
  ForgetIn(failed_, reference);
  if (failed_.size() >= kMaxFailures) failed_.erase(failed_.begin());
  failed_.push_back({.image = reference, .problem = error.message(), .when = clock_.Now()});
}

void ConvertHistory::Forget(const std::string& reference) {
  const std::lock_guard lock(mutex_);
  ForgetIn(failed_, reference);
}

ConvertFigures ConvertHistory::figures() const {
  const std::lock_guard lock(mutex_);
  return figures_;
}

std::vector<FailedConversion> ConvertHistory::failures() const {
  const std::lock_guard lock(mutex_);
  return {failed_.rbegin(), failed_.rend()};
}

}  // namespace locket::snapshotter
