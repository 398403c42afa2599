#include "guest-agent/process/exit_notices.h"

#include <sys/wait.h>

#include <algorithm>

#include "base/file.h"

namespace locket::guest_agent {
namespace {

// Strays (grandchildren of crun) leave records that nobody claims.
constexpr size_t kMaxUnclaimed = 4096;

int ShellStatus(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

}  // namespace

ExitNotices::ExitNotices(UniqueFd pipe) : pipe_(std::move(pipe)), reader_([this] { ReadAll(); }) {}

ExitNotices::~ExitNotices() { reader_.join(); }

void ExitNotices::ReadAll() {
  ExitRecord record{};
  while (ReadFull(pipe_.get(), std::as_writable_bytes(std::span(&record, 1))).ok()) {
    const std::lock_guard lock(mutex_);
    entries_.push_back({.mark = next_++,
                        .pid = record.pid,
                        .notice = {.exit_status = ShellStatus(record.wait_status),
                                   .at = std::chrono::system_clock::now()}});
    if (entries_.size() > kMaxUnclaimed) entries_.pop_front();
    changed_.notify_all();
  }
  const std::lock_guard lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

ExitNotices::Mark ExitNotices::Now() {
  const std::lock_guard lock(mutex_);
  return next_;
}

Result<ExitNotice> ExitNotices::Await(pid_t pid, Mark since) {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto it = std::find_if(entries_.begin(), entries_.end(),
                                 [&](const Entry& e) { return e.pid == pid && e.mark >= since; });
    if (it != entries_.end()) {
      const ExitNotice notice = it->notice;
      entries_.erase(it);
      return notice;
    }
    if (ended_) return Error(ErrorCode::kUnavailable, "the guest is going down");
    changed_.wait(lock);
  }
}

}  // namespace locket::guest_agent
