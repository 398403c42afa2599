#include "runtime-shim/hypervisor/qemu_args.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace locket::runtime_shim {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kQemu[] = "/usr/bin/qemu-system-x86_64";

VmSpec SomeVm() {
  return {.name = "pod-1",
          .dir = "/run/locket/shim/pod-1",
          .kernel = "/g/vmlinuz",
          .initrd = "/g/initramfs.img",
          .cmdline = "console=ttyS0 panic=-1",
          .memory_mib = 512,
          .vcpus = 2,
          .accelerator = Accelerator::kTcg};
}

std::string ValueAfter(const std::vector<std::string>& args, const std::string& flag) {
  const auto found = std::ranges::find(args, flag);
  return found == args.end() || found + 1 == args.end() ? "" : *(found + 1);
}

TEST(QemuArgsTest, BootsExactlyTheGuestImage) {
  const auto args = QemuArgs(kQemu, SomeVm());
  ASSERT_TRUE(args.ok()) << args.error().message();
  EXPECT_EQ(args->front(), "/usr/bin/qemu-system-x86_64");
  EXPECT_EQ(ValueAfter(*args, "-kernel"), "/g/vmlinuz");
  EXPECT_EQ(ValueAfter(*args, "-initrd"), "/g/initramfs.img");
  EXPECT_EQ(ValueAfter(*args, "-append"), "console=ttyS0 panic=-1");
  EXPECT_EQ(ValueAfter(*args, "-m"), "512M");
  EXPECT_EQ(ValueAfter(*args, "-accel"), "tcg,thread=multi,tb-size=64")
      << "by itself QEMU takes up to 1 GiB";
  EXPECT_EQ(ValueAfter(*args, "-cpu"), "max");
}

TEST(QemuArgsTest, ThereIsNoNetwork) {
  const auto args = QemuArgs(kQemu, SomeVm());
  ASSERT_TRUE(args.ok());
  EXPECT_EQ(ValueAfter(*args, "-nic"), "none");
  EXPECT_THAT(*args, Contains("-nodefaults"));
  EXPECT_THAT(*args, Not(Contains(HasSubstr("net"))));
}

TEST(QemuArgsTest, EachNicStandsOnTheTapItWasGiven) {
  auto vm = SomeVm();
  vm.nics = {{.mac = "02:00:00:00:00:01", .tap_fd = 7, .vhost = false},
             {.mac = "02:00:00:00:00:02", .tap_fd = 9, .vhost = true}};
  const auto args = QemuArgs(kQemu, vm);
  ASSERT_TRUE(args.ok());
  EXPECT_THAT(*args, Contains("tap,id=net0,fd=7,vhost=off"));
  EXPECT_THAT(*args, Contains("tap,id=net1,fd=9,vhost=on"));
  EXPECT_THAT(*args,
              Contains("virtio-net-pci,id=nic-net0,netdev=net0,mac=02:00:00:00:00:01,romfile="))
      << "no boot ROM";
  EXPECT_THAT(*args, Contains(HasSubstr("netdev=net1,mac=02:00:00:00:00:02")));
  EXPECT_EQ(ValueAfter(*args, "-nic"), "none") << "no other";
}

TEST(QemuArgsTest, WhatIsMeasuredIsTheSameWithANetwork) {
  auto vm = SomeVm();
  vm.nics = {{.mac = "02:00:00:00:00:01", .tap_fd = 7, .vhost = false}};
  const auto with = QemuArgs(kQemu, vm);
  const auto without = QemuArgs(kQemu, SomeVm());
  ASSERT_TRUE(with.ok() && without.ok());
  for (const char* measured : {"-kernel", "-initrd", "-append"}) {
    EXPECT_EQ(ValueAfter(*with, measured), ValueAfter(*without, measured));
  }
}

TEST(QemuArgsTest, KvmUsesTheHostsProcessor) {
  auto vm = SomeVm();
  vm.accelerator = Accelerator::kKvm;
  const auto args = QemuArgs(kQemu, vm);
  ASSERT_TRUE(args.ok());
  EXPECT_EQ(ValueAfter(*args, "-accel"), "kvm");
  EXPECT_EQ(ValueAfter(*args, "-cpu"), "host");
}

TEST(QemuArgsTest, PortsHaveTheNamesTheGuestLooksFor) {
  const auto args = QemuArgs(kQemu, SomeVm());
  ASSERT_TRUE(args.ok());
  EXPECT_THAT(*args, Contains(HasSubstr("name=dev.locket.agent")));
  EXPECT_THAT(*args, Contains(HasSubstr("name=dev.locket.relay")));
  EXPECT_THAT(*args, Not(Contains(HasSubstr("dev.locket.tee"))));
}

TEST(QemuArgsTest, TheEmulatorStandsAroundQemu) {
  auto vm = SomeVm();
  vm.emulator =
      EmulatorSpec{.program = "/e", .dir = "/keys", .host_data_hex = std::string(64, 'a')};
  const auto args = LaunchArgs(kQemu, vm);
  ASSERT_TRUE(args.ok()) << args.error().message();
  const std::vector<std::string> head(args->begin(), args->begin() + 10);
  EXPECT_THAT(head,
              ::testing::ElementsAre("/e", "launch", "--dir", "/keys", "--socket",
                                     "/run/locket/shim/pod-1/tee.sock", "--host-data",
                                     std::string(64, 'a'), "--", "/usr/bin/qemu-system-x86_64"));
  EXPECT_THAT(*args, Contains(HasSubstr("name=dev.locket.tee")));
  EXPECT_THAT(*args, Contains("socket,id=tee,path=/run/locket/shim/pod-1/tee.sock,server=off"));
}

TEST(QemuArgsTest, InitdataIsADiskFromTheStart) {
  auto vm = SomeVm();
  vm.initdata = DiskSpec{.id = "initdata", .path = "/i", .serial = "locket-initdata"};
  const auto args = QemuArgs(kQemu, vm);
  ASSERT_TRUE(args.ok());
  const auto node = nlohmann::json::parse(ValueAfter(*args, "-blockdev"));
  EXPECT_EQ(node["filename"], "/i");
  EXPECT_EQ(node["read-only"], true);
  EXPECT_THAT(*args, Contains(HasSubstr(R"("serial":"locket-initdata")")));
}

TEST(QemuArgsTest, DisksAreReadOnlyAndNeverTurnWritable) {
  const auto node = nlohmann::json::parse(
      BlockdevJson({.id = "layer-1", .path = "/b,\"x\"", .serial = "s", .direct_io = true}));
  EXPECT_EQ(node["filename"], "/b,\"x\"");
  EXPECT_EQ(node["read-only"], true);
  EXPECT_EQ(node["auto-read-only"], false);
  EXPECT_EQ(node["cache"]["direct"], true);
  EXPECT_EQ(node["node-name"], "layer-1");
}

TEST(QemuArgsTest, TheScratchIsWritableNeverFlushedAndItsErrorsReachTheGuest) {
  auto vm = SomeVm();
  vm.scratch = DiskSpec{
      .id = "scratch", .path = "/proc/1/fd/9", .serial = "locket-scratch", .writable = true};
  const auto args = QemuArgs(kQemu, vm);
  ASSERT_TRUE(args.ok());
  const auto node = nlohmann::json::parse(ValueAfter(*args, "-blockdev"));
  EXPECT_EQ(node["filename"], "/proc/1/fd/9");
  EXPECT_EQ(node["read-only"], false);
  EXPECT_EQ(node["cache"]["no-flush"], true);
  const auto device = nlohmann::json::parse(ScsiDiskJson(*vm.scratch, DiskAddress(kScratchIndex)));
  EXPECT_EQ(device["werror"], "report");
  EXPECT_EQ(device["rerror"], "report");
  EXPECT_EQ(device["scsi-id"], 1);
  EXPECT_THAT(*args, Contains(device.dump()));
}

// QEMU 10.0 refuses longer serials, 11.1 ids that begin with a digit; node names end at 31, and
// virtio-blk cuts serials at 20 without a word.
TEST(QemuArgsTest, OnlyDisksThatEveryQemuTakesWholeAreTaken) {
  const auto disk = [](const std::string& id, const std::string& serial) {
    return DiskSpec{.id = id, .path = "/b", .serial = serial};
  };
  EXPECT_TRUE(CheckDisk(disk("layer-99999999999999", "layer-99999999999999")).ok());
  EXPECT_TRUE(CheckDisk(disk("a" + std::string(30, '1'), std::string(20, 's'))).ok());
  for (const std::string& id : {std::string(), std::string("1layer"), std::string("Layer"),
                                std::string("a,b"), "a" + std::string(31, '1')}) {
    EXPECT_THAT(CheckDisk(disk(id, "s")).error().message(), HasSubstr("an id that QEMU takes"))
        << id;
  }
  for (const std::string& serial : {std::string(), std::string(21, 's'), std::string("a b")}) {
    EXPECT_THAT(CheckDisk(disk("a", serial)).error().message(), HasSubstr("takes whole")) << serial;
  }
  auto vm = SomeVm();
  vm.scratch = disk("scratch", std::string(21, 's'));
  EXPECT_EQ(QemuArgs(kQemu, vm).error().code(), ErrorCode::kInvalidArgument);
}

TEST(QemuArgsTest, EachDiskHasAnAddressOfItsOwn) {
  EXPECT_EQ(DiskAddress(0), (ScsiAddress{.target = 0, .lun = 0}));
  EXPECT_EQ(DiskAddress(254), (ScsiAddress{.target = 254, .lun = 0}));
  EXPECT_EQ(DiskAddress(255), (ScsiAddress{.target = 0, .lun = 1}));
}

TEST(QemuArgsTest, CommasInPathsAreEscaped) {
  auto vm = SomeVm();
  vm.dir = "/a,b";
  const auto args = QemuArgs(kQemu, vm);
  ASSERT_TRUE(args.ok());
  EXPECT_THAT(*args, Contains(StartsWith("socket,id=qmp,path=/a,,b/qmp.sock,")));
}

TEST(QemuArgsTest, ADirectoryTooLongForSocketsIsNamed) {
  auto vm = SomeVm();
  vm.dir = "/" + std::string(95, 'x');
  const auto args = QemuArgs(kQemu, vm);
  ASSERT_FALSE(args.ok());
  EXPECT_THAT(args.error().message(), HasSubstr("shorten state_dir"));
}

}  // namespace
}  // namespace locket::runtime_shim
