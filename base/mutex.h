// std::mutex with clang's thread-safety annotations; gcc sees plain code, the clang build checks
// it.
#pragma once

#include <mutex>

#ifdef __clang__
#define LOCKET_TS(x) __attribute__((x))
#else
#define LOCKET_TS(x)
#endif
#define LOCKET_GUARDED_BY(m) LOCKET_TS(guarded_by(m))
#define LOCKET_REQUIRES(m) LOCKET_TS(requires_capability(m))

namespace locket {

class LOCKET_TS(capability("mutex")) Mutex {
 public:
  void Lock() LOCKET_TS(acquire_capability()) { mutex_.lock(); }
  void Unlock() LOCKET_TS(release_capability()) { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

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
