// What the clients of a server that is killed know of its snapshots.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace locket::snapshotter {

// What its clients know of each snapshot. One of a sealed layer is called by its reference and
// parent, others by their name. Thread-safe.
class Ledger {
 public:
  enum class Known { kPresent, kAbsent, kEither };

  void Set(const std::string& key, Known known) {
    const std::lock_guard lock(mutex_);
    known_[key] = known;
  }
  // A commit was cut off: it has one name or the other.
  void SetExactlyOne(const std::string& key, const std::string& name) {
    const std::lock_guard lock(mutex_);
    known_[key] = known_[name] = Known::kEither;
    renamed_.emplace_back(key, name);
  }

  void SetRenamed(const std::string& key, const std::string& name) {
    const std::lock_guard lock(mutex_);
    known_[key] = Known::kAbsent;
    known_[name] = Known::kPresent;
    std::erase(renamed_, std::pair(key, name));
  }

  // From now on what is there is known.
  void Check(const std::set<std::string>& there) {
    for (const auto& [key, known] : known_) {
      if (known == Known::kEither) continue;
      EXPECT_EQ(there.contains(key), known == Known::kPresent)
          << (known == Known::kPresent ? "lost: " : "came back: ") << key;
    }
    for (const auto& [key, name] : renamed_) {
      EXPECT_NE(there.contains(key), there.contains(name)) << key << " or " << name;
    }
    for (const std::string& key : there) EXPECT_TRUE(known_.contains(key)) << "unheard of: " << key;
    known_.clear();
    renamed_.clear();
    for (const std::string& key : there) known_[key] = Known::kPresent;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, Known> known_;
  std::vector<std::pair<std::string, std::string>> renamed_;
};

}  // namespace locket::snapshotter
