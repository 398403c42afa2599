// Where containers write: a scratch disk, in a guest whose memory is smaller than what is written,
// and empty volumes.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>

#include "initdata/initdata.h"
#include "tests/guest-agent/guest_calls.h"

namespace locket::guest_agent {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr uint64_t kMib = uint64_t{1} << 20;

// 1 MiB of needles, then 220 times that, more than the memory, and read back.
constexpr char kWriteMuch[] =
    "echo needle-needle-needle-needle-31- > /a; i=0; "
    "while [ $i -lt 15 ]; do cat /a /a > /b; cat /b > /a; i=$((i+1)); done; "
    "i=0; while [ $i -lt 220 ]; do cat /a || exit 1; i=$((i+1)); done > /big; "
    "ls -s --block-size=1M /big; cat /big > /dev/null && echo read back; echo done";

class ScratchVmTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string lacks = LacksForVm(GuestImageDirectory());
    if (!lacks.empty()) GTEST_SKIP() << lacks;
    const Status copied = CopyShellTree(root_ / "base");
    ASSERT_TRUE(copied.ok()) << copied.error().message();
    // A way out of the container, for a mount that follows links as the guest has them.
    std::filesystem::create_directories(root_ / "base/run/locket");
    std::filesystem::create_symlink("/run/locket", root_ / "base/escape");
    auto base = SealTree(root_ / "base", root_ / "base.blob");
    ASSERT_TRUE(base.ok()) << base.error().message();
    base_ = std::move(*base);
    std::ofstream(scratch_).close();
    std::filesystem::resize_file(scratch_, 512 * kMib);
  }

  // An image that runs `script`.
  FixtureImage Image(const std::string& script) const {
    return MakeImage({*base_}, {.argv = {"/bin/sh", "-c", script}, .env = {"PATH=/bin:/usr/bin"}});
  }

  void Boot(const std::vector<FixtureImage>& images, const std::string& agent_lines = "") {
    std::vector<std::string> digests;
    for (const auto& image : images) digests.push_back(image.manifest_digest());
    const auto disk = initdata::EncodeInitdataDevice(PinningInitdata(digests, agent_lines));
    ASSERT_TRUE(disk.ok());
    std::ofstream(root_ / "initdata", std::ios::binary)
        .write(reinterpret_cast<const char*>(disk->data()),
               static_cast<std::streamsize>(disk->size()));
    auto vm = Vm::Boot(
        {.image_directory = GuestImageDirectory(),
         .disks = {{.serial = "locket-initdata", .file = root_ / "initdata"},
                   {.serial = base_->descriptor.digest.Hex().substr(0, 32), .file = base_->blob},
                   {.serial = "locket-scratch", .file = scratch_, .writable = true}},
         .memory_mib = 192});
    ASSERT_TRUE(vm.ok()) << vm.error().message();
    guest_.emplace(std::move(*vm));
  }

  // Creates and starts container `id` with more in its spec, and gives what it prints.
  Result<std::string> Run(const std::string& id, const FixtureImage& image, const Json& more) {
    LOCKET_TRY(guest_->Prepare(id, image));
    const auto config = Json::parse(image.config);
    Json spec = {{"ociVersion", "1.0.2"},
                 {"process", {{"args", config.at("config").at("Entrypoint")}}}};
    spec.update(more);
    LOCKET_TRY_ASSIGN(left_out_, guest_->Create(id, spec));
    LOCKET_TRY(guest_->Start(id));
    LOCKET_TRY_ASSIGN(auto text, guest_->ReadAll(id, api::OUTPUT_STREAM_STDOUT));
    LOCKET_TRY_ASSIGN(const auto errors, guest_->ReadAll(id, api::OUTPUT_STREAM_STDERR));
    return text + errors;
  }

  uint64_t UsedMib() const {
    struct stat status {};
    EXPECT_EQ(::stat(scratch_.c_str(), &status), 0);
    return static_cast<uint64_t>(status.st_blocks) * 512 / kMib;
  }

  bool HostSees(const std::string& text) const {
    std::ifstream file(scratch_, std::ios::binary);
    std::string part(kMib, '\0');
    while (file.read(part.data(), static_cast<std::streamsize>(part.size()))) {
      if (part.find(text) != std::string::npos) return true;
    }
    return false;
  }

  const TempDir directory_ = std::move(TempDir::Create("/tmp", "locket-scratch-vm-").value());
  const std::filesystem::path root_ = directory_.path();
  const std::filesystem::path scratch_ = root_ / "scratch.img";
  std::optional<FixtureLayer> base_;
  std::optional<Guest> guest_;
  api::CreateContainerResponse left_out_;  // of the container that ran last
};

TEST_F(ScratchVmTest, AContainerWritesMoreThanMemoryHoldsAndTheHostSeesCiphertext) {
  const FixtureImage image = Image(kWriteMuch);
  ASSERT_NO_FATAL_FAILURE(Boot({image}));
  api::CreateSandboxRequest request;
  request.set_sandbox_id("pod");
  request.set_scratch(true);
  const auto sandbox = guest_->Call<api::CreateSandboxResponse>("CreateSandbox", request);
  ASSERT_TRUE(sandbox.ok()) << sandbox.error().message() << guest_->vm().Console();
  EXPECT_LT(UsedMib(), 16U) << "an empty file system takes little of the sparse file";
  const auto printed = Run("one", image, Json::object());
  ASSERT_TRUE(printed.ok()) << printed.error().message();
  EXPECT_THAT(*printed, AllOf(HasSubstr("220 /big"), HasSubstr("read back"), HasSubstr("done")))
      << guest_->vm().Console();
  EXPECT_EQ(guest_->Wait("one").value(), 0U);
  EXPECT_TRUE(guest_->Delete("one").ok());
  EXPECT_GT(UsedMib(), 100U) << "what memory cannot hold has been written out";
  EXPECT_FALSE(HostSees("needle-needle"));
  EXPECT_THAT(guest_->vm().Console(), Not(HasSubstr("INTEGRITY AEAD ERROR")));
}

TEST_F(ScratchVmTest, ContainersShareAnEmptyVolumeThatStaysInsideThem) {
  const FixtureImage writer = Image("ls /data; id -u > /data/file; cat /data/file; ls /elsewhere");
  const FixtureImage reader = Image(
      "cat /shared/file; echo x > /shared/file; echo y > /escape/x/own && cat /run/locket/x/own");
  ASSERT_NO_FATAL_FAILURE(
      Boot({writer, reader}, "allow_volumes = [\"/data\", \"/shared\", \"/escape/x\"]\n"));
  ASSERT_TRUE(guest_->CreateSandbox().ok());
  const std::string kubelet = "/var/lib/kubelet/pods/uid/volumes/kubernetes.io~empty-dir/";
  const auto bind = [&](const std::string& name, const char* destination, const char* access) {
    return Json{{"destination", destination},
                {"type", "bind"},
                {"source", kubelet + name},
                {"options", {"rbind", "rprivate", access}}};
  };
  const auto written = Run("writer", writer,
                           {{"mounts", {bind("v", "/data", "rw"), bind("v", "/elsewhere", "rw")}}});
  ASSERT_TRUE(written.ok()) << written.error().message() << guest_->vm().Console();
  EXPECT_EQ(*written, "0\nls: cannot access '/elsewhere': No such file or directory\n");
  ASSERT_EQ(left_out_.left_out_size(), 1);
  EXPECT_THAT(left_out_.left_out(0), AllOf(HasSubstr("/elsewhere"), HasSubstr("allow_volumes")));
  EXPECT_TRUE(guest_->Delete("writer").ok());

  const auto read = Run("reader", reader,
                        {{"mounts", {bind("v", "/shared", "ro"), bind("w", "/escape/x", "rw")}}});
  ASSERT_TRUE(read.ok()) << read.error().message() << guest_->vm().Console();
  EXPECT_THAT(*read, AllOf(HasSubstr("0\n"), HasSubstr("/shared/file: Read-only file system"),
                           HasSubstr("y\n")))
      << "the link leads to the container's own /run";
}

TEST_F(ScratchVmTest, AContainerOverItsMemoryLimitSaysSo) {
  // A variable that doubles until the limit ends it.
  const FixtureImage greedy = Image("a=0123456789abcdef; while :; do a=$a$a; done");
  const FixtureImage failing = Image("exit 7");
  ASSERT_NO_FATAL_FAILURE(Boot({greedy, failing}));
  ASSERT_TRUE(guest_->CreateSandbox().ok());
  const Json limit = {{"linux", {{"resources", {{"memory", {{"limit", 33554432}}}}}}}};
  const auto wait = [&](const std::string& id) {
    return guest_->For<api::WaitContainerResponse, api::WaitContainerRequest>("WaitContainer", id);
  };
  ASSERT_TRUE(Run("greedy", greedy, limit).ok()) << guest_->vm().Console();
  const auto killed = wait("greedy");
  ASSERT_TRUE(killed.ok());
  EXPECT_EQ(killed->exit_status(), 137U);
  EXPECT_TRUE(killed->oom_killed()) << guest_->vm().Console();
  ASSERT_TRUE(Run("failing", failing, limit).ok());
  const auto failed = wait("failing");
  ASSERT_TRUE(failed.ok());
  EXPECT_EQ(failed->exit_status(), 7U);
  EXPECT_FALSE(failed->oom_killed());
}

}  // namespace
}  // namespace locket::guest_agent
