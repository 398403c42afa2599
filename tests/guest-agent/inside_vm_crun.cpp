// crun keeps the promises of its seam, in a guest whose PID 1 this is.
#include <sys/wait.h>

#include "guest-agent/crun_runtime.h"
#include "tests/guest-agent/container_runtime_conformance.h"

namespace locket::guest_agent {
namespace {

class CrunHarness final : public RuntimeHarness {
 public:
  ContainerRuntime& runtime() override { return crun_; }
  std::filesystem::path rootfs() override { return "/test/rootfs"; }
  // What crun starts are our children once crun has left.
  int AwaitEnd(pid_t pid) override {
    int status = 0;
    if (::waitpid(pid, &status, 0) != pid) return -1;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }

 private:
  CrunRuntime crun_{CrunPaths{}};
};

INSTANTIATE_TEST_SUITE_P(Crun, ContainerRuntimeConformanceTest,
                         ::testing::Values(RuntimeMaker{"crun",
                                                        +[]() -> std::unique_ptr<RuntimeHarness> {
                                                          return std::make_unique<CrunHarness>();
                                                        }}));

}  // namespace
}  // namespace locket::guest_agent
