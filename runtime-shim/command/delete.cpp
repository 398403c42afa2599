#include "base/file.h"
#include "proto/task.pb.h"
#include "runtime-shim/command/commands.h"
#include "runtime-shim/hypervisor/process_record.h"
#include "runtime-shim/task/pod.h"
#include "runtime-shim/task/timestamps.h"

namespace locket::runtime_shim {
namespace {

// containerd gives the whole command five seconds.
constexpr std::chrono::milliseconds kGrace{1000};
constexpr size_t kMaxPath = 4096;

// The state directory that `start` wrote down; empty when this bundle has no VM of its own.
std::filesystem::path StateDirOf(const CommandLine& line) {
  std::error_code failed;
  const auto bundle = line.bundle.empty() ? std::filesystem::current_path(failed) : line.bundle;
  const auto text = ReadFile(bundle / "locket-state-dir", kMaxPath);
  if (!text.ok()) return {};
  const std::filesystem::path dir(*text);
  // The directory is about to be removed with all it holds: it must be the one of this ID.
  return dir.is_absolute() && dir.filename() == line.id ? dir : std::filesystem::path();
}

}  // namespace

Result<std::string> RunDelete(const CommandLine& line) {
  const auto dir = StateDirOf(line);
  if (!dir.empty()) {
    // The shim first: it would call its VM's death a failure. It may live still, if containerd only
    // lost patience with it.
    (void)KillRecorded(dir / "shim", std::chrono::milliseconds(0));
    LOCKET_TRY(RemoveSandboxState(dir, kGrace));
  }
  ::containerd::task::v2::DeleteResponse response;
  response.set_exit_status(kKilledStatus);
  *response.mutable_exited_at() = ToTimestamp(std::chrono::system_clock::now());
  return response.SerializeAsString();
}

}  // namespace locket::runtime_shim
