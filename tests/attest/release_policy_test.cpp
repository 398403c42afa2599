// Who gets a resource: every condition on its own, and what a policy may look like.
#include "attest/release_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "base/encoding.h"

namespace locket::attest {
namespace {

using ::testing::HasSubstr;

constexpr SnpTcb kMinTcb{.fmc = 1, .boot_loader = 3, .tee = 2, .snp = 8, .microcode = 115};
constexpr auto kTcbJson = R"("min_tcb":{"boot_loader":3,"fmc":1,"microcode":115,"snp":8,"tee":2})";

ReleasePolicy SomePolicy() {
  ReleasePolicy policy{.resource = {.repository = "a", .type = "b", .tag = "c"},
                       .tee = {TeeKind::kSnp},
                       .measurements = {{}},
                       .host_data = {{}},
                       .min_tcb = kMinTcb};
  policy.measurements[0].fill(std::byte{1});
  policy.host_data[0].fill(std::byte{2});
  return policy;
}

VerifiedSnp MatchingGuest() {
  VerifiedSnp guest{.report = {}, .kind = TeeKind::kSnp};
  guest.report.measurement.fill(std::byte{1});
  guest.report.host_data.fill(std::byte{2});
  guest.report.reported_tcb = guest.report.launch_tcb = guest.report.current_tcb =
      guest.report.committed_tcb = kMinTcb;
  return guest;
}

std::string Decide(const ReleasePolicy& policy, const VerifiedSnp& guest) {
  const auto decided = Evaluate(policy, guest);
  return decided.ok() ? "released" : decided.error().message();
}

TEST(ReleasePolicyTest, ComesBackWhole) {
  ReleasePolicy policy = SomePolicy();
  policy.tee.push_back(TeeKind::kEmulated);
  policy.allow_debug = true;
  policy.platform_required = PlatformBit("alias_check_complete").value();
  policy.platform_refused = PlatformBit("smt").value() | PlatformBit("tio").value();
  EXPECT_EQ(DecodeReleasePolicy(EncodeReleasePolicy(policy)).value(), policy);
  policy.min_tcb = {};
  EXPECT_EQ(DecodeReleasePolicy(EncodeReleasePolicy(policy)).value(), policy);
  policy.any_tcb = true;
  EXPECT_EQ(DecodeReleasePolicy(EncodeReleasePolicy(policy)).value(), policy);
}

TEST(ReleasePolicyTest, NamesWhatIsMalformed) {
  const auto change = [](const std::string& from, const std::string& to) {
    std::string json = EncodeReleasePolicy(SomePolicy());
    const size_t at = json.find(from);
    EXPECT_NE(at, std::string::npos) << from << json;
    return DecodeReleasePolicy(json.replace(at, from.size(), to)).error().message();
  };
  const std::tuple<const char*, std::string, const char*> table[] = {
      {R"("allow_debug":false)", R"("allow_debug":1)", "allow_debug"},
      {R"("tee":["snp"])", R"("tee":[])", "'tee' must list"},
      {R"(["snp"])", R"(["sgx"])", "'sgx'"},
      {R"(["snp"])", R"([7])", "'7'"},
      {R"("resource":"a/b/c")", R"("resource":"a")", "'a'"},
      {R"("snp":8)", R"("snp":256)", "'snp' is not 0 to 255"},
      {R"("snp":8)", R"("snp":-1)", "'snp' is not 0 to 255"},
      {R"("snp":8)", R"("snp":8.5)", "'snp' is not 0 to 255"},
      {R"("snp":8)", R"("snp":18446744073709551616)", "'snp' is not 0 to 255"},
      {R"("snp":8,)", "", "'min_tcb' states no 'snp'"},
      {R"("fmc":1,)", "", "'min_tcb' states no 'fmc'"},
      {R"("snp":8)", R"("sev":8,"snp":8)", "'min_tcb': unknown key 'sev'"},
      {kTcbJson, R"("min_tcb":"none")", "neither an object nor"},
      {"0101", "01", "'measurements'"},
      {"0202", "GG02", "'host_data'"},
      {R"("min_tcb")", R"("min_tbc")", "unknown key 'min_tbc'"},
      {R"("allow_debug":false)", R"("allow_debug":true,"allow_debug":false)",
       "names the member 'allow_debug' twice"},
      {R"("allow_debug")", R"("platform_info":{"required":["x"]},"allow_debug")",
       "'platform_info': 'x' is none of platform_info's names: smt, tsme"},
      {R"("allow_debug")", R"("platform_info":{"needed":[]},"allow_debug")", "unknown key"},
      {R"("allow_debug")",
       R"("platform_info":{"required":["smt"],"refused":["smt"]},"allow_debug")",
       "both required and refused"},
      {R"(["snp"])", "[" + std::string(20000, '"') + "]", "not JSON"}};
  for (const auto& [from, to, reason] : table) {
    EXPECT_THAT(change(from, to), HasSubstr(reason)) << to.substr(0, 200);
  }
}

TEST(ReleasePolicyTest, ReleasesOnlyOnAFullMatchAndNamesWhatDiffers) {
  EXPECT_EQ(Decide(SomePolicy(), MatchingGuest()), "released");
  const std::pair<std::function<void(SnpReport&)>, std::string> table[] = {
      {[](auto& r) { r.measurement.fill(std::byte{0xAB}); },
       "measurement " + HexEncode(std::vector<std::byte>(48, std::byte{0xAB})) +
           " is not among the 1 allowed"},
      {[](auto& r) { r.host_data[31] = std::byte{0}; }, "host_data 0202"},
      {[](auto& r) { r.policy |= kSnpPolicyDebug; }, "debug"},
      {[](auto& r) { r.policy |= kSnpPolicyMigrate; }, "migration agent"},
      {[](auto& r) { r.vmpl = 3; }, "VMPL 3"}};
  for (const auto& [change, reason] : table) {
    VerifiedSnp guest = MatchingGuest();
    change(guest.report);
    EXPECT_THAT(Decide(SomePolicy(), guest), HasSubstr(reason));
  }
  VerifiedSnp emulated = MatchingGuest();
  emulated.kind = TeeKind::kEmulated;
  EXPECT_THAT(Decide(SomePolicy(), emulated), HasSubstr("TEE 'emulated'"));
}

// Every bit counts: there is no other measurement or host_data that will do.
TEST(ReleasePolicyTest, AnyBitOfMeasurementAndHostDataDecides) {
  for (size_t bit = 0; bit < 48 * 8; ++bit) {
    const std::byte flip{static_cast<unsigned char>(1U << bit % 8)};
    VerifiedSnp guest = MatchingGuest();
    guest.report.measurement[bit / 8] ^= flip;
    EXPECT_THAT(Decide(SomePolicy(), guest), HasSubstr("measurement")) << bit;
    if (bit / 8 >= guest.report.host_data.size()) continue;
    guest = MatchingGuest();
    guest.report.host_data[bit / 8] ^= flip;
    EXPECT_THAT(Decide(SomePolicy(), guest), HasSubstr("host_data")) << bit;
  }
}

TEST(ReleasePolicyTest, AsksForTheLeastTcbAtLaunchNowAndOfWhatCannotBeRolledBack) {
  const std::pair<SnpTcb SnpReport::*, const char*> kinds[] = {
      {&SnpReport::reported_tcb, "reported"},
      {&SnpReport::launch_tcb, "launch"},
      {&SnpReport::current_tcb, "current"},
      {&SnpReport::committed_tcb, "committed"}};
  const std::pair<uint8_t SnpTcb::*, const char*> parts[] = {
      {&SnpTcb::fmc, "fmc is 0, at least 1"},
      {&SnpTcb::boot_loader, "boot_loader is 2, at least 3"},
      {&SnpTcb::tee, "tee is 1, at least 2"},
      {&SnpTcb::snp, "snp is 7, at least 8"},
      {&SnpTcb::microcode, "microcode is 114, at least 115"}};
  for (const auto& [tcb, kind] : kinds) {
    for (const auto& [part, reason] : parts) {
      VerifiedSnp guest = MatchingGuest();
      --(guest.report.*tcb.*part);
      EXPECT_EQ(Decide(SomePolicy(), guest),
                std::string(kind) + " TCB part " + reason + " is asked for");
      guest.report.*tcb.*part = 255;
      EXPECT_EQ(Decide(SomePolicy(), guest), "released");
    }
  }
}

TEST(ReleasePolicyTest, WithoutALeastTcbReleasesNothingToSnpUnlessItSaysAny) {
  ReleasePolicy policy = SomePolicy();
  policy.min_tcb = {};
  const auto refused = CheckReleasePolicy(policy);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message(), HasSubstr("or --min-tcb-any"));
  EXPECT_THAT(Decide(policy, MatchingGuest()), HasSubstr("states no minimum TCB"));
  policy.tee = {TeeKind::kEmulated, TeeKind::kSnp};
  EXPECT_FALSE(CheckReleasePolicy(policy).ok());
  policy.any_tcb = true;
  EXPECT_TRUE(CheckReleasePolicy(policy).ok());
  EXPECT_EQ(Decide(policy, MatchingGuest()), "released");
  // The emulated TEE has no firmware.
  policy.any_tcb = false;
  policy.tee = {TeeKind::kEmulated};
  EXPECT_TRUE(CheckReleasePolicy(policy).ok());
  VerifiedSnp emulated = MatchingGuest();
  emulated.kind = TeeKind::kEmulated;
  EXPECT_EQ(Decide(policy, emulated), "released");
}

// As brokers stored it when zero was the silent default.
TEST(ReleasePolicyTest, ReadsAMinimumOfZerosAsNothingSaid) {
  std::string json = EncodeReleasePolicy(SomePolicy());
  const std::string zeros = R"("min_tcb":{"boot_loader":0,"fmc":0,"microcode":0,"snp":0,"tee":0})";
  json.replace(json.find(kTcbJson), std::string_view(kTcbJson).size(), zeros);
  const auto policy = DecodeReleasePolicy(json);
  ASSERT_TRUE(policy.ok()) << policy.error().message();
  EXPECT_THAT(Decide(*policy, MatchingGuest()), HasSubstr("states no minimum TCB"));
}

TEST(ReleasePolicyTest, AsksForPlatformSettingsByName) {
  for (const char* name : {"smt", "tsme", "ecc", "rapl_disabled", "ciphertext_hiding",
                           "alias_check_complete", "tio"}) {
    const uint64_t bit = PlatformBit(name).value();
    ReleasePolicy policy = SomePolicy();
    VerifiedSnp guest = MatchingGuest();
    policy.platform_required = bit;
    EXPECT_EQ(Decide(policy, guest),
              std::string("platform_info lacks ") + name + ", which is required");
    guest.report.platform_info = bit;
    EXPECT_EQ(Decide(policy, guest), "released");
    std::swap(policy.platform_required, policy.platform_refused);
    EXPECT_EQ(Decide(policy, guest),
              std::string("platform_info has ") + name + ", which is refused");
    guest.report.platform_info = ~bit;
    EXPECT_EQ(Decide(policy, guest), "released");
  }
}

TEST(ReleasePolicyTest, AllowsDebugOnlyWhenItSaysSo) {
  ReleasePolicy policy = SomePolicy();
  policy.allow_debug = true;
  VerifiedSnp guest = MatchingGuest();
  guest.report.policy |= kSnpPolicyDebug;
  EXPECT_EQ(Decide(policy, guest), "released");
}

}  // namespace
}  // namespace locket::attest
