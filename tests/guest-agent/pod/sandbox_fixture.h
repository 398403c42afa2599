// A sandbox and the service on top of it; the kernel, crun and PID 1 are fakes.
#pragma once

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/file.h"
#include "device/fake_block_devices.h"
#include "device/fake_dm_control.h"
#include "device/fake_mount_control.h"
#include "guest-agent/pod/agent_service.h"
#include "guest-agent/pod/sandbox.h"
#include "guest-agent/process/fake_container_runtime.h"
#include "proto/agent.pb.h"
#include "tests/guest-mounter/test_image.h"

namespace locket::guest_agent {

namespace api = agent::v1;
using guest_mounter::TestImage;
using Json = nlohmann::json;

struct ExitPipe {
  ExitPipe() {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    reader.reset(ends[0]);
    writer.reset(ends[1]);
  }
  UniqueFd reader;
  UniqueFd writer;
};

class SandboxTest : public ::testing::Test {
 protected:
  SandboxTest() {
    disks_.Plug(layer_.digest.Hex().substr(0, 32), {.path = "/dev/sda", .size_bytes = layer_.size});
    EXPECT_TRUE(sandbox_->Create("pod", "pod-host").ok());
  }
  ~SandboxTest() override {
    sandbox_.reset();
    runtime_.reset();  // closes the pipe that exits_ reads
  }

  guest_mounter::OpenRequest Request() const {
    return {.manifest = image_.manifest, .config = image_.config};
  }

  static std::string Spec(const std::vector<std::string>& args = {"/bin/app"}) {
    return Json({{"process", {{"args", args}}}}).dump();
  }

  static std::string Process(const std::vector<std::string>& args) {
    return Json({{"args", args}}).dump();
  }
  const initdata::GuestPolicy exec_policy_{.every_image = {.allow_exec = {{"/bin/check"}}},
                                           .allow_stdin = true};

  // A container of that name, created and started.
  std::shared_ptr<Container> Running(const std::string& id, bool with_stdin = false) {
    EXPECT_TRUE(sandbox_->PrepareRootfs(id, Request()).ok());
    auto container = sandbox_->Find(id).value();
    const auto created = container->Create(Spec(), {.allow_stdin = with_stdin}, with_stdin);
    EXPECT_TRUE(created.ok()) << created.error().message();
    EXPECT_TRUE(container->Start().ok());
    return container;
  }

  bool NothingIsLeft() {
    std::error_code error;
    const auto containers = directory_.path() / "containers";
    return dm_.devices().empty() && mounts_.mounts().empty() && runtime_->containers().empty() &&
           (!std::filesystem::exists(containers) || std::filesystem::is_empty(containers, error));
  }

  const image::Descriptor layer_ = guest_mounter::TestLayer(1);
  const TestImage image_ = guest_mounter::MakeTestImage({layer_});
  TempDir directory_ = std::move(TempDir::Create(::testing::TempDir(), "sandbox").value());
  device::FakeDmControl dm_;
  device::FakeMountControl mounts_;
  device::FakeBlockDevices disks_;
  FakeClock clock_;
  guest_mounter::ImageOpener opener_{
      {.dm = dm_, .mounts = mounts_, .disks = disks_, .clock = clock_},
      guest_mounter::Pinning({image_}),
      nullptr,
      {.directory = directory_.path() / "layers"}};
  ExitPipe pipe_;
  ExitNotices exits_{std::move(pipe_.reader)};
  std::unique_ptr<FakeContainerRuntime> runtime_ =
      std::make_unique<FakeContainerRuntime>(std::move(pipe_.writer));
  EmptyVolumes volumes_{mounts_, directory_.path() / "volumes"};
  std::unique_ptr<Sandbox> sandbox_ = std::make_unique<Sandbox>(
      ContainerSeams{.runtime = *runtime_, .exits = exits_, .volumes = volumes_},
      [this](const guest_mounter::OpenRequest& request) { return opener_.Open(request); },
      SandboxOptions{.directory = directory_.path() / "containers"});
};

// The service's own part: what it checks and how it maps.
class AgentServiceTest : public SandboxTest {
 protected:
  AgentServiceTest() { AddAgentMethods(methods_, *sandbox_, shutdown_); }

  template <typename Response, typename Request>
  Result<Response> Call(const char* method, const Request& request) {
    const auto* handler = methods_.Find("locket.agent.v1.Agent", method);
    if (handler == nullptr) return Error(ErrorCode::kUnimplemented, method);
    LOCKET_TRY_ASSIGN(const auto bytes, (*handler)({}, request.SerializeAsString()));
    Response response;
    EXPECT_TRUE(response.ParseFromString(bytes));
    return response;
  }

  int shutdowns_ = 0;
  const std::function<void()> shutdown_ = [this] { ++shutdowns_; };
  rpc::TtrpcMethods methods_;
};

}  // namespace locket::guest_agent
