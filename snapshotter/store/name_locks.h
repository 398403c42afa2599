// Locks on names of snapshots: requests about one name run one after the other, all others at the
// same time.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace locket::snapshotter {

// A request that changes a snapshot has its name exclusively, and the name of its parent shared: so
// many containers can be created on one layer at the same time, while nobody removes the layer.
// Thread-safe.
class NameLocks {
 public:
  struct Names {
    std::vector<std::string> exclusive{};
    std::vector<std::string> shared{};  // held by many at a time, but not beside an exclusive one
  };

  // Holds names while it lives. The constructor waits until it gets all of them at once, so two
  // holders never wait for each other. A name that is listed twice counts once, and one that is
  // listed in both lists is held exclusively; an empty name is left out.
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
