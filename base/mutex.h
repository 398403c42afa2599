// std::mutex with clang's thread-safety annotations. The clang build (preset fuzz)
// fails when a guarded member is touched without its lock; gcc sees plain code.
//
//   Mutex mutex_;
//   int open_ LOCKET_GUARDED_BY(mutex_) = 0;
//   void Count() { const MutexLock lock(mutex_); ++open_; }
#pragma once

#include <mutex>

#ifdef __clang__
#define LOCKET_TS(x) __attribute__((x))
#else
#define LOCKET_TS(x)
#endif
// After a member: only touched by a thread that holds `m`.
#define LOCKET_GUARDED_BY(m) LOCKET_TS(guarded_by(m))
// After a function's declaration: only called by a thread that holds `m`.
#define LOCKET_REQUIRES(m) LOCKET_TS(requires_capability(m))

namespace locket {

// Not recursive. Use MutexLock; Lock and Unlock are for it and for the rare lock that outlives a
// scope.
class LOCKET_TS(capability("mutex")) Mutex {
 public:
  void Lock() LOCKET_TS(acquire_capability()) { mutex_.lock(); }
  void Unlock() LOCKET_TS(release_capability()) { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

// Holds `mutex` while it lives. `mutex` outlives it.
class LOCKET_TS(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) LOCKET_TS(acquire_capability(mutex)) : mutex_(mutex) {
    mutex_.Lock();
  }
  MutexLock(const MutexLock&) = delete;
  ~MutexLock() LOCKET_TS(release_capability()) { mutex_.Unlock(); }

 private:
  Mutex& mutex_;
};

}  // namespace locket
