// Who works on which blob at this moment, and who counts on one.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "base/result.h"

namespace locket::snapshotter {

// Three claims on a digest exclude one another as far as they must:
//
//   work      brings the blob. One caller works; callers that come meanwhile wait for the outcome.
//   a pin     keeps the blob from being removed, whether it is there yet or not. Work goes on.
//   removal   takes the blob away. It does not begin while there is work or a pin; pins and work
//             that come during it wait until it is over.
//
// So who has a pin and then finds the blob there keeps it. In memory only: a kill ends all claims.
// Thread-safe.
class BlobClaims {
 public:
  struct Errand {
    const std::string& digest;
    const std::string& reference;  // the image, whose registry is asked
    // Whether there is nothing to do; `waited` says that another caller worked meanwhile. Called
    // with the lock of all claims held: it looks, and calls nothing of this object.
    std::function<bool(bool waited)> is_there;
    std::function<Status()> work;  // called without that lock
  };

  // Runs `work` unless `is_there`, or unless another caller is at it for the same digest: then
  // waits for that caller and looks again. Returns Ok if it is there in the end. A failure of other
  // work counts only if it was for the same image, since another image's registry may have what
  // this one's lacks.
  Status RunOnce(const Errand& errand);

  // Adds a pin, once no removal is under way. A digest may have many.
  void Pin(const std::string& digest);

  // Takes one pin away again.
  void Unpin(const std::string& digest);

  // Whether there is work or a pin.
  bool IsClaimed(const std::string& digest) const;

  // Returns for how many digests there is work.
  size_t num_running() const;

  // A removal under way, for as long as it lives.
  class Removal {
   public:
    ~Removal();
    Removal(const Removal&) = delete;

   private:
    friend class BlobClaims;
    Removal(BlobClaims& claims, std::string digest) : claims_(claims), digest_(std::move(digest)) {}
    BlobClaims& claims_;
    const std::string digest_;
  };

  // Begins a removal. Returns nullptr if there is work, a pin or another removal.
  std::unique_ptr<Removal> BeginRemoval(const std::string& digest);

 private:
  struct Work {
    std::string reference;
    std::optional<Status> outcome{};
  };

  mutable std::mutex mutex_;  // guards what follows; std, for the condition variable
  std::condition_variable changed_;
  std::map<std::string, std::shared_ptr<Work>> running_;  // shared by who works and who waits
  std::multiset<std::string> pins_;
  std::set<std::string> removing_;
};

}  // namespace locket::snapshotter
