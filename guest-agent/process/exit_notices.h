// How containers' first processes end. crun starts them and leaves, so they become children of PID
// 1, which reaps everything and writes a record for each into a pipe; the agent, its child, reads.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::guest_agent {

// As it crosses the pipe. Both ends are one binary.
struct ExitRecord {
  pid_t pid;
  int wait_status;  // as waitpid(2) gives it
};

struct ExitNotice {
  int exit_status;  // as a shell counts it: 128 + signal for a death by signal
  std::chrono::system_clock::time_point at;
  bool oom_killed = false;  // a process of the container was killed for want of memory
};

// Thread-safe.
class ExitNotices {
 public:
  // A point in time: later records have larger marks.
  using Mark = uint64_t;

  // Reads records from `pipe` until it ends.
  explicit ExitNotices(UniqueFd pipe);
  ExitNotices(const ExitNotices&) = delete;
  // The writer must have closed its end, or be about to.
  ~ExitNotices();

  // Call it before a process is started; with its pid, Await ignores what an earlier process of the
  // same number left.
  Mark Now();

  // Blocks until `pid` has ended. kUnavailable: no more records will come. The notice of one
  // process can be had once.
  Result<ExitNotice> Await(pid_t pid, Mark since);

 private:
  struct Entry {
    Mark mark;
    pid_t pid;
    ExitNotice notice;
  };
  void ReadAll();

  UniqueFd pipe_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Entry> entries_;  // unclaimed, oldest first, bounded
  Mark next_ = 0;
  bool ended_ = false;
  std::thread reader_;
};

}  // namespace locket::guest_agent
