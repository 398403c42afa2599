#include "guest-agent/guest_spec.h"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "guest-agent/seccomp_profile.h"

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

const RlimitSpec kUnlimitedProcesses{
    .type = "RLIMIT_NPROC", .soft = UINT64_MAX, .hard = UINT64_MAX};

Json Encoded(const GuestSpec& spec) {
  return Json::parse(
      EncodeGuestSpec(spec, {.container_id = "c1", .rootfs = "/run/root", .etc = "/run/etc"}));
}

TEST(GuestSpecTest, TheImagesOwnCommandRuns) {
  const auto spec = ApplyPolicy(kImage, Host(), {});
  ASSERT_TRUE(spec.ok()) << spec.error().message();
  ImageProcess expected = kImage;
  expected.env.emplace_back("HOME=/");
  EXPECT_EQ(spec->process, expected);
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
              ElementsAre("PATH=/bin", "MODE=safe", "KUBERNETES_PORT=1", "HOME=/"));
  EXPECT_THAT(spec->dropped,
              ElementsAre("environment variable 'MODE'", "environment variable 'LD_PRELOAD'",
                          "environment variable 'HOSTNAMES'", "environment variable 'NOVALUE'"));
}

TEST(GuestSpecTest, AnAllowedVariableReplacesTheImages) {
  HostSpec host = Host();
  host.env = {"MODE=fast"};
  EXPECT_THAT(ApplyPolicy(kImage, host, {.allow_env = {"MODE"}})->process.env,
              ElementsAre("PATH=/bin", "MODE=fast", "HOME=/"));
}

TEST(GuestSpecTest, AnImageWithoutAPathGetsTheUsualOne) {
  ImageProcess image = kImage;
  image.env.clear();
  HostSpec host = Host();
  host.env.clear();
  EXPECT_THAT(ApplyPolicy(image, host, {})->process.env,
              ElementsAre(HasSubstr("PATH=/usr/local"), "HOME=/"));
}

TEST(GuestSpecTest, PatternsMatchWholeNamesOrPrefixes) {
  EXPECT_TRUE(EnvNameAllowed("A", {"A"}));
  EXPECT_FALSE(EnvNameAllowed("AB", {"A"}));
  EXPECT_TRUE(EnvNameAllowed("AB", {"X", "A*"}));
  EXPECT_TRUE(EnvNameAllowed("anything", {"any*"}));
  EXPECT_FALSE(EnvNameAllowed("LD_PRELOAD", {"LD_*", "L*"})) << "only by its whole name";
  EXPECT_TRUE(EnvNameAllowed("LD_PRELOAD", {"LD_PRELOAD"}));
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
  EXPECT_THAT(spec->rlimits, ElementsAre(host.rlimits[0], kUnlimitedProcesses));
  EXPECT_THAT(spec->dropped, ElementsAre("rlimit 'RLIMIT_MADE_UP'", "rlimit 'RLIMIT_CORE'",
                                         "mount at '/var/secrets'"));
}

TEST(GuestSpecTest, LimitsAreThoseOfEnginesUnlessTheHostsAreLower) {
  const RlimitSpec files{.type = "RLIMIT_NOFILE", .soft = 1 << 20, .hard = 1 << 20};
  EXPECT_THAT(ApplyPolicy(kImage, Host(), {})->rlimits, ElementsAre(files, kUnlimitedProcesses));
  HostSpec host = Host();
  host.rlimits = {{.type = "RLIMIT_NOFILE", .soft = 100, .hard = UINT64_MAX},
                  {.type = "RLIMIT_NPROC", .soft = 5, .hard = 6}};
  EXPECT_THAT(ApplyPolicy(kImage, host, {})->rlimits,
              ElementsAre(RlimitSpec{.type = "RLIMIT_NOFILE", .soft = 100, .hard = 1 << 20},
                          host.rlimits[1]));
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

TEST(GuestSpecTest, NoLimitIsRaisedWhateverItsName) {
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
      HostSpec host = Host();
      host.rlimits = {{.type = type, .soft = one.soft, .hard = one.hard}};
      const auto spec =
          ApplyPolicy(kImage, host, {}, {{.type = type, .soft = 10, .hard = 20}}).value();
      EXPECT_THAT(spec.rlimits, Contains(RlimitSpec{
                                    .type = type, .soft = one.taken_soft, .hard = one.taken_hard}));
      EXPECT_EQ(std::ranges::count(spec.rlimits, type, &RlimitSpec::type), 1) << type;
      if (one.is_named) {
        EXPECT_THAT(spec.dropped, ElementsAre("rlimit '" + type + "' above the guest's own"));
      } else {
        EXPECT_THAT(spec.dropped, IsEmpty()) << type;
      }
    }
  }
}

TEST(GuestSpecTest, TheGuestsOwnLimitsAreTheAgentsButFilesAndProcesses) {
  const auto limits = GuestLimits();
  EXPECT_EQ(limits.size(), std::size(kLimitNames));
  for (const auto& [name, resource] : kLimitNames) {
    rlimit own{};
    ASSERT_EQ(::getrlimit(resource, &own), 0) << name;
    if (resource == RLIMIT_NOFILE) own = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
    if (resource == RLIMIT_NPROC) own = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    EXPECT_THAT(limits,
                Contains(RlimitSpec{.type = name, .soft = own.rlim_cur, .hard = own.rlim_max}));
  }
}

TEST(GuestSpecTest, GroupsAreTheImagesAndOthersAreNamed) {
  ImageProcess image = kImage;
  image.groups = {29, 44};
  HostSpec host = Host();
  host.groups = {0, 1001, 44};
  const auto spec = ApplyPolicy(image, host, {});
  EXPECT_THAT(spec->dropped, IsEmpty());
  EXPECT_EQ(Encoded(*spec)["process"]["user"]["additionalGids"], Json({1001, 29, 44}));
  host.groups = {2000, 44, 3000};
  EXPECT_THAT(ApplyPolicy(image, host, {})->dropped,
              ElementsAre("groups 2000, 3000 (the image's own are taken)"));
}

TEST(GuestSpecTest, HomeAndHostnameAreSetUnlessSomebodyDid) {
  ImageProcess image = kImage;
  image.home = "/app";
  HostSpec host = Host();
  host.env = {"HOSTNAME=pod"};
  auto spec = ApplyPolicy(image, host, {}).value();
  EXPECT_THAT(spec.dropped, IsEmpty()) << "it is set all the same";
  AddHostname(spec);
  EXPECT_THAT(spec.process.env, ElementsAre("PATH=/bin", "MODE=safe", "HOME=/app", "HOSTNAME=pod"));
  image.env = {"PATH=/bin", "HOME=/own", "HOSTNAME=own"};
  spec = ApplyPolicy(image, host, {}).value();
  AddHostname(spec);
  EXPECT_THAT(spec.process.env, ElementsAre("PATH=/bin", "HOME=/own", "HOSTNAME=own"));
}

TEST(GuestSpecTest, KernelParametersOfThePodAreNamed) {
  HostSpec host = Host();
  host.sysctls = {"net.core.somaxconn"};
  EXPECT_THAT(ApplyPolicy(kImage, host, {})->dropped,
              ElementsAre("kernel parameter 'net.core.somaxconn'"));
}

TEST(GuestSpecTest, RulesForOneImageHoldForItAlone) {
  const auto one = image::Digest::Of("one");
  const SpecPolicy policy{
      .allow_commands = {{"/all"}},
      .images = {
          {one, {.allow_commands = {{"/one"}}, .allow_exec = {{"/x"}}, .allow_volumes = {"/v"}}}}};
  const SpecPolicy here = PolicyForImage(policy, one);
  EXPECT_THAT(here.allow_commands, ElementsAre(ElementsAre("/all"), ElementsAre("/one")));
  EXPECT_THAT(here.allow_exec, ElementsAre(ElementsAre("/x")));
  EXPECT_THAT(here.allow_volumes, ElementsAre("/v"));
  const SpecPolicy there = PolicyForImage(policy, image::Digest::Of("other"));
  EXPECT_THAT(there.allow_commands, ElementsAre(ElementsAre("/all")));
  EXPECT_THAT(there.allow_exec, IsEmpty());
  EXPECT_THAT(there.allow_volumes, IsEmpty());
}

TEST(GuestSpecTest, ThereIsASeccompProfileUnlessTheTenantTakesItAway) {
  EXPECT_EQ(Encoded(*ApplyPolicy(kImage, Host(), {}))["linux"]["seccomp"], SeccompProfile());
  EXPECT_FALSE(
      Encoded(*ApplyPolicy(kImage, Host(), {.allow_all_syscalls = true}))["linux"].contains(
          "seccomp"));
}

TEST(GuestSpecTest, ATerminalHasANameAndIsToldToTheRuntime) {
  HostSpec host = Host();
  host.terminal = true;
  const auto spec = ApplyPolicy(kImage, host, {});
  ASSERT_TRUE(spec.ok());
  EXPECT_THAT(spec->process.env, ElementsAre("PATH=/bin", "MODE=safe", "HOME=/", "TERM=xterm"));
  EXPECT_EQ(Encoded(*spec).at("process").at("terminal"), true);
  EXPECT_EQ(Json::parse(EncodeGuestProcess(*spec)), Encoded(*spec).at("process"));
}

TEST(GuestSpecTest, TheEncodedSpecHasOnlyGuestPathsAndTheImagesUser) {
  HostSpec host = Host();
  host.memory_limit = 4096;
  host.capabilities = {"CAP_CHOWN"};
  const Json spec = Encoded(*ApplyPolicy(kImage, host, {}));
  EXPECT_EQ(spec.at("root"), Json({{"path", "/run/root"}, {"readonly", false}}));
  EXPECT_EQ(spec.at("process").at("user"),
            Json({{"uid", 1000}, {"gid", 1001}, {"additionalGids", {1001}}}));
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
