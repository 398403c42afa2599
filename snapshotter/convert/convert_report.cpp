// The part of Converter that tells of it.
#include "snapshotter/convert/convert_report.h"

#include <algorithm>

#include "snapshotter/convert/converter.h"
#include "snapshotter/convert/converter_jobs.h"

namespace locket::snapshotter {
namespace {

constexpr size_t kMaxFailures = 16;

}  // namespace

void Converter::NoteFailure(const std::string& reference, const Error& error) {
  const std::lock_guard lock(mutex_);
  Remember(reference, error);
}

void Converter::Remember(const std::string& reference, const Error& error) {
  if (error.code() == ErrorCode::kCancelled) return;  // it goes on, or we end
  Forget(reference);
  if (failed_.size() >= kMaxFailures) failed_.erase(failed_.begin());
  failed_.push_back({.image = reference, .problem = error.message(), .when = deps_.clock.Now()});
}

void Converter::Forget(const std::string& reference) {
  std::erase_if(failed_, [&](const FailedConversion& one) { return one.image == reference; });
}

// mutex_ is held. A layer is done.
void Converter::Count(const Status& outcome, std::chrono::steady_clock::time_point began) {
  --figures_.layers_running;
  figures_.busy_ms +=
      std::chrono::duration_cast<std::chrono::milliseconds>(deps_.clock.Steady() - began);
  if (!outcome.ok() && outcome.error().code() != ErrorCode::kCancelled) ++figures_.layers_failed;
}

ConvertFigures Converter::figures() const {
  const std::lock_guard lock(mutex_);
  ConvertFigures figures = figures_;
  figures.layers_waiting = layers_.size() - figures.layers_running;
  return figures;
}

ConvertReport Converter::report() const {
  ConvertReport report{.enabled = deps_.options.enabled, .directory = deps_.root.converting()};
  std::error_code unknown;
  const auto space = std::filesystem::space(report.directory, unknown);
  if (!unknown) report.free_bytes = space.available;
  const std::lock_guard lock(mutex_);
  report.failures.assign(failed_.rbegin(), failed_.rend());
  return report;
}

}  // namespace locket::snapshotter
