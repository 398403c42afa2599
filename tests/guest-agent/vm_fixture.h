// A guest with layers that hold a shell and a few tools.
#pragma once

#include <gmock/gmock.h>

#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "initdata/initdata.h"
#include "tests/guest-agent/guest_calls.h"

namespace locket::guest_agent {

inline Json SpecFor(const std::vector<std::string>& argv) {
  return {
      {"ociVersion", "1.0.2"},
      {"process",
       {{"args", argv},
        {"env", {"PATH=/bin:/usr/bin", "SPY=1", "TENANT_WISH=granted"}},
        {"cwd", "/"},
        {"user", {{"uid", 0}, {"gid", 0}}},
        {"capabilities", {{"bounding", {"CAP_CHOWN", "CAP_MKNOD", "CAP_SYS_ADMIN"}}}},
        {"rlimits", {{{"type", "RLIMIT_NOFILE"}, {"soft", 100}, {"hard", 200}}}}}},
      {"root", {{"path", "rootfs"}}},
      {"hostname", "from-spec"},
      {"mounts", {{{"destination", "/host"}, {"type", "bind"}, {"source", "/"}}}},
      {"linux", {{"resources", {{"memory", {{"limit", 67108864}}}, {"pids", {{"limit", 50}}}}}}}};
}

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
    std::filesystem::create_directories(root / "top/etc");
    std::ofstream(root / "top/etc/passwd") << "root:x:0:0::/root:\nuser:x:1000:1001::/home:\n";
    std::ofstream(root / "top/etc/group") << "wheel:x:10:root\naudio:x:29:user,root\n";
    auto base = SealTree(root / "base", root / "base.blob");
    ASSERT_TRUE(base.ok()) << base.error().message();
    auto top = SealTree(root / "top", root / "top.blob");
    ASSERT_TRUE(top.ok()) << top.error().message();
    base_ = *base;
    top_ = *top;
  }

  static VmDisk DiskOf(const FixtureLayer& layer) {
    return {.serial = layer.descriptor.digest.Hex().substr(0, 32), .file = layer.blob};
  }

  // A layer of one file, whose blob has one byte changed where `mark` stands.
  FixtureLayer CorruptedLayer(const std::string& name, const std::string& file_content,
                              const std::string& mark) {
    const auto& root = directory_->path();
    std::filesystem::create_directories(root / name);
    std::ofstream(root / name / name) << file_content;
    auto layer = SealTree(root / name, root / (name + ".blob"));
    EXPECT_TRUE(layer.ok());
    const auto blob = ReadFile(layer->blob, 16 << 20);
    EXPECT_TRUE(blob.ok());
    // Without a mark: the EROFS superblock.
    const size_t offset = mark.empty() ? 1024 : blob->find(mark);
    EXPECT_NE(offset, std::string::npos);
    EXPECT_TRUE(FlipByte(layer->blob, offset).ok());
    return std::move(*layer);
  }

  static FixtureImage Image(const std::vector<std::string>& argv) {
    return MakeImage({*base_, *top_}, {.argv = argv, .env = {"PATH=/bin:/usr/bin"}});
  }

  // Boots with the layers' disks (and `more`) and, if given, initdata.
  Guest Boot(const std::optional<std::string>& initdata, const std::vector<VmDisk>& more = {},
             const std::optional<std::string>& nic_mac = std::nullopt) {
    VmOptions options{.image_directory = GuestImageDirectory(),
                      .nic_mac = nic_mac,
                      .more_cmdline = more_cmdline_,
                      .more_arguments = more_arguments_};
    if (initdata) {
      const auto file = directory_->path() / "initdata";
      const auto disk = initdata::EncodeInitdataDevice(*initdata);
      EXPECT_TRUE(disk.ok());
      std::ofstream(file, std::ios::binary)
          .write(reinterpret_cast<const char*>(disk->data()),
                 static_cast<std::streamsize>(disk->size()));
      options.disks.push_back({.serial = "locket-initdata", .file = file});
    }
    for (const FixtureLayer* layer : {&*base_, &*top_}) options.disks.push_back(DiskOf(*layer));
    options.disks.insert(options.disks.end(), more.begin(), more.end());
    auto vm = Vm::Boot(options);
    if (!vm.ok()) ADD_FAILURE() << vm.error().message();
    return Guest(vm.ok() ? std::move(*vm) : nullptr);
  }

  std::string more_cmdline_ = " locket.tee=none";
  std::vector<std::string> more_arguments_{};

  static inline TempDir* directory_ = nullptr;
  static inline std::optional<FixtureLayer> base_;
  static inline std::optional<FixtureLayer> top_;
};

}  // namespace locket::guest_agent
