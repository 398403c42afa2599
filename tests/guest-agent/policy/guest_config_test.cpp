#include "guest-agent/policy/guest_config.h"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "guest-agent/hardening/seccomp_profile.h"

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

HostRequest Host() {
  return {.args = {"/bin/app", "serve"}, .env = {"PATH=/bin", "MODE=safe"}, .hostname = "pod"};
}

const Rlimit kUnlimitedProcesses{.type = "RLIMIT_NPROC", .soft = UINT64_MAX, .hard = UINT64_MAX};

Json Encoded(const GuestConfig& config) {
  return Json::parse(
      EncodeGuestConfig(config, {.container_id = "c1", .rootfs = "/run/root", .etc = "/run/etc"}));
}

TEST(GuestConfigTest, TheImagesOwnCommandRuns) {
  const auto config = ApplyPolicy(kImage, Host(), {});
  ASSERT_TRUE(config.ok()) << config.error().message();
  ImageProcess expected = kImage;
  expected.env.emplace_back("HOME=/");
  EXPECT_EQ(config->process, expected);
  EXPECT_THAT(config->dropped, IsEmpty());
}

TEST(GuestConfigTest, AnotherCommandNeedsTheTenantsWord) {
  HostRequest host = Host();
  host.args = {"/bin/sh", "-c", "cat /secret"};
  const auto refused = ApplyPolicy(kImage, host, {});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_EQ(refused.error().message(),
            R"(command ["/bin/sh","-c","cat /secret"] is neither the image's own, )"
            R"(["/bin/app","serve"], nor listed in initdata's [agent] allow_commands)");
  const auto allowed =
      ApplyPolicy(kImage, host, {.every_image = {.allow_commands = {{"/x"}, host.args}}});
  ASSERT_TRUE(allowed.ok());
  EXPECT_EQ(allowed->process.argv, host.args);
}

TEST(GuestConfigTest, ACommandIsAllowedAsAWholeOrNotAtAll) {
  HostRequest host = Host();
  for (const std::vector<std::string>& args : std::vector<std::vector<std::string>>{
           {"/bin/app"}, {"/bin/app", "serve", "more"}, {"/bin/app serve"}}) {
    host.args = args;
    EXPECT_FALSE(ApplyPolicy(kImage, host, {}).ok());
  }
}

TEST(GuestConfigTest, WithoutAnyCommandNothingRuns) {
  ImageProcess image = kImage;
  image.argv.clear();
  HostRequest host = Host();
  host.args.clear();
  const auto config = ApplyPolicy(image, host, {});
  ASSERT_FALSE(config.ok());
  EXPECT_THAT(config.error().message(), HasSubstr("no command"));
}

TEST(GuestConfigTest, VariablesOfTheHostNeedTheTenantsWord) {
  HostRequest host = Host();
  host.env = {"MODE=unsafe",  "LD_PRELOAD=/evil.so", "KUBERNETES_PORT=1",
              "HOSTNAME=pod", "HOSTNAMES=x",         "NOVALUE"};
  const auto config =
      ApplyPolicy(kImage, host, {.allow_env = {"HOSTNAME", "KUBERNETES_*", "NOVALUE"}});
  ASSERT_TRUE(config.ok());
  EXPECT_THAT(config->process.env,
              ElementsAre("PATH=/bin", "MODE=safe", "KUBERNETES_PORT=1", "HOME=/"));
  EXPECT_THAT(config->dropped,
              ElementsAre("environment variable 'MODE'", "environment variable 'LD_PRELOAD'",
                          "environment variable 'HOSTNAMES'", "environment variable 'NOVALUE'"));
}

TEST(GuestConfigTest, AnAllowedVariableReplacesTheImages) {
  HostRequest host = Host();
  host.env = {"MODE=fast"};
  EXPECT_THAT(ApplyPolicy(kImage, host, {.allow_env = {"MODE"}})->process.env,
              ElementsAre("PATH=/bin", "MODE=fast", "HOME=/"));
}

TEST(GuestConfigTest, AnImageWithoutAPathGetsTheUsualOne) {
  ImageProcess image = kImage;
  image.env.clear();
  HostRequest host = Host();
  host.env.clear();
  EXPECT_THAT(ApplyPolicy(image, host, {})->process.env,
              ElementsAre(HasSubstr("PATH=/usr/local"), "HOME=/"));
}

TEST(GuestConfigTest, PatternsMatchWholeNamesOrPrefixes) {
  EXPECT_TRUE(EnvNameAllowed("A", {"A"}));
  EXPECT_FALSE(EnvNameAllowed("AB", {"A"}));
  EXPECT_TRUE(EnvNameAllowed("AB", {"X", "A*"}));
  EXPECT_TRUE(EnvNameAllowed("anything", {"any*"}));
  EXPECT_FALSE(EnvNameAllowed("LD_PRELOAD", {"LD_*", "L*"})) << "only by its whole name";
  EXPECT_TRUE(EnvNameAllowed("LD_PRELOAD", {"LD_PRELOAD"}));
  EXPECT_FALSE(EnvNameAllowed("A", {}));
}

TEST(GuestConfigTest, TheHostCanTakeCapabilitiesAwayAndAddNone) {
  HostRequest host = Host();
  host.capabilities = {"CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_BPF", "CAP_KILL"};
  const auto config = ApplyPolicy(kImage, host, {});
  EXPECT_THAT(config->capabilities, ElementsAre("CAP_CHOWN", "CAP_KILL"));
  EXPECT_THAT(config->dropped, ElementsAre("capabilities 'CAP_SYS_ADMIN', 'CAP_BPF'"));
  EXPECT_THAT(ApplyPolicy(kImage, Host(), {})->capabilities, IsEmpty());
}

TEST(GuestConfigTest, TheUserIsTheImagesAndAnotherIsNamed) {
  HostRequest host = Host();
  host.uid = 1000;
  EXPECT_THAT(ApplyPolicy(kImage, host, {})->dropped, IsEmpty());
  host.uid = 2000;
  const auto config = ApplyPolicy(kImage, host, {});
  EXPECT_EQ(config->process.uid, 1000U);
  EXPECT_THAT(config->dropped, ElementsAre("user 2000 (the image's is 1000)"));
}

TEST(GuestConfigTest, ProcessesAreNeverShared) {
  HostRequest host = Host();
  host.joins_processes = true;
  const auto config = ApplyPolicy(kImage, host, {});
  ASSERT_TRUE(config.ok());
  EXPECT_THAT(config->dropped, ElementsAre("processes shared with others"));
  EXPECT_THAT(Encoded(*config)["linux"]["namespaces"], Contains(Json{{"type", "pid"}}));
}

TEST(GuestConfigTest, UnknownRlimitsAndHostMountsAreLeftOut) {
  HostRequest host = Host();
  host.rlimits = {{.type = "RLIMIT_NOFILE", .soft = 1, .hard = 2},
                  {.type = "RLIMIT_MADE_UP", .soft = 1, .hard = 2},
                  {.type = "RLIMIT_CORE", .soft = 2, .hard = 1}};
  host.mounts = {
      {.destination = "/proc"}, {.destination = "/etc/hosts"}, {.destination = "/var/secrets"}};
  const auto config = ApplyPolicy(kImage, host, {});
  ASSERT_TRUE(config.ok());
  EXPECT_THAT(config->rlimits, ElementsAre(host.rlimits[0], kUnlimitedProcesses));
  EXPECT_THAT(config->dropped, ElementsAre("rlimit 'RLIMIT_MADE_UP'", "rlimit 'RLIMIT_CORE'",
                                           "mount at '/var/secrets'"));
}

TEST(GuestConfigTest, LimitsAreThoseOfEnginesUnlessTheHostsAreLower) {
  const Rlimit files{.type = "RLIMIT_NOFILE", .soft = 1 << 20, .hard = 1 << 20};
  EXPECT_THAT(ApplyPolicy(kImage, Host(), {})->rlimits, ElementsAre(files, kUnlimitedProcesses));
  HostRequest host = Host();
  host.rlimits = {{.type = "RLIMIT_NOFILE", .soft = 100, .hard = UINT64_MAX},
                  {.type = "RLIMIT_NPROC", .soft = 5, .hard = 6}};
  EXPECT_THAT(
      ApplyPolicy(kImage, host, {})->rlimits,
      ElementsAre(Rlimit{.type = "RLIMIT_NOFILE", .soft = 100, .hard = 1 << 20}, host.rlimits[1]));
}

constexpr std::pair<const char*, __rlimit_resource> kLimitNames[] = {
    {"RLIMIT_AS", RLIMIT_AS},
    {"RLIMIT_CORE", RLIMIT_CORE},
    {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},
    {"RLIMIT_FSIZE", RLIMIT_FSIZE},
    {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
    {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
    {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},
    {"RLIMIT_NPROC", RLIMIT_NPROC},
    {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
    {"RLIMIT_RTTIME", RLIMIT_RTTIME},
    {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_STACK", RLIMIT_STACK}};

TEST(GuestConfigTest, NoLimitIsRaisedWhateverItsName) {
  struct Case {
    uint64_t soft, hard, taken_soft, taken_hard;
    bool is_named;
  };
  for (const auto& [name, resource] : kLimitNames) {
    const std::string type = name;
    for (const Case& one :
         {Case{10, 20, 10, 20, false}, Case{1, 2, 1, 2, false}, Case{0, 0, 0, 0, false},
          Case{1, 21, 1, 20, true}, Case{11, 15, 10, 15, true}, Case{15, UINT64_MAX, 10, 20, true},
          Case{UINT64_MAX, UINT64_MAX, 10, 20, true}}) {
      HostRequest host = Host();
      host.rlimits = {{.type = type, .soft = one.soft, .hard = one.hard}};
      const auto config =
          ApplyPolicy(kImage, host, {}, {{.type = type, .soft = 10, .hard = 20}}).value();
      EXPECT_THAT(config.rlimits,
                  Contains(Rlimit{.type = type, .soft = one.taken_soft, .hard = one.taken_hard}));
      EXPECT_EQ(std::ranges::count(config.rlimits, type, &Rlimit::type), 1) << type;
      if (one.is_named) {
        EXPECT_THAT(config.dropped, ElementsAre("rlimit '" + type + "' above the guest's own"));
      } else {
        EXPECT_THAT(config.dropped, IsEmpty()) << type;
      }
    }
  }
}

TEST(GuestConfigTest, TheGuestsOwnLimitsAreTheAgentsButFilesAndProcesses) {
  const auto limits = GuestLimits();
  EXPECT_EQ(limits.size(), std::size(kLimitNames));
  for (const auto& [name, resource] : kLimitNames) {
    rlimit own{};
    ASSERT_EQ(::getrlimit(resource, &own), 0) << name;
    if (resource == RLIMIT_NOFILE) own = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
    if (resource == RLIMIT_NPROC) own = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    EXPECT_THAT(limits, Contains(Rlimit{.type = name, .soft = own.rlim_cur, .hard = own.rlim_max}));
  }
}

TEST(GuestConfigTest, GroupsAreTheImagesAndOthersAreNamed) {
  ImageProcess image = kImage;
  image.groups = {29, 44};
  HostRequest host = Host();
  host.groups = {0, 1001, 44};
  const auto config = ApplyPolicy(image, host, {});
  EXPECT_THAT(config->dropped, IsEmpty());
  EXPECT_EQ(Encoded(*config)["process"]["user"]["additionalGids"], Json({1001, 29, 44}));
  host.groups = {2000, 44, 3000};
  EXPECT_THAT(ApplyPolicy(image, host, {})->dropped,
              ElementsAre("groups 2000, 3000 (the image's own are taken)"));
}

TEST(GuestConfigTest, HomeAndHostnameAreSetUnlessSomebodyDid) {
  ImageProcess image = kImage;
  image.home = "/app";
  HostRequest host = Host();
  host.env = {"HOSTNAME=pod"};
  auto config = ApplyPolicy(image, host, {}).value();
  EXPECT_THAT(config.dropped, IsEmpty()) << "it is set all the same";
  AddHostname(config);
  EXPECT_THAT(config.process.env,
              ElementsAre("PATH=/bin", "MODE=safe", "HOME=/app", "HOSTNAME=pod"));
  image.env = {"PATH=/bin", "HOME=/own", "HOSTNAME=own"};
  config = ApplyPolicy(image, host, {}).value();
  AddHostname(config);
  EXPECT_THAT(config.process.env, ElementsAre("PATH=/bin", "HOME=/own", "HOSTNAME=own"));
}

TEST(GuestConfigTest, KernelParametersOfThePodAreNamed) {
  HostRequest host = Host();
  host.sysctls = {"net.core.somaxconn"};
  EXPECT_THAT(ApplyPolicy(kImage, host, {})->dropped,
              ElementsAre("kernel parameter 'net.core.somaxconn'"));
}

TEST(GuestConfigTest, RulesForOneImageHoldForItAlone) {
  const auto one = image::Digest::Of("one");
  const initdata::GuestPolicy policy{
      .every_image = {.allow_commands = {{"/all"}}},
      .images = {
          {one, {.allow_commands = {{"/one"}}, .allow_exec = {{"/x"}}, .allow_volumes = {"/v"}}}}};
  const initdata::GuestPolicy here = PolicyForImage(policy, one);
  EXPECT_THAT(here.every_image.allow_commands,
              ElementsAre(ElementsAre("/all"), ElementsAre("/one")));
  EXPECT_THAT(here.every_image.allow_exec, ElementsAre(ElementsAre("/x")));
  EXPECT_THAT(here.every_image.allow_volumes, ElementsAre("/v"));
  const initdata::GuestPolicy there = PolicyForImage(policy, image::Digest::Of("other"));
  EXPECT_THAT(there.every_image.allow_commands, ElementsAre(ElementsAre("/all")));
  EXPECT_THAT(there.every_image.allow_exec, IsEmpty());
  EXPECT_THAT(there.every_image.allow_volumes, IsEmpty());
}

TEST(GuestConfigTest, ThereIsASeccompProfileUnlessTheTenantTakesItAway) {
  EXPECT_EQ(Encoded(*ApplyPolicy(kImage, Host(), {}))["linux"]["seccomp"], SeccompProfile());
  EXPECT_FALSE(
      Encoded(*ApplyPolicy(kImage, Host(), {.allow_all_syscalls = true}))["linux"].contains(
          "seccomp"));
}

TEST(GuestConfigTest, ATerminalHasANameAndIsToldToTheRuntime) {
  HostRequest host = Host();
  host.terminal = true;
  const auto config = ApplyPolicy(kImage, host, {});
  ASSERT_TRUE(config.ok());
  EXPECT_THAT(config->process.env, ElementsAre("PATH=/bin", "MODE=safe", "HOME=/", "TERM=xterm"));
  EXPECT_EQ(Encoded(*config).at("process").at("terminal"), true);
  EXPECT_EQ(Json::parse(EncodeGuestProcess(*config)), Encoded(*config).at("process"));
}

TEST(GuestConfigTest, TheEncodedSpecHasOnlyGuestPathsAndTheImagesUser) {
  HostRequest host = Host();
  host.memory_limit = 4096;
  host.capabilities = {"CAP_CHOWN"};
  const Json config = Encoded(*ApplyPolicy(kImage, host, {}));
  EXPECT_EQ(config.at("root"), Json({{"path", "/run/root"}, {"readonly", false}}));
  EXPECT_EQ(config.at("process").at("user"),
            Json({{"uid", 1000}, {"gid", 1001}, {"additionalGids", {1001}}}));
  EXPECT_EQ(config.at("process").at("cwd"), "/srv");
  EXPECT_EQ(config.at("process").at("terminal"), false);
  EXPECT_EQ(config.at("linux").at("cgroupsPath"), "/locket/c1");
  EXPECT_EQ(config.at("linux").at("resources").at("memory"), Json({{"limit", 4096}}));
  EXPECT_FALSE(config.contains("hooks"));
  EXPECT_FALSE(config.at("linux").contains("devices"));
  for (const Json& mount : config.at("mounts")) {
    if (mount.at("type") == "bind") {
      EXPECT_THAT(mount.at("source").get<std::string>(), ::testing::StartsWith("/run/etc/"));
    }
  }
}

TEST(GuestConfigTest, NoDeviceOfTheGuestIsTheContainers) {
  const Json config = Encoded(*ApplyPolicy(kImage, Host(), {}));
  EXPECT_EQ(config.at("linux").at("resources").at("devices"),
            Json::parse(R"([{"allow":false,"access":"rwm"}])"));
}

TEST(GuestConfigTest, OnlyRootHoldsItsCapabilitiesFromTheStart) {
  HostRequest host = Host();
  host.capabilities = {"CAP_CHOWN"};
  const Json user = Encoded(*ApplyPolicy(kImage, host, {})).at("process").at("capabilities");
  EXPECT_EQ(user.at("bounding"), Json({"CAP_CHOWN"}));
  EXPECT_EQ(user.at("effective"), Json::array());
  ImageProcess root = kImage;
  root.uid = 0;
  const Json held = Encoded(*ApplyPolicy(root, host, {})).at("process").at("capabilities");
  EXPECT_EQ(held.at("effective"), Json({"CAP_CHOWN"}));
}

TEST(GuestConfigTest, TextThatIsNoUtf8DoesNotBreakTheEncoder) {
  ImageProcess image = kImage;
  image.argv = {"\xff\xfe"};
  HostRequest host = Host();
  host.args = image.argv;
  EXPECT_THAT(EncodeGuestConfig(*ApplyPolicy(image, host, {}),
                                {.container_id = "c", .rootfs = "/", .etc = "/"}),
              HasSubstr("args"));
}

}  // namespace
}  // namespace locket::guest_agent
