#include "cli/progress.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ostream>

namespace locket::cli {
namespace {

constexpr std::chrono::milliseconds kRedraw{100};
constexpr size_t kBarWidth = 24;
constexpr std::string_view kClearLine = "\r\x1b[K";

}  // namespace

std::string HumanBytes(uint64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text.data();
}

void Progress::Start(const std::string& step, uint64_t total) {
  const MutexLock lock(mutex_);
  step_ = step;
  done_ = 0;
  total_ = total;
  drawn_ = {};
}

void Progress::Update(uint64_t done) {
  const MutexLock lock(mutex_);
  done_ = done;
  Draw();
}

void Progress::Add(uint64_t more) {
  const MutexLock lock(mutex_);
  done_ += more;
  Draw();
}

void Progress::Draw() {
  if (!terminal_) return;
  const auto now = clock_.Steady();
  if (drawn_ != std::chrono::steady_clock::time_point{} && now - drawn_ < kRedraw) return;
  drawn_ = now;
  err_ << kClearLine << step_ << " ";
  if (total_ > 0) {
    const auto part = static_cast<double>(std::min(done_, total_)) / static_cast<double>(total_);
    const auto filled = static_cast<size_t>(part * kBarWidth);
    err_ << "[" << std::string(filled, '#') << std::string(kBarWidth - filled, '.') << "] ";
  }
  err_ << HumanBytes(done_);
  if (total_ > 0) err_ << " of " << HumanBytes(total_);
  err_.flush();
}

void Progress::Finish(const std::string& outcome) {
  const MutexLock lock(mutex_);
  if (terminal_) err_ << kClearLine;
  err_ << step_ << ": " << outcome << "\n";
  err_.flush();
}

void Progress::Clear() {
  const MutexLock lock(mutex_);
  if (!terminal_) return;
  err_ << kClearLine;
  err_.flush();
}

}  // namespace locket::cli
