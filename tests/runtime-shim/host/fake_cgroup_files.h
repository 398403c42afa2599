// A directory that stands in for /sys/fs/cgroup: the kernel's files appear in what is made there.
#pragma once

#include <map>
#include <string>

#include "base/file.h"
#include "runtime-shim/host/pod_cgroup.h"

namespace locket::runtime_shim {

class FakeCgroupFiles final : public CgroupFiles {
 public:
  // The nth call from now on that can fail does; 0: none.
  void FailCall(int nth) { fail_call_ = nth; }
  // What the kernel puts into each new cgroup.
  std::map<std::string, std::string> born_with{{"cgroup.procs", ""}};

  bool HasDirectory(const std::filesystem::path& path) override {
    return std::filesystem::is_directory(path);
  }
  Status MakeDirectory(const std::filesystem::path& path) override {
    LOCKET_TRY(Count("make"));
    std::filesystem::create_directory(path);
    for (const auto& [name, text] : born_with) LOCKET_TRY(ReplaceFileDurably(path / name, text));
    return Ok();
  }
  Status RemoveDirectory(const std::filesystem::path& path) override {
    LOCKET_TRY(Count("remove"));
    const auto procs = ReadFile(path / "cgroup.procs", 1000);
    if (procs.ok() && !procs->empty()) {
      return Error(ErrorCode::kFailedPrecondition, "remove '" + path.string() + "': busy");
    }
    std::filesystem::remove_all(path);
    return Ok();
  }
  Result<std::string> Read(const std::filesystem::path& path) override {
    LOCKET_TRY(Count("read"));
    return ReadFile(path, 1U << 20);
  }
  Status Write(const std::filesystem::path& path, const std::string& text) override {
    LOCKET_TRY(Count("write"));
    return ReplaceFileDurably(path, text);
  }

 private:
  Status Count(const std::string& what) {
    if (fail_call_ == 0 || --fail_call_ > 0) return Ok();
    return Error(ErrorCode::kInternal, what + ": made to fail");
  }
  int fail_call_ = 0;
};

}  // namespace locket::runtime_shim
