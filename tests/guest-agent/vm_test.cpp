// The agent in a real guest: kernel, device mapper, EROFS, overlayfs, crun. No TEE, so images are
// pinned by digest; what a broker adds is tested end to end.
#include <csignal>

#include "tests/guest-agent/vm_fixture.h"

namespace locket::guest_agent {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::vector<std::string> kShow = {
    "/bin/sh", "-c",
    "echo hello from $(cat /greeting); echo wish=$TENANT_WISH spy=$SPY; hostname; id -u; "
    "ls /host; cat /etc/hostname; touch /written && echo writable; ulimit -n; "
    "mknod /disk b 8 0; cat /disk 2>&1; echo to-stderr >&2"};

// What a container can see or reach of the guest that keeps it.
const std::vector<std::string> kProbe = {
    "/bin/sh", "-c",
    // The console as /dev/console and as ttyS0, the kernel's log and memory, a port, tun, RTC,
    // disk.
    "n=0; for d in 'c 5 1' 'c 4 64' 'c 1 11' 'c 1 1' 'c 248 1' 'c 10 200' 'c 251 0' 'b 8 0'; do "
    "n=$((n+1)); for at in /n$n /dev/n$n; do mknod $at $d; (: < $at) 2> /dev/null && echo reads "
    "$d; "
    "(: > $at) 2> /dev/null && echo writes $d; done; done; "
    "mknod /null c 1 3 && echo x > /null && echo null opens; "
    "id -G; echo $HOME $HOSTNAME; ulimit -n; ulimit -p; cat /proc/self/oom_score_adj; "
    "while read -r key value; do case $key in Seccomp:) echo seccomp $value;; esac; done < "
    "/proc/self/status; "
    "while read -r name rest; do [ $name = AF_VSOCK ] && echo vsock; done < /proc/net/protocols; "
    "ls /sys/class/nvme 2> /dev/null; mount -t tmpfs x /bin 2> /dev/null && echo mounts; "
    "cd /proc/sys; echo $(cat kernel/printk kernel/sysrq debug/exception-trace); "
    "echo $(cat user/max_user_namespaces net/ipv4/ip_unprivileged_port_start); "
    "cat /proc/cmdline"};

TEST_F(VmTest, RunsAnImageUnderTheTenantsPolicyAndPowersOff) {
  const FixtureImage image = Image(kShow);
  Guest guest = Boot(PinningInitdata({image.manifest_digest()}, "allow_env = [\"TENANT_*\"]\n"));
  const auto info = guest.GetInfo();
  ASSERT_TRUE(info.ok()) << info.error().message() << guest.vm().Console();
  ASSERT_TRUE(guest.CreateSandbox().ok());

  const auto prepared = guest.Prepare("one", image);
  ASSERT_TRUE(prepared.ok()) << prepared.error().message() << guest.vm().Console();
  const auto refused = guest.Create("one", SpecFor({"/bin/cat", "/greeting"}));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(refused.error().message(), HasSubstr("allow_commands"));

  const auto created = guest.Create("one", SpecFor(kShow));
  ASSERT_TRUE(created.ok()) << created.error().message() << guest.vm().Console();
  const Status started = guest.Start("one");
  ASSERT_TRUE(started.ok()) << started.error().message() << guest.vm().Console();
  EXPECT_EQ(guest.ReadAll("one", api::OUTPUT_STREAM_STDERR).value(),
            "ls: cannot access '/host': No such file or directory\nto-stderr\n");
  EXPECT_EQ(guest.ReadAll("one", api::OUTPUT_STREAM_STDOUT).value(),
            "hello from a sealed layer\nwish=granted spy=\nfrom-spec\n0\nfrom-spec\nwritable\n100\n"
            "cat: /disk: Operation not permitted\n");
  EXPECT_EQ(guest.Wait("one").value(), 0U);
  EXPECT_TRUE(guest.Delete("one").ok());
  EXPECT_TRUE(guest.Delete("one").ok()) << "twice is fine";

  const auto off = guest.Call<api::ShutdownResponse>("Shutdown", api::ShutdownRequest());
  EXPECT_TRUE(off.ok()) << off.error().message();
  EXPECT_EQ(guest.vm().AwaitPowerOff(std::chrono::seconds(60)).value(), 0);
  EXPECT_THAT(guest.vm().Console(), AllOf(HasSubstr("tee=\"none\" initdata=\"sha256:"),
                                          HasSubstr("mount at '/host'"), HasSubstr("'SPY'")));
}

TEST_F(VmTest, AContainerFindsTheGuestClosedAndTheDefaultsOfEngines) {
  const auto disk = directory_->path() / "nvme";
  std::ofstream(disk) << std::string(1 << 20, 'n');
  more_arguments_ = {
      "-blockdev",
      "driver=raw,read-only=on,node-name=n,file.driver=file,file.filename=" + disk.string(),
      "-device", "nvme,drive=n,serial=n"};
  const FixtureImage image = Image(kProbe);
  Guest guest =
      Boot(PinningInitdata({image.manifest_digest()}, "allow_commands = [[\"/greeting\"]]\n"));
  ASSERT_TRUE(guest.CreateSandbox().ok()) << guest.vm().Console();
  // The host raises the console's level and resets the guest, if a BREAK is SysRq to it.
  ASSERT_TRUE(guest.vm().SendSysRq('9').ok());
  ASSERT_TRUE(guest.vm().SendSysRq('b').ok());
  ASSERT_TRUE(guest.Prepare("one", image).ok()) << guest.vm().Console();
  EXPECT_THAT(guest.Create("one", SpecFor({"/greeting"})).error().message(),
              HasSubstr("cannot run '/greeting': permission denied: its mode"));
  Json spec = SpecFor(kProbe);
  spec["process"].erase("rlimits");
  const auto created = guest.Create("one", spec);
  ASSERT_TRUE(created.ok()) << created.error().message() << guest.vm().Console();
  const Status started = guest.Start("one");
  ASSERT_TRUE(started.ok()) << started.error().message() << guest.vm().Console();
  EXPECT_THAT(guest.ReadAll("one", api::OUTPUT_STREAM_STDOUT).value(),
              StartsWith("null opens\n0 10 29\n/root from-spec\n1048576\nunlimited\n0\n"
                         "seccomp 2\n4 4 1 4 0 0\n0 0\nconsole="));
  EXPECT_EQ(guest.ReadAll("one", api::OUTPUT_STREAM_STDERR).value(), "");
  EXPECT_EQ(guest.Wait("one").value(), 0U);
  EXPECT_THAT(guest.vm().Console(), ::testing::Not(HasSubstr("sysrq")));
}

TEST_F(VmTest, ATeeThatTheHostTakesAwayIsMissed) {
  more_cmdline_ = "";
  const FixtureImage image = Image(kShow);
  Guest guest = Boot(PinningInitdata({image.manifest_digest()}));
  ASSERT_TRUE(guest.CreateSandbox().ok());
  const auto prepared = guest.Prepare("one", image);
  ASSERT_FALSE(prepared.ok());
  EXPECT_EQ(prepared.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(prepared.error().message(), HasSubstr("does not say locket.tee=none"));
}

TEST_F(VmTest, WithoutInitdataNoImageIsOpened) {
  Guest guest = Boot(std::nullopt);
  const auto info = guest.GetInfo();
  ASSERT_TRUE(info.ok()) << info.error().message();
  ASSERT_TRUE(guest.CreateSandbox().ok());
  const auto prepared = guest.Prepare("one", Image(kShow));
  ASSERT_FALSE(prepared.ok());
  EXPECT_THAT(prepared.error().message(), HasSubstr("open image 'registry/one': no initdata"));
}

TEST_F(VmTest, WhatTheHostChangedIsRefusedOrFailsLoudly) {
  const FixtureImage good = Image({"/bin/cat", "/greeting"});
  const FixtureLayer broken_mount = CorruptedLayer("mount", "text", "");
  const std::string needle = "needle in this file";
  const FixtureLayer broken_file =
      CorruptedLayer("data", std::string(20000, '.') + needle + std::string(20000, '.'), needle);
  const FixtureImage bad_mount =
      MakeImage({*base_, broken_mount}, {.argv = {"/bin/cat", "/mount"}});
  const FixtureImage bad_file = MakeImage(
      {*base_, broken_file}, {.argv = {"/bin/sh", "-c", "cat /data > /dev/null; exit 0"}});
  FixtureLayer absent = *top_;
  absent.descriptor.digest = image::Digest::Of(std::string_view("absent"));
  const FixtureImage no_disk = MakeImage({absent}, {.argv = {"/bin/true"}});
  Guest guest = Boot(PinningInitdata({good.manifest_digest(), bad_mount.manifest_digest(),
                                      bad_file.manifest_digest(), no_disk.manifest_digest()}),
                     {DiskOf(broken_mount), DiskOf(broken_file)});
  ASSERT_TRUE(guest.CreateSandbox().ok());

  const auto unlisted = guest.Prepare("x", Image({"/bin/echo"}));
  ASSERT_FALSE(unlisted.ok());
  EXPECT_EQ(unlisted.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(unlisted.error().message(), HasSubstr("is not among the allowed digests"));

  FixtureImage other_config = good;
  other_config.config = Image({"/bin/echo"}).config;
  const auto swapped = guest.Prepare("x", other_config);
  ASSERT_FALSE(swapped.ok());
  EXPECT_THAT(swapped.error().message(), HasSubstr("the config is not the one of manifest"));

  const std::string verdict = ": dm-verity found corrupted data";
  const auto unmountable = guest.Prepare("x", bad_mount);
  ASSERT_FALSE(unmountable.ok());
  EXPECT_EQ(unmountable.error().code(), ErrorCode::kDataLoss);
  EXPECT_THAT(unmountable.error().message(),
              EndsWith("open image 'registry/x': layer " + broken_mount.descriptor.digest.ToText() +
                       verdict));

  // The program ignores that its file cannot be read; the container fails all the same.
  ASSERT_TRUE(guest.Prepare("x", bad_file).ok()) << guest.vm().Console();
  const auto made = guest.Create("x", SpecFor({"/bin/sh", "-c", "cat /data > /dev/null; exit 0"}));
  ASSERT_TRUE(made.ok()) << made.error().message();
  ASSERT_TRUE(guest.Start("x").ok());
  EXPECT_EQ(guest.ReadAll("x", api::OUTPUT_STREAM_STDERR).value(),
            "cat: /data: Input/output error\nlocket: layer " +
                broken_file.descriptor.digest.ToText() + verdict + "\n");
  EXPECT_EQ(guest.Wait("x").value(), 74U);
  EXPECT_TRUE(guest.Delete("x").ok());

  const auto missing = guest.Prepare("x", no_disk);
  ASSERT_FALSE(missing.ok());
  EXPECT_THAT(missing.error().message(), HasSubstr("the host did not attach it"));

  // After all these refusals the good image still opens: nothing was left in its way.
  const auto prepared = guest.Prepare("x", good);
  ASSERT_TRUE(prepared.ok()) << prepared.error().message();
  ASSERT_TRUE(guest.Create("x", SpecFor({"/bin/cat", "/greeting"})).ok());
  ASSERT_TRUE(guest.Start("x").ok());
  EXPECT_EQ(guest.ReadAll("x", api::OUTPUT_STREAM_STDOUT).value(), "a sealed layer\n");
}

TEST_F(VmTest, ContainersShareLayersTakeInputAndDieBySignal) {
  const std::vector<std::string> reader = {"/bin/sh", "-c",
                                           "id -u; id -g; cat; touch /x || echo no"};
  const FixtureImage user = MakeImage(
      {*base_, *top_}, {.argv = reader, .env = {"PATH=/bin:/usr/bin"}, .user = "1000:1001"});
  const FixtureImage sleeper = Image({"/bin/sh", "-c", "sleep 1000 & sleep 1000"});
  Guest guest = Boot(PinningInitdata({user.manifest_digest(), sleeper.manifest_digest()},
                                     "allow_commands = [[\"/bin/sleep\", \"2000\"]]\n"
                                     "allow_stdin = true\n"));
  ASSERT_TRUE(guest.CreateSandbox().ok());
  ASSERT_TRUE(guest.Prepare("user", user).ok()) << guest.vm().Console();
  ASSERT_TRUE(guest.Prepare("sleeper", sleeper).ok());
  ASSERT_TRUE(guest.Prepare("allowed", sleeper).ok());

  Json spec = SpecFor(reader);
  ASSERT_TRUE(guest.Create("user", spec, /*with_stdin=*/true).ok()) << guest.vm().Console();
  ASSERT_TRUE(guest.Start("user").ok());
  EXPECT_TRUE(guest.Write("user", "through ").ok());
  EXPECT_TRUE(guest.Write("user", "stdin\n").ok());
  EXPECT_TRUE(guest.CloseInput("user").ok());
  EXPECT_EQ(guest.ReadAll("user", api::OUTPUT_STREAM_STDOUT).value(),
            "1000\n1001\nthrough stdin\nno\n");
  EXPECT_EQ(guest.Wait("user").value(), 0U);
  EXPECT_TRUE(guest.Delete("user").ok()) << "the layers stay open for the others";

  ASSERT_TRUE(guest.Create("sleeper", SpecFor({"/bin/sh", "-c", "sleep 1000 & sleep 1000"})).ok());
  ASSERT_TRUE(guest.Start("sleeper").ok());
  EXPECT_TRUE(guest.Signal("sleeper", SIGKILL, /*all=*/true).ok()) << guest.vm().Console();
  EXPECT_EQ(guest.Wait("sleeper").value(), 128U + SIGKILL);
  const Status late = guest.Signal("sleeper", SIGTERM);
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().code(), ErrorCode::kNotFound);

  ASSERT_TRUE(guest.Create("allowed", SpecFor({"/bin/sleep", "2000"})).ok());
  ASSERT_TRUE(guest.Start("allowed").ok());
  EXPECT_TRUE(guest.Delete("allowed").ok()) << "a running container";
  EXPECT_TRUE(guest.Delete("sleeper").ok());
  EXPECT_THAT(guest.vm().Console(), ::testing::Not(HasSubstr("leaving")));
}

api::Network PodNetwork() {
  api::Network network;
  auto* interface = network.add_interfaces();
  interface->set_mac(std::string("\x02\0\0\0\0\x07", 6));
  interface->set_name("pod0");
  interface->set_mtu(1400);
  auto* address = interface->add_addresses();
  address->set_address(std::string("\x0a\0\0\x02", 4));
  address->set_length(24);
  auto* anywhere = interface->add_routes();
  anywhere->mutable_destination()->set_address(std::string(4, '\0'));
  anywhere->set_gateway(std::string("\x0a\0\0\x01", 4));
  auto* subnet = interface->add_routes()->mutable_destination();
  subnet->set_address(std::string("\x0a\0\0\0", 4));
  subnet->set_length(24);
  network.add_nameservers(std::string("\x0a\0\0\x01", 4));
  network.add_searches("a.example");
  return network;
}

const std::vector<std::string> kShowNetwork = {
    "/bin/sh", "-c",
    "cat /etc/resolv.conf /etc/hosts; cd /sys/class/net; ls; cat pod0/address pod0/mtu; "
    "cat /proc/sys/net/ipv6/conf/pod0/disable_ipv6; while read -r a b c d; do echo $a $b $c; done "
    "< /proc/net/route"};

TEST_F(VmTest, ThePodHasTheNetworkThatTheHostSaysIfTheTenantAllowsIt) {
  const FixtureImage image = Image(kShowNetwork);
  Guest guest = Boot(PinningInitdata({image.manifest_digest()}, "allow_network = true\n"), {},
                     "02:00:00:00:00:07");
  const auto sandbox = guest.CreateSandbox(PodNetwork());
  ASSERT_TRUE(sandbox.ok()) << sandbox.error().message() << guest.vm().Console();
  EXPECT_EQ(sandbox->left_out_size(), 0);
  ASSERT_TRUE(guest.Prepare("one", image).ok()) << guest.vm().Console();
  ASSERT_TRUE(guest.Create("one", SpecFor(kShowNetwork)).ok()) << guest.vm().Console();
  ASSERT_TRUE(guest.Start("one").ok());
  EXPECT_EQ(guest.ReadAll("one", api::OUTPUT_STREAM_STDOUT).value(),
            "nameserver 10.0.0.1\nsearch a.example\n"
            "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n10.0.0.2 from-spec\n"
            "lo\npod0\n02:00:00:00:00:07\n1400\n1\n"
            "Iface Destination Gateway\npod0 00000000 0100000A\npod0 0000000A 00000000\n");
}

TEST_F(VmTest, WithoutTheTenantsLeaveNobodyDrivesTheDevice) {
  const std::vector<std::string> show = {
      "/bin/sh", "-c", "cat /etc/resolv.conf /proc/net/route; cd /sys/class/net; echo links: *"};
  const FixtureImage image = Image(show);
  Guest guest = Boot(PinningInitdata({image.manifest_digest()}), {}, "02:00:00:00:00:07");
  const auto sandbox = guest.CreateSandbox(PodNetwork());
  ASSERT_TRUE(sandbox.ok()) << sandbox.error().message() << guest.vm().Console();
  ASSERT_EQ(sandbox->left_out_size(), 1);
  EXPECT_THAT(sandbox->left_out(0), HasSubstr("allow_network = true"));
  ASSERT_TRUE(guest.Prepare("one", image).ok()) << guest.vm().Console();
  ASSERT_TRUE(guest.Create("one", SpecFor(show)).ok()) << guest.vm().Console();
  ASSERT_TRUE(guest.Start("one").ok());
  const std::string shown = guest.ReadAll("one", api::OUTPUT_STREAM_STDOUT).value();
  EXPECT_THAT(shown, StartsWith("Iface\t")) << "no nameserver";
  EXPECT_THAT(shown, EndsWith("\nlinks: lo\n"));
}

TEST_F(VmTest, TheKernelKeepsThePromisesOfOurFakes) {
  const auto& root = directory_->path();
  Secret kek(32);
  for (auto& byte : kek.Reveal()) byte = std::byte{0x42};
  const auto secret = SealTree(root / "top", root / "secret.blob", &kek);
  ASSERT_TRUE(secret.ok()) << secret.error().message();
  const FixtureImage image = MakeImage({*secret}, {.argv = {"/bin/app"}});
  const auto tree = root / "inside";
  std::filesystem::create_directories(tree / "test");
  std::filesystem::copy_file(LOCKET_INSIDE_VM, tree / "init");
  std::filesystem::copy_file(LOCKET_MOUNTER, tree / "test/locket-mounter");
  // For crun to run something in.
  std::filesystem::copy(root / "base", tree / "test/rootfs",
                        std::filesystem::copy_options::recursive);
  std::filesystem::copy_file(LOCKET_SYSTEM_CALLS, tree / "test/rootfs/bin/system-calls");
  std::ofstream(tree / "test/manifest") << image.manifest;
  std::ofstream(tree / "test/config") << image.config;
  std::ofstream(tree / "test/kek") << std::string(32, '\x42');
  std::ofstream(tree / "test/other-kek") << std::string(32, '\x43');
  const auto initrd = root / "inside.img";
  const Status made = ExtendInitrd(GuestImageDirectory() / "initramfs.img", tree, initrd);
  ASSERT_TRUE(made.ok()) << made.error().message();
  const auto scratch = root / "scratch.img";
  std::ofstream(scratch).close();
  std::filesystem::resize_file(scratch, 64 << 20);
  auto vm = Vm::Boot(
      {.image_directory = GuestImageDirectory(),
       .disks = {DiskOf(*secret), {.serial = "locket-scratch", .file = scratch, .writable = true}},
       .initrd = initrd});
  ASSERT_TRUE(vm.ok()) << vm.error().message();
  const auto off = (*vm)->AwaitPowerOff(std::chrono::seconds(240));
  EXPECT_TRUE(off.ok());
  EXPECT_THAT((*vm)->Console(), AllOf(HasSubstr("inside-vm: status 0"), HasSubstr("[  PASSED  ]")));
}

}  // namespace
}  // namespace locket::guest_agent
