#include "snapshotter/store/name_locks.h"

#include <algorithm>

namespace locket::snapshotter {
namespace {

void Tidy(std::vector<std::string>& names) {
  std::erase(names, std::string());
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
}

}  // namespace

NameLocks::Hold::Hold(NameLocks& locks, Names names) : locks_(locks), names_(std::move(names)) {
  Tidy(names_.exclusive);
  Tidy(names_.shared);
  // Both is exclusive.
  std::erase_if(names_.shared, [this](const std::string& name) {
    return std::ranges::binary_search(names_.exclusive, name);
  });
  std::unique_lock lock(locks_.mutex_);
  locks_.freed_.wait(lock, [this] { return locks_.Free(names_); });
  for (const std::string& name : names_.exclusive) locks_.held_[name].exclusive = true;
  for (const std::string& name : names_.shared) ++locks_.held_[name].num_shared;
}

NameLocks::Hold::~Hold() {
  {
    const std::lock_guard lock(locks_.mutex_);
    for (const std::string& name : names_.exclusive) locks_.held_.erase(name);
    for (const std::string& name : names_.shared) {
      const auto found = locks_.held_.find(name);
      if (--found->second.num_shared == 0) locks_.held_.erase(found);
    }
  }
  locks_.freed_.notify_all();
}

bool NameLocks::Free(const Names& names) const {
  const auto is_free = [this](const std::string& name) { return !held_.contains(name); };
  const auto is_shareable = [this](const std::string& name) {
    const auto found = held_.find(name);
    return found == held_.end() || !found->second.exclusive;
  };
  return std::ranges::all_of(names.exclusive, is_free) &&
         std::ranges::all_of(names.shared, is_shareable);
}

}  // namespace locket::snapshotter
