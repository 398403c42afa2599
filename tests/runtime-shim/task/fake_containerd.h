// containerd's end of task events.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "rpc/ttrpc_server.h"

namespace locket::runtime_shim {

class FakeContainerd {
 public:
  explicit FakeContainerd(const std::filesystem::path& socket);
  ~FakeContainerd();

  void FailNext(int calls);

  // "topic id" or "topic id status", in order; the id of an exec is "container/exec".
  std::vector<std::string> events() const;
  bool WaitEvent(const std::string& event) const;
  std::string namespace_name() const;

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<std::string> events_;
  std::string namespace_;
  int fail_ = 0;

  rpc::TtrpcMethods methods_;
  std::unique_ptr<rpc::TtrpcServer> server_;
  UniqueFd listener_;
  std::jthread thread_;
};

}  // namespace locket::runtime_shim
