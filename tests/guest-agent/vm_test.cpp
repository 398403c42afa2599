// The agent in a real guest: kernel, device mapper, EROFS, overlayfs, crun. No TEE, so images are
// pinned by digest; what a broker adds is tested end to end.
#include "tests/guest-agent/vm.h"

#include <gmock/gmock.h>

#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>

#include "image/initdata.h"
#include "proto/agent.pb.h"
#include "tests/guest-agent/sealed_fixture.h"

namespace locket::guest_agent {
namespace {

namespace api = agent::v1;
using Json = nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr auto kCallTimeout = std::chrono::seconds(90);

// One guest, and the calls that a shim makes of it.
class Guest {
 public:
  explicit Guest(std::unique_ptr<Vm> vm) : vm_(std::move(vm)) {}

  template <typename Response, typename Request>
  Result<Response> Call(const char* method, const Request& request) {
    Response response;
    LOCKET_TRY(vm_->agent().Call("locket.agent.v1.Agent", method, request, &response,
                                 {.timeout = kCallTimeout}));
    return response;
  }

  Result<api::GetInfoResponse> GetInfo() {
    return Call<api::GetInfoResponse>("GetInfo", api::GetInfoRequest());
  }

  Status CreateSandbox() {
    api::CreateSandboxRequest request;
    request.set_sandbox_id("pod");
    request.set_hostname("pod-host");
    LOCKET_TRY(Call<api::CreateSandboxResponse>("CreateSandbox", request));
    return Ok();
  }

  Result<api::PrepareRootfsResponse> Prepare(const std::string& id, const FixtureImage& image) {
    api::PrepareRootfsRequest request;
    request.set_container_id(id);
    request.set_image_ref("registry/" + id);
    request.set_manifest(image.manifest);
    request.set_config(image.config);
    for (const auto& layer : image.layers) {
      auto* hint = request.add_layers();
      hint->set_digest(layer.descriptor.digest.ToText());
      hint->set_serial(layer.descriptor.digest.Hex().substr(0, 32));
    }
    return Call<api::PrepareRootfsResponse>("PrepareRootfs", request);
  }

  Result<api::CreateContainerResponse> Create(const std::string& id, const Json& spec,
                                              bool with_stdin = false) {
    api::CreateContainerRequest request;
    request.set_container_id(id);
    request.set_oci_spec(spec.dump());
    request.set_stdin(with_stdin);
    return Call<api::CreateContainerResponse>("CreateContainer", request);
  }

  // A request that names a container and nothing else.
  template <typename Response, typename Request>
  Result<Response> For(const char* method, const std::string& id) {
    Request request;
    request.set_container_id(id);
    return Call<Response>(method, request);
  }
  Status Start(const std::string& id) {
    LOCKET_TRY(
        (For<api::StartContainerResponse, api::StartContainerRequest>("StartContainer", id)));
    return Ok();
  }
  Result<uint32_t> Wait(const std::string& id) {
    LOCKET_TRY_ASSIGN(const auto exit, (For<api::WaitContainerResponse, api::WaitContainerRequest>(
                                           "WaitContainer", id)));
    return exit.exit_status();
  }
  Status Delete(const std::string& id) {
    LOCKET_TRY(
        (For<api::DeleteContainerResponse, api::DeleteContainerRequest>("DeleteContainer", id)));
    return Ok();
  }

  Result<std::string> ReadAll(const std::string& id, api::OutputStream stream) {
    std::string all;
    for (;;) {
      api::ReadOutputRequest request;
      request.set_container_id(id);
      request.set_stream(stream);
      request.set_max_bytes(65536);
      LOCKET_TRY_ASSIGN(const auto output, Call<api::ReadOutputResponse>("ReadOutput", request));
      if (output.eof()) return all;
      all += output.data();
    }
  }

  Vm& vm() { return *vm_; }

 private:
  std::unique_ptr<Vm> vm_;
};

Json SpecFor(const std::vector<std::string>& argv) {
  return {
      {"ociVersion", "1.0.2"},
      {"process",
       {{"args", argv},
        {"env", {"PATH=/bin:/usr/bin", "SPY=1", "TENANT_WISH=granted"}},
        {"cwd", "/"},
        {"user", {{"uid", 0}, {"gid", 0}}},
        {"capabilities", {{"bounding", {"CAP_CHOWN", "CAP_SYS_ADMIN"}}}},
        {"rlimits", {{{"type", "RLIMIT_NOFILE"}, {"soft", 100}, {"hard", 200}}}}}},
      {"root", {{"path", "rootfs"}}},
      {"hostname", "from-spec"},
      {"mounts", {{{"destination", "/host"}, {"type", "bind"}, {"source", "/"}}}},
      {"linux", {{"resources", {{"memory", {{"limit", 67108864}}}, {"pids", {{"limit", 50}}}}}}}};
}

const std::vector<std::string> kShow = {
    "/bin/sh", "-c",
    "echo hello from $(cat /greeting); echo wish=$TENANT_WISH spy=$SPY; hostname; id -u; "
    "ls /host; cat /etc/hostname; touch /written && echo writable; ulimit -n; echo to-stderr >&2"};

class VmTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto made = TempDir::Create("/tmp", "locket-vm-test-");
    ASSERT_TRUE(made.ok());
    directory_ = new TempDir(std::move(*made));
  }
  static void TearDownTestSuite() {
    delete directory_;
    directory_ = nullptr;
  }

  void SetUp() override {
    const std::string lacks = LacksForVm(GuestImageDirectory());
    if (!lacks.empty()) GTEST_SKIP() << lacks;
    ASSERT_NO_FATAL_FAILURE(SealLayers());
  }

  // A base layer with tools and one on top; sealed once for all tests.
  void SealLayers() {
    if (base_) return;
    const auto& root = directory_->path();
    const Status copied = CopyShellTree(root / "base");
    ASSERT_TRUE(copied.ok()) << copied.error().message();
    std::filesystem::create_directories(root / "top");
    std::ofstream(root / "top/greeting") << "a sealed layer\n";
    auto base = SealTree(root / "base", root / "base.blob");
    ASSERT_TRUE(base.ok()) << base.error().message();
    auto top = SealTree(root / "top", root / "top.blob");
    ASSERT_TRUE(top.ok()) << top.error().message();
    base_ = *base;
    top_ = *top;
  }

  static FixtureImage Image(const std::vector<std::string>& argv) {
    return MakeImage({*base_, *top_}, {.argv = argv, .env = {"PATH=/bin:/usr/bin"}});
  }

  // Boots with the layers' disks and, if given, initdata.
  Guest Boot(const std::optional<std::string>& initdata,
             const std::filesystem::path& base_blob = {},
             const std::filesystem::path& top_blob = {}) {
    VmOptions options{.image_directory = GuestImageDirectory()};
    if (initdata) {
      const auto file = directory_->path() / "initdata";
      const auto disk = image::EncodeInitdataDevice(*initdata);
      EXPECT_TRUE(disk.ok());
      std::ofstream(file, std::ios::binary)
          .write(reinterpret_cast<const char*>(disk->data()),
                 static_cast<std::streamsize>(disk->size()));
      options.disks.push_back({.serial = "locket-initdata", .file = file});
    }
    const auto add = [&](const FixtureLayer& layer, const std::filesystem::path& blob) {
      options.disks.push_back({.serial = layer.descriptor.digest.Hex().substr(0, 32),
                               .file = blob.empty() ? layer.blob : blob});
    };
    add(*base_, base_blob);
    add(*top_, top_blob);
    auto vm = Vm::Boot(options);
    if (!vm.ok()) ADD_FAILURE() << vm.error().message();
    return Guest(vm.ok() ? std::move(*vm) : nullptr);
  }

  static inline TempDir* directory_ = nullptr;
  static inline std::optional<FixtureLayer> base_;
  static inline std::optional<FixtureLayer> top_;
};

TEST_F(VmTest, RunsAnImageUnderTheTenantsPolicyAndPowersOff) {
  const FixtureImage image = Image(kShow);
  Guest guest = Boot(PinningInitdata({image.manifest_digest()}, "allow_env = [\"TENANT_*\"]\n"));
  const auto info = guest.GetInfo();
  ASSERT_TRUE(info.ok()) << info.error().message() << guest.vm().Console();
  EXPECT_EQ(info->tee(), "none");
  EXPECT_THAT(info->initdata_digest(), StartsWith("sha256:"));
  ASSERT_TRUE(guest.CreateSandbox().ok());

  const auto prepared = guest.Prepare("one", image);
  ASSERT_TRUE(prepared.ok()) << prepared.error().message() << guest.vm().Console();
  EXPECT_EQ(prepared->manifest_digest(), image.manifest_digest());
  const auto refused = guest.Create("one", SpecFor({"/bin/cat", "/greeting"}));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(refused.error().message(), HasSubstr("allow_commands"));

  const auto created = guest.Create("one", SpecFor(kShow));
  ASSERT_TRUE(created.ok()) << created.error().message() << guest.vm().Console();
  EXPECT_GT(created->pid(), 1U);
  const Status started = guest.Start("one");
  ASSERT_TRUE(started.ok()) << started.error().message() << guest.vm().Console();
  EXPECT_EQ(guest.ReadAll("one", api::OUTPUT_STREAM_STDERR).value(),
            "ls: cannot access '/host': No such file or directory\nto-stderr\n");
  EXPECT_EQ(
      guest.ReadAll("one", api::OUTPUT_STREAM_STDOUT).value(),
      "hello from a sealed layer\nwish=granted spy=\nfrom-spec\n0\nfrom-spec\nwritable\n100\n");
  EXPECT_EQ(guest.Wait("one").value(), 0U);
  EXPECT_TRUE(guest.Delete("one").ok());
  EXPECT_TRUE(guest.Delete("one").ok()) << "twice is fine";

  const auto off = guest.Call<api::ShutdownResponse>("Shutdown", api::ShutdownRequest());
  EXPECT_TRUE(off.ok()) << off.error().message();
  EXPECT_EQ(guest.vm().AwaitPowerOff(std::chrono::seconds(60)).value(), 0);
  EXPECT_THAT(guest.vm().Console(), AllOf(HasSubstr("mount at '/host'"), HasSubstr("'SPY'")));
}

}  // namespace
}  // namespace locket::guest_agent
