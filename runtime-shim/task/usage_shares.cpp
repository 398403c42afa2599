#include "runtime-shim/task/usage_shares.h"

namespace locket::runtime_shim {
namespace {

constexpr uint64_t CgroupUsage::*kCounters[] = {
    &CgroupUsage::cpu_ns, &CgroupUsage::cpu_user_ns, &CgroupUsage::cpu_system_ns,
    &CgroupUsage::page_faults, &CgroupUsage::major_page_faults};
constexpr uint64_t CgroupUsage::*kGauges[] = {
    &CgroupUsage::memory_bytes, &CgroupUsage::memory_peak_bytes,   &CgroupUsage::anon_bytes,
    &CgroupUsage::file_bytes,   &CgroupUsage::inactive_file_bytes, &CgroupUsage::pids};
constexpr uint64_t CgroupUsage::*kLimits[] = {&CgroupUsage::memory_limit_bytes,
                                              &CgroupUsage::pids_limit};

}  // namespace

CgroupUsage UsageShares::Of(const std::string& id, const CgroupUsage& whole,
                            const std::set<std::string>& running) {
  const MutexLock lock(mutex_);
  const uint64_t count = running.size();
  for (const auto counter : kCounters) {
    // Two calls may come in another order than they read the VM's usage.
    if (count == 0 || whole.*counter < divided_.*counter) continue;
    const uint64_t each = (whole.*counter - divided_.*counter) / count;
    divided_.*counter += each * count;
    for (const std::string& name : running) shares_[name].*counter += each;
  }
  CgroupUsage share = shares_[id];
  if (!running.contains(id)) return share;
  for (const auto gauge : kGauges) share.*gauge = whole.*gauge / count;
  for (const auto limit : kLimits) {
    share.*limit = whole.*limit == kNoLimit ? kNoLimit : whole.*limit / count;
  }
  return share;
}

void UsageShares::Forget(const std::string& id) {
  const MutexLock lock(mutex_);
  shares_.erase(id);
}

}  // namespace locket::runtime_shim
