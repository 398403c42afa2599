#include "guest-agent/guest_spec.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace locket::guest_agent {
namespace {

using Json = nlohmann::json;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const ImageProcess kImage{.argv = {"/bin/app", "serve"},
                          .env = {"PATH=/bin", "MODE=safe"},
                          .working_directory = "/srv",
                          .uid = 1000,
                          .gid = 1001};

HostSpec Host() {
  return {.args = {"/bin/app", "serve"}, .env = {"PATH=/bin", "MODE=safe"}, .hostname = "pod"};
}

Json Encoded(const GuestSpec& spec) {
  return Json::parse(
      EncodeGuestSpec(spec, {.container_id = "c1", .rootfs = "/run/root", .etc = "/run/etc"}));
}

TEST(GuestSpecTest, TheImagesOwnCommandRuns) {
  const auto spec = ApplyPolicy(kImage, Host(), {});
  ASSERT_TRUE(spec.ok()) << spec.error().message();
  EXPECT_EQ(spec->process, kImage);
  EXPECT_THAT(spec->dropped, IsEmpty());
}

TEST(GuestSpecTest, AnotherCommandNeedsTheTenantsWord) {
  HostSpec host = Host();
  host.args = {"/bin/sh", "-c", "cat /secret"};
  const auto refused = ApplyPolicy(kImage, host, {});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_EQ(refused.error().message(),
            R"(command ["/bin/sh","-c","cat /secret"] is neither the image's own, )"
            R"(["/bin/app","serve"], nor listed in initdata's [agent] allow_commands)");
  const auto allowed = ApplyPolicy(kImage, host, {.allow_commands = {{"/x"}, host.args}});
  ASSERT_TRUE(allowed.ok());
  EXPECT_EQ(allowed->process.argv, host.args);
}

TEST(GuestSpecTest, ACommandIsAllowedAsAWholeOrNotAtAll) {
  HostSpec host = Host();
  for (const std::vector<std::string>& args : std::vector<std::vector<std::string>>{
           {"/bin/app"}, {"/bin/app", "serve", "more"}, {"/bin/app serve"}}) {
    host.args = args;
    EXPECT_FALSE(ApplyPolicy(kImage, host, {}).ok());
  }
}

TEST(GuestSpecTest, WithoutAnyCommandNothingRuns) {
  ImageProcess image = kImage;
  image.argv.clear();
  HostSpec host = Host();
  host.args.clear();
  const auto spec = ApplyPolicy(image, host, {});
  ASSERT_FALSE(spec.ok());
  EXPECT_THAT(spec.error().message(), HasSubstr("no command"));
}

TEST(GuestSpecTest, VariablesOfTheHostNeedTheTenantsWord) {
  HostSpec host = Host();
  host.env = {"MODE=unsafe",  "LD_PRELOAD=/evil.so", "KUBERNETES_PORT=1",
              "HOSTNAME=pod", "HOSTNAMES=x",         "NOVALUE"};
  const auto spec =
      ApplyPolicy(kImage, host, {.allow_env = {"HOSTNAME", "KUBERNETES_*", "NOVALUE"}});
  ASSERT_TRUE(spec.ok());
  EXPECT_THAT(spec->process.env,
              ElementsAre("PATH=/bin", "MODE=safe", "KUBERNETES_PORT=1", "HOSTNAME=pod"));
  EXPECT_THAT(spec->dropped,
              ElementsAre("environment variable 'MODE'", "environment variable 'LD_PRELOAD'",
                          "environment variable 'HOSTNAMES'", "environment variable 'NOVALUE'"));
}

TEST(GuestSpecTest, AnAllowedVariableReplacesTheImages) {
  HostSpec host = Host();
  host.env = {"MODE=fast"};
  EXPECT_THAT(ApplyPolicy(kImage, host, {.allow_env = {"MODE"}})->process.env,
              ElementsAre("PATH=/bin", "MODE=fast"));
}

TEST(GuestSpecTest, AnImageWithoutAPathGetsTheUsualOne) {
  ImageProcess image = kImage;
  image.env.clear();
  HostSpec host = Host();
  host.env.clear();
  EXPECT_THAT(ApplyPolicy(image, host, {})->process.env, ElementsAre(HasSubstr("PATH=/usr/local")));
}

TEST(GuestSpecTest, PatternsMatchWholeNamesOrPrefixes) {
  EXPECT_TRUE(EnvNameAllowed("A", {"A"}));
  EXPECT_FALSE(EnvNameAllowed("AB", {"A"}));
  EXPECT_TRUE(EnvNameAllowed("AB", {"X", "A*"}));
  EXPECT_TRUE(EnvNameAllowed("anything", {"*"}));
  EXPECT_FALSE(EnvNameAllowed("A", {}));
}

TEST(GuestSpecTest, TheHostCanTakeCapabilitiesAwayAndAddNone) {
  HostSpec host = Host();
  host.capabilities = {"CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_BPF", "CAP_KILL"};
  const auto spec = ApplyPolicy(kImage, host, {});
  EXPECT_THAT(spec->capabilities, ElementsAre("CAP_CHOWN", "CAP_KILL"));
  EXPECT_THAT(spec->dropped, ElementsAre("capabilities 'CAP_SYS_ADMIN', 'CAP_BPF'"));
  EXPECT_THAT(ApplyPolicy(kImage, Host(), {})->capabilities, IsEmpty());
}

TEST(GuestSpecTest, TheUserIsTheImagesAndAnotherIsNamed) {
  HostSpec host = Host();
  host.uid = 1000;
  EXPECT_THAT(ApplyPolicy(kImage, host, {})->dropped, IsEmpty());
  host.uid = 2000;
  const auto spec = ApplyPolicy(kImage, host, {});
  EXPECT_EQ(spec->process.uid, 1000U);
  EXPECT_THAT(spec->dropped, ElementsAre("user 2000 (the image's is 1000)"));
}

TEST(GuestSpecTest, ProcessesAreNeverShared) {
  HostSpec host = Host();
  host.joins_processes = true;
  const auto spec = ApplyPolicy(kImage, host, {});
  ASSERT_TRUE(spec.ok());
  EXPECT_THAT(spec->dropped, ElementsAre("processes shared with others"));
  EXPECT_THAT(Encoded(*spec)["linux"]["namespaces"], Contains(Json{{"type", "pid"}}));
}

TEST(GuestSpecTest, UnknownRlimitsAndHostMountsAreLeftOut) {
  HostSpec host = Host();
  host.rlimits = {{.type = "RLIMIT_NOFILE", .soft = 1, .hard = 2},
                  {.type = "RLIMIT_MADE_UP", .soft = 1, .hard = 2},
                  {.type = "RLIMIT_CORE", .soft = 2, .hard = 1}};
  host.mounts = {
      {.destination = "/proc"}, {.destination = "/etc/hosts"}, {.destination = "/var/secrets"}};
  const auto spec = ApplyPolicy(kImage, host, {});
  ASSERT_TRUE(spec.ok());
  EXPECT_THAT(spec->rlimits, ElementsAre(host.rlimits[0]));
  EXPECT_THAT(spec->dropped, ElementsAre("rlimit 'RLIMIT_MADE_UP'", "rlimit 'RLIMIT_CORE'",
                                         "mount at '/var/secrets'"));
}

TEST(GuestSpecTest, ATerminalHasANameAndIsToldToTheRuntime) {
  HostSpec host = Host();
  host.terminal = true;
  const auto spec = ApplyPolicy(kImage, host, {});
  ASSERT_TRUE(spec.ok());
  EXPECT_THAT(spec->process.env, ElementsAre("PATH=/bin", "MODE=safe", "TERM=xterm"));
  EXPECT_EQ(Encoded(*spec).at("process").at("terminal"), true);
  EXPECT_EQ(Json::parse(EncodeGuestProcess(*spec)), Encoded(*spec).at("process"));
}

TEST(GuestSpecTest, TheEncodedSpecHasOnlyGuestPathsAndTheImagesUser) {
  HostSpec host = Host();
  host.memory_limit = 4096;
  host.capabilities = {"CAP_CHOWN"};
  const Json spec = Encoded(*ApplyPolicy(kImage, host, {}));
  EXPECT_EQ(spec.at("root"), Json({{"path", "/run/root"}, {"readonly", false}}));
  EXPECT_EQ(spec.at("process").at("user"), Json({{"uid", 1000}, {"gid", 1001}}));
  EXPECT_EQ(spec.at("process").at("cwd"), "/srv");
  EXPECT_EQ(spec.at("process").at("terminal"), false);
  EXPECT_EQ(spec.at("linux").at("cgroupsPath"), "/locket/c1");
  EXPECT_EQ(spec.at("linux").at("resources").at("memory"), Json({{"limit", 4096}}));
  EXPECT_FALSE(spec.contains("hooks"));
  EXPECT_FALSE(spec.at("linux").contains("devices"));
  for (const Json& mount : spec.at("mounts")) {
    if (mount.at("type") == "bind") {
      EXPECT_THAT(mount.at("source").get<std::string>(), ::testing::StartsWith("/run/etc/"));
    }
  }
}

TEST(GuestSpecTest, NoDeviceOfTheGuestIsTheContainers) {
  const Json spec = Encoded(*ApplyPolicy(kImage, Host(), {}));
  EXPECT_EQ(spec.at("linux").at("resources").at("devices"),
            Json::parse(R"([{"allow":false,"access":"rwm"}])"));
}

TEST(GuestSpecTest, OnlyRootHoldsItsCapabilitiesFromTheStart) {
  HostSpec host = Host();
  host.capabilities = {"CAP_CHOWN"};
  const Json user = Encoded(*ApplyPolicy(kImage, host, {})).at("process").at("capabilities");
  EXPECT_EQ(user.at("bounding"), Json({"CAP_CHOWN"}));
  EXPECT_EQ(user.at("effective"), Json::array());
  ImageProcess root = kImage;
  root.uid = 0;
  const Json held = Encoded(*ApplyPolicy(root, host, {})).at("process").at("capabilities");
  EXPECT_EQ(held.at("effective"), Json({"CAP_CHOWN"}));
}

TEST(GuestSpecTest, TextThatIsNoUtf8DoesNotBreakTheEncoder) {
  ImageProcess image = kImage;
  image.argv = {"\xff\xfe"};
  HostSpec host = Host();
  host.args = image.argv;
  EXPECT_THAT(EncodeGuestSpec(*ApplyPolicy(image, host, {}),
                              {.container_id = "c", .rootfs = "/", .etc = "/"}),
              HasSubstr("args"));
}

}  // namespace
}  // namespace locket::guest_agent
