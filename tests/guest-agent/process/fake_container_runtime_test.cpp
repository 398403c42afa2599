#include "guest-agent/process/fake_container_runtime.h"

#include "guest-agent/process/exit_notices.h"
#include "tests/guest-agent/process/container_runtime_conformance.h"

namespace locket::guest_agent {
namespace {

class FakeHarness final : public RuntimeHarness {
 public:
  FakeHarness() {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    exits_ = std::make_unique<ExitNotices>(UniqueFd(ends[0]));
    fake_ = std::make_unique<FakeContainerRuntime>(UniqueFd(ends[1]));
  }
  ~FakeHarness() override { fake_.reset(); }  // closes the pipe that exits_ reads

  ContainerRuntime& runtime() override { return *fake_; }
  std::filesystem::path rootfs() override { return "/nowhere"; }
  int AwaitEnd(pid_t pid) override { return exits_->Await(pid, 0)->exit_status; }

 private:
  std::unique_ptr<ExitNotices> exits_;
  std::unique_ptr<FakeContainerRuntime> fake_;
};

INSTANTIATE_TEST_SUITE_P(Fake, ContainerRuntimeConformanceTest,
                         ::testing::Values(RuntimeMaker{"fake",
                                                        +[]() -> std::unique_ptr<RuntimeHarness> {
                                                          return std::make_unique<FakeHarness>();
                                                        }}));

}  // namespace
}  // namespace locket::guest_agent
