// Locks on names of snapshots: requests about one name go one after the other, all others at the
// same time.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace locket::snapshotter {

class NameLocks {
 public:
  struct Names {
    std::vector<std::string> exclusive{};
    std::vector<std::string> shared{};  // held by many, but not beside an exclusive one
  };

  // Waits until it has all of them at once, so that two holders never wait for each other. A name
  // that is listed twice counts once. Empty names are nobody's.
  class Hold {
   public:
    Hold(NameLocks& locks, Names names);
    Hold(const Hold&) = delete;
    ~Hold();

   private:
    NameLocks& locks_;
    Names names_;
  };

 private:
  struct Holders {
    bool exclusive = false;
    size_t num_shared = 0;
  };
  bool Free(const Names& names) const;

  std::mutex mutex_;  // std, for the condition variable
  std::condition_variable freed_;
  std::unordered_map<std::string, Holders> held_;
};

}  // namespace locket::snapshotter
