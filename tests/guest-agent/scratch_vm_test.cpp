// A container on a scratch disk, in a guest whose memory is smaller than what it writes.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>

#include "image/initdata.h"
#include "tests/guest-agent/guest_calls.h"

namespace locket::guest_agent {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr uint64_t kMib = uint64_t{1} << 20;

// 1 MiB of needles, then 220 times that, more than the memory, and read back.
const std::vector<std::string> kWriteMuch = {
    "/bin/sh", "-c",
    "echo needle-needle-needle-needle-31- > /a; i=0; "
    "while [ $i -lt 15 ]; do cat /a /a > /b; cat /b > /a; i=$((i+1)); done; "
    "i=0; while [ $i -lt 220 ]; do cat /a || exit 1; i=$((i+1)); done > /big; "
    "ls -s --block-size=1M /big; cat /big > /dev/null && echo read back; "
    "echo done"};

class ScratchVmTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string lacks = LacksForVm(GuestImageDirectory());
    if (!lacks.empty()) GTEST_SKIP() << lacks;
    const Status copied = CopyShellTree(root_ / "base");
    ASSERT_TRUE(copied.ok()) << copied.error().message();
    auto base = SealTree(root_ / "base", root_ / "base.blob");
    ASSERT_TRUE(base.ok()) << base.error().message();
    image_ = MakeImage({*base}, {.argv = kWriteMuch, .env = {"PATH=/bin:/usr/bin"}});
    std::ofstream(scratch_).close();
    std::filesystem::resize_file(scratch_, 512 * kMib);
    const auto disk = image::EncodeInitdataDevice(PinningInitdata({image_.manifest_digest()}));
    ASSERT_TRUE(disk.ok());
    std::ofstream(root_ / "initdata", std::ios::binary)
        .write(reinterpret_cast<const char*>(disk->data()),
               static_cast<std::streamsize>(disk->size()));
    auto vm = Vm::Boot(
        {.image_directory = GuestImageDirectory(),
         .disks = {{.serial = "locket-initdata", .file = root_ / "initdata"},
                   {.serial = base->descriptor.digest.Hex().substr(0, 32), .file = base->blob},
                   {.serial = "locket-scratch", .file = scratch_, .writable = true}},
         .memory_mib = 192});
    ASSERT_TRUE(vm.ok()) << vm.error().message();
    guest_.emplace(std::move(*vm));
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
  FixtureImage image_;
  std::optional<Guest> guest_;
};

TEST_F(ScratchVmTest, AContainerWritesMoreThanMemoryHoldsAndTheHostSeesCiphertext) {
  api::CreateSandboxRequest request;
  request.set_sandbox_id("pod");
  request.set_scratch(true);
  const auto sandbox = guest_->Call<api::CreateSandboxResponse>("CreateSandbox", request);
  ASSERT_TRUE(sandbox.ok()) << sandbox.error().message() << guest_->vm().Console();
  EXPECT_LT(UsedMib(), 16U) << "an empty file system takes little of the sparse file";
  ASSERT_TRUE(guest_->Prepare("one", image_).ok()) << guest_->vm().Console();
  const auto created =
      guest_->Create("one", {{"ociVersion", "1.0.2"}, {"process", {{"args", kWriteMuch}}}});
  ASSERT_TRUE(created.ok()) << created.error().message();
  ASSERT_TRUE(guest_->Start("one").ok());
  EXPECT_THAT(guest_->ReadAll("one", api::OUTPUT_STREAM_STDOUT).value(),
              AllOf(HasSubstr("220 /big"), HasSubstr("read back"), HasSubstr("done")))
      << guest_->ReadAll("one", api::OUTPUT_STREAM_STDERR).value() << guest_->vm().Console();
  EXPECT_EQ(guest_->Wait("one").value(), 0U);
  EXPECT_TRUE(guest_->Delete("one").ok());
  EXPECT_GT(UsedMib(), 100U) << "what memory cannot hold has been written out";
  EXPECT_FALSE(HostSees("needle-needle"));
  EXPECT_THAT(guest_->vm().Console(), Not(HasSubstr("INTEGRITY AEAD ERROR")));
}

}  // namespace
}  // namespace locket::guest_agent
