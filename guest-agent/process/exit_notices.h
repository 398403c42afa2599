// How the processes of containers end. crun starts them and exits, so they become children of
// PID 1. PID 1 reaps every process and writes a record of its end into a pipe, which the agent, its
// child, reads.
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

// What goes through the pipe. Both ends are the same binary.
struct ExitRecord {
  pid_t pid;
  int wait_status;  // as waitpid(2) gives it
};

struct ExitNotice {
  int exit_status;  // as a shell counts it: 128 + signal for a death by signal
  std::chrono::system_clock::time_point at;
  bool oom_killed = false;  // the kernel killed a process of the container because memory ran out
};

// The ends of all processes so far, each until somebody has taken it. Only the latest ones are
// kept, as most processes are nobody's. Thread-safe.
//
//   const auto since = exits.Now();   // an earlier process may have had the same ID
//   const pid_t pid = StartSomething();
//   const auto exit = exits.Await(pid, since);
class ExitNotices {
 public:
  // A point in the order of the records: later records have larger marks.
  using Mark = uint64_t;

  // Reads records from `pipe` until it ends.
  explicit ExitNotices(UniqueFd pipe);
  ExitNotices(const ExitNotices&) = delete;
  // Waits until the pipe ends: the writer must have closed its end, or close it soon.
  ~ExitNotices();

  // Returns the mark of now. Take it before a process is started: with it Await ignores the record
  // of an earlier process that had the same ID.
  Mark Now();

  // Blocks until the process `pid`, started after `since`, has ended. Returns how; each notice can
  // be taken once. kUnavailable: the pipe has ended, so no more records will come.
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
