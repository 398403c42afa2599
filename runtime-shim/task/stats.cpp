#include "runtime-shim/task/stats.h"

#include "proto/cgroups_v1.pb.h"
#include "proto/cgroups_v2.pb.h"

namespace locket::runtime_shim {
namespace {

namespace v1 = ::io::containerd::cgroups::v1;
namespace v2 = ::io::containerd::cgroups::v2;

constexpr uint64_t kNsPerUs = 1000;

v1::Metrics Version1(const CgroupUsage& usage) {
  v1::Metrics out;
  auto* cpu = out.mutable_cpu()->mutable_usage();
  cpu->set_total(usage.cpu_ns);
  cpu->set_user(usage.cpu_user_ns);
  cpu->set_kernel(usage.cpu_system_ns);
  auto* memory = out.mutable_memory();
  memory->mutable_usage()->set_usage(usage.memory_bytes);
  memory->mutable_usage()->set_max(usage.memory_peak_bytes);
  memory->mutable_usage()->set_limit(usage.memory_limit_bytes);
  memory->set_hierarchical_memory_limit(usage.memory_limit_bytes);
  memory->set_rss(usage.anon_bytes);
  memory->set_total_rss(usage.anon_bytes);
  memory->set_cache(usage.file_bytes);
  memory->set_total_cache(usage.file_bytes);
  memory->set_inactive_file(usage.inactive_file_bytes);
  memory->set_total_inactive_file(usage.inactive_file_bytes);
  memory->set_pg_fault(usage.page_faults);
  memory->set_total_pg_fault(usage.page_faults);
  memory->set_pg_maj_fault(usage.major_page_faults);
  memory->set_total_pg_maj_fault(usage.major_page_faults);
  out.mutable_memory_oom_control()->set_oom_kill(usage.oom_kills);
  out.mutable_pids()->set_current(usage.pids);
  // 0 is what containerd's own reader says for none.
  out.mutable_pids()->set_limit(usage.pids_limit == kNoLimit ? 0 : usage.pids_limit);
  return out;
}

v2::Metrics Version2(const CgroupUsage& usage) {
  v2::Metrics out;
  out.mutable_cpu()->set_usage_usec(usage.cpu_ns / kNsPerUs);
  out.mutable_cpu()->set_user_usec(usage.cpu_user_ns / kNsPerUs);
  out.mutable_cpu()->set_system_usec(usage.cpu_system_ns / kNsPerUs);
  auto* memory = out.mutable_memory();
  memory->set_usage(usage.memory_bytes);
  memory->set_usage_limit(usage.memory_limit_bytes);
  memory->set_anon(usage.anon_bytes);
  memory->set_file(usage.file_bytes);
  memory->set_inactive_file(usage.inactive_file_bytes);
  memory->set_pgfault(usage.page_faults);
  memory->set_pgmajfault(usage.major_page_faults);
  out.mutable_memory_events()->set_oom_kill(usage.oom_kills);
  out.mutable_pids()->set_current(usage.pids);
  out.mutable_pids()->set_limit(usage.pids_limit);
  return out;
}

// The bare name, as containerd writes it: no "type.googleapis.com/".
template <typename Message>
google::protobuf::Any Pack(const Message& message) {
  google::protobuf::Any any;
  any.set_type_url(Message::descriptor()->full_name());
  any.set_value(message.SerializeAsString());
  return any;
}

}  // namespace

google::protobuf::Any MetricsOf(const TaskUsage& task) {
  return task.unified ? Pack(Version2(task.usage)) : Pack(Version1(task.usage));
}

}  // namespace locket::runtime_shim
