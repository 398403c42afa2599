// A pod on a fake VM, a fake agent in it, and a fake containerd.
#pragma once

#include <gmock/gmock.h>
#include <signal.h>

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/file.h"
#include "image/oci/digest.h"
#include "runtime-shim/task/pod.h"
#include "tests/runtime-shim/hypervisor/fake_vmm.h"
#include "tests/runtime-shim/task/fake_containerd.h"
#include "tests/runtime-shim/vm/fake_agent.h"

namespace locket::runtime_shim {

using nlohmann::json;
using std::chrono::seconds;

inline std::string DigestOf(char c) { return "sha256:" + std::string(64, c); }

class PodTest : public ::testing::Test {
 protected:
  PodTest() : dir_(TempDir::Create("/tmp", "shim-pod").value()) {}

  void SetUp() override {
    (void)::signal(SIGPIPE, SIG_IGN);
    Write("guest/vmlinuz", "k");
    Write("guest/initramfs.img", "i");
    Write("guest/guest-image.json",
          R"({"version":1,"kernel":"vmlinuz","initrd":"initramfs.img","cmdline":"quiet"})");
    Write("manifest", "M");
    Write("config", "C");
    for (const char* layer : {"a", "b", "c"}) Write(layer, "12345678");
    config_.guest_image_dir = Path("guest");
    config_.state_dir = Path("state");
    config_.accelerator = AcceleratorChoice::kTcg;
    config_.boot_timeout = seconds(20);
    containerd_ = std::make_unique<FakeContainerd>(Path("events.sock"));
    events_ = std::make_unique<EventPublisher>(Path("events.sock"), "k8s.io");
    NewPod();
  }
  void TearDown() override {
    agent_.Die();
    pod_.reset();
  }

  void NewPod() {
    pod_ = std::make_unique<Pod>(config_, PodDependencies{.hypervisor = hypervisor_}, *events_);
  }
  Result<std::unique_ptr<Vmm>> Launch(const VmSpec& spec) {
    machine_ = std::make_shared<FakeMachine>();
    machine_->spec = spec;
    if (with_agent_) agent_.Serve(machine_->TakeGuestEnd(Channel::kAgent));
    console_ = machine_->TakeGuestEnd(Channel::kConsole);
    if (on_launch_) on_launch_();
    return std::unique_ptr<Vmm>(std::make_unique<FakeVmm>(machine_));
  }
  std::string Path(const std::string& name) const { return (dir_.path() / name).string(); }
  void Write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((dir_.path() / name).parent_path());
    ASSERT_TRUE(ReplaceFileDurably(dir_.path() / name, text).ok());
  }
  CreateRequest Sandbox(const json& more = json::object()) {
    json annotations{{"io.kubernetes.cri.container-type", "sandbox"}};
    annotations.update(more);
    Write("pod/config.json", json{{"hostname", "h"}, {"annotations", annotations}}.dump());
    return {.id = "pod", .bundle = Path("pod")};
  }
  CreateRequest Container(const std::string& id, const std::string& layers = "ab") {
    Write(id + "/config.json", json{{"annotations",
                                     {{"io.kubernetes.cri.container-type", "container"},
                                      {"io.kubernetes.cri.sandbox-id", "pod"},
                                      {"io.kubernetes.cri.image-name", "r/app:1"}}}}
                                   .dump());
    json list = json::array();
    for (const char c : layers) {
      list.push_back({{"digest", DigestOf(c)},
                      {"size", 8},
                      {"media_type", "t"},
                      {"path", Path(std::string(1, c))}});
    }
    Write(id + "/rootfs.json", json{{"version", 2},
                                    {"image_ref", "r/app:1"},
                                    {"manifest_digest", image::Digest::Of("M").ToText()},
                                    {"manifest_path", Path("manifest")},
                                    {"config_digest", image::Digest::Of("C").ToText()},
                                    {"config_path", Path("config")},
                                    {"signature_paths", json::array()},
                                    {"layers", list}}
                                   .dump());
    return {.id = id,
            .bundle = Path(id),
            .rootfs_options = {"ro", "dev.locket.rootfs=" + Path(id + "/rootfs.json")}};
  }
  void RunSandbox() {
    const auto created = pod_->Create(Sandbox());
    ASSERT_TRUE(created.ok()) << created.error().message();
    ASSERT_TRUE(pod_->Start("pod").ok());
  }
  void RunContainer(const std::string& id, const std::string& layers = "ab") {
    const auto created = pod_->Create(Container(id, layers));
    ASSERT_TRUE(created.ok()) << created.error().message();
    ASSERT_TRUE(pod_->Start(id).ok());
  }

  TempDir dir_;
  Config config_{.guest_image_dir = {}};
  std::unique_ptr<FakeContainerd> containerd_;
  std::unique_ptr<EventPublisher> events_;
  FakeAgent agent_;
  std::shared_ptr<FakeMachine> machine_;
  UniqueFd console_;
  bool with_agent_ = true;
  std::function<void()> on_launch_;
  FakeHypervisor hypervisor_{[this](const VmSpec& spec) { return Launch(spec); }};
  std::unique_ptr<Pod> pod_;
};

}  // namespace locket::runtime_shim
