// Execs and terminals in a real guest: crun, its pseudo-terminals, PID 1.
#include <csignal>

#include "tests/guest-agent/vm_fixture.h"

namespace locket::guest_agent {
namespace {

using ::testing::HasSubstr;

Json ProcessFor(const std::vector<std::string>& argv, bool terminal = false) {
  Json process = SpecFor(argv).at("process");
  process["terminal"] = terminal;
  return process;
}

TEST_F(VmTest, ExecsRunAsTheTenantAllowedAndEndWithTheirContainer) {
  const std::vector<std::string> sleeper = {"/bin/sleep", "1000"};
  const std::vector<std::string> show = {"/bin/sh", "-c",
                                         "cat /greeting; id -u; pwd; cat /proc/self/cgroup; echo "
                                         "wish=$TENANT_WISH spy=$SPY; ulimit -n; "
                                         "echo to-stderr >&2; cat; exit 5"};
  const std::vector<std::string> lasting = {"/bin/sh", "-c", "sleep 900 & exit 0"};
  const FixtureImage image = MakeImage(
      {*base_, *top_}, {.argv = sleeper, .env = {"PATH=/bin:/usr/bin"}, .user = "1000:1001"});
  const Json allowed = {show, lasting, sleeper, {"/bin/absent"}};
  Guest guest = Boot(PinningInitdata(
      {image.manifest_digest()},
      "allow_env = [\"TENANT_*\"]\nallow_stdin = true\nallow_exec = " + allowed.dump() + "\n"));
  ASSERT_TRUE(guest.CreateSandbox().ok());
  ASSERT_TRUE(guest.Prepare("c", image).ok()) << guest.vm().Console();
  ASSERT_TRUE(guest.Create("c", SpecFor(sleeper)).ok());
  ASSERT_TRUE(guest.Start("c").ok());

  const Status refused = guest.CreateExec("c", "e", ProcessFor({"/bin/cat", "/greeting"}));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(refused.error().message(), HasSubstr("allow_exec"));

  const Status made = guest.CreateExec("c", "e", ProcessFor(show), /*with_stdin=*/true);
  ASSERT_TRUE(made.ok()) << made.error().message();
  const Status started = guest.Start("c", "e");
  ASSERT_TRUE(started.ok()) << started.error().message() << guest.vm().Console();
  EXPECT_TRUE(guest.Write("c", "typed\n", "e").ok());
  EXPECT_TRUE(
      (guest.For<api::CloseInputResponse, api::CloseInputRequest>("CloseInput", "c", "e")).ok());
  EXPECT_EQ(guest.ReadAll("c", api::OUTPUT_STREAM_STDOUT, "e").value(),
            "a sealed layer\n1000\n/\n0::/\nwish=granted spy=\n100\ntyped\n");
  EXPECT_EQ(guest.ReadAll("c", api::OUTPUT_STREAM_STDERR, "e").value(), "to-stderr\n");
  EXPECT_EQ(guest.Wait("c", "e").value(), 5U);
  EXPECT_TRUE(guest.Delete("c", "e").ok());

  ASSERT_TRUE(guest.CreateExec("c", "absent", ProcessFor({"/bin/absent"})).ok());
  const Status absent = guest.Start("c", "absent");
  ASSERT_FALSE(absent.ok());
  EXPECT_THAT(absent.error().message(), HasSubstr("crun exec: "));
  EXPECT_THAT(absent.error().message(), HasSubstr("/bin/absent"));
  EXPECT_TRUE(guest.Delete("c", "absent").ok());

  // What an exec leaves running holds its streams; deleting it ends them all the same.
  ASSERT_TRUE(guest.CreateExec("c", "lasting", ProcessFor(lasting)).ok());
  ASSERT_TRUE(guest.Start("c", "lasting").ok());
  EXPECT_EQ(guest.Wait("c", "lasting").value(), 0U);
  EXPECT_TRUE(guest.Delete("c", "lasting").ok());

  ASSERT_TRUE(guest.CreateExec("c", "killed", ProcessFor(sleeper)).ok());
  ASSERT_TRUE(guest.Start("c", "killed").ok());
  EXPECT_TRUE(guest.Signal("c", SIGKILL, /*all=*/true, "killed").ok());
  EXPECT_EQ(guest.Wait("c", "killed").value(), 128U + SIGKILL);

  ASSERT_TRUE(guest.CreateExec("c", "last", ProcessFor(sleeper)).ok());
  ASSERT_TRUE(guest.Start("c", "last").ok());
  ASSERT_TRUE(guest.CreateExec("c", "late", ProcessFor(sleeper)).ok());
  ASSERT_TRUE(guest.Signal("c", SIGKILL).ok());
  EXPECT_EQ(guest.Wait("c").value(), 128U + SIGKILL);
  EXPECT_EQ(guest.Wait("c", "last").value(), 128U + SIGKILL);
  EXPECT_FALSE(guest.Start("c", "late").ok());
  EXPECT_THAT(guest.CreateExec("c", "x", ProcessFor(sleeper)).error().message(),
              HasSubstr("container 'c' has ended"));
  EXPECT_TRUE(guest.Delete("c").ok());
  EXPECT_THAT(guest.vm().Console(), ::testing::Not(HasSubstr("leaving")));
}

TEST_F(VmTest, TerminalsEchoAndResize) {
  const std::vector<std::string> shell = {"/bin/sh", "-c", "read line; stty size; echo $TERM"};
  const FixtureImage image = Image(shell);
  Guest guest =
      Boot(PinningInitdata({image.manifest_digest()},
                           "allow_stdin = true\nallow_exec = " + Json({shell}).dump() + "\n"));
  ASSERT_TRUE(guest.CreateSandbox().ok());
  ASSERT_TRUE(guest.Prepare("c", image).ok()) << guest.vm().Console();
  Json spec = SpecFor(shell);
  spec["process"]["terminal"] = true;
  const auto created = guest.Create("c", spec, /*with_stdin=*/true);
  ASSERT_TRUE(created.ok()) << created.error().message() << guest.vm().Console();
  ASSERT_TRUE(guest.Start("c").ok());
  ASSERT_TRUE(guest.CreateExec("c", "e", ProcessFor(shell, /*terminal=*/true), true).ok());
  const Status started = guest.Start("c", "e");
  ASSERT_TRUE(started.ok()) << started.error().message() << guest.vm().Console();
  for (const std::string exec : {"e", ""}) {
    ASSERT_TRUE(guest.Resize("c", exec, 33, 77).ok());
    EXPECT_TRUE(guest.Write("c", "typed\n", exec).ok());
    EXPECT_EQ(guest.ReadAll("c", api::OUTPUT_STREAM_STDOUT, exec).value(),
              "typed\r\n33 77\r\nxterm\r\n");
    EXPECT_EQ(guest.ReadAll("c", api::OUTPUT_STREAM_STDERR, exec).value(), "");
    EXPECT_EQ(guest.Wait("c", exec).value(), 0U);
  }
}

}  // namespace
}  // namespace locket::guest_agent
