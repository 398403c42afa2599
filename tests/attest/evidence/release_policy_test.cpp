// Who gets a resource: every condition on its own, and what a policy may look like.
#include "attest/evidence/release_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "base/encoding.h"

namespace locket::attest {
namespace {

using ::testing::HasSubstr;

const TcbLevels kMinTcb{{"fmc", 1}, {"boot_loader", 3}, {"tee", 2}, {"snp", 8}, {"microcode", 115}};
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

Claims MatchingGuest() {
  Claims guest{.tee = TeeKind::kSnp};
  guest.measurement.fill(std::byte{1});
  guest.host_data.fill(std::byte{2});
  for (const char* which : {"reported", "launch", "current", "committed"}) {
    guest.tcbs.push_back({.which = which, .levels = kMinTcb});
  }
  return guest;
}

std::string Decide(const ReleasePolicy& policy, const Claims& guest) {
  const auto decided = Evaluate(policy, guest);
  return decided.ok() ? "released" : decided.error().message();
}

TEST(ReleasePolicyTest, ComesBackWhole) {
  ReleasePolicy policy = SomePolicy();
  policy.tee.push_back(TeeKind::kEmulated);
  policy.allow_debug = true;
  policy.platform_required = {"alias_check_complete"};
  policy.platform_refused = {"smt", "tio"};
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
  const std::pair<std::function<void(Claims&)>, std::string> table[] = {
      {[](auto& r) { r.measurement.fill(std::byte{0xAB}); },
       "measurement " + HexEncode(std::vector<std::byte>(48, std::byte{0xAB})) +
           " is not among the 1 allowed"},
      {[](auto& r) { r.host_data[31] = std::byte{0}; }, "host_data 0202"},
      {[](auto& r) { r.debug = true; }, "debug"},
      {[](auto& r) { r.migratable = true; }, "migration agent"},
      {[](auto& r) { r.privilege_level = 3; }, "VMPL 3"}};
  for (const auto& [change, reason] : table) {
    Claims guest = MatchingGuest();
    change(guest);
    EXPECT_THAT(Decide(SomePolicy(), guest), HasSubstr(reason));
  }
  Claims emulated = MatchingGuest();
  emulated.tee = TeeKind::kEmulated;
  EXPECT_THAT(Decide(SomePolicy(), emulated), HasSubstr("TEE 'emulated'"));
}

// Every bit counts: there is no other measurement or host_data that will do.
TEST(ReleasePolicyTest, AnyBitOfMeasurementAndHostDataDecides) {
  for (size_t bit = 0; bit < 48 * 8; ++bit) {
    const std::byte flip{static_cast<unsigned char>(1U << bit % 8)};
    Claims guest = MatchingGuest();
    guest.measurement[bit / 8] ^= flip;
    EXPECT_THAT(Decide(SomePolicy(), guest), HasSubstr("measurement")) << bit;
    if (bit / 8 >= guest.host_data.size()) continue;
    guest = MatchingGuest();
    guest.host_data[bit / 8] ^= flip;
    EXPECT_THAT(Decide(SomePolicy(), guest), HasSubstr("host_data")) << bit;
  }
}

TEST(ReleasePolicyTest, AsksForTheLeastTcbAtLaunchNowAndOfWhatCannotBeRolledBack) {
  const std::pair<const char*, const char*> parts[] = {
      {"fmc", "fmc is 0, at least 1"},
      {"boot_loader", "boot_loader is 2, at least 3"},
      {"tee", "tee is 1, at least 2"},
      {"snp", "snp is 7, at least 8"},
      {"microcode", "microcode is 114, at least 115"}};
  for (size_t which = 0; which < MatchingGuest().tcbs.size(); ++which) {
    for (const auto& [part, reason] : parts) {
      Claims guest = MatchingGuest();
      Tcb& tcb = guest.tcbs[which];
      --tcb.levels[part];
      EXPECT_EQ(Decide(SomePolicy(), guest), tcb.which + " TCB part " + reason + " is asked for");
      tcb.levels[part] = 255;
      EXPECT_EQ(Decide(SomePolicy(), guest), "released");
      tcb.levels.erase(part);
      EXPECT_THAT(Decide(SomePolicy(), guest), HasSubstr(std::string(part) + " is 0, at least"));
    }
  }
}

// A verifier that states nothing about the firmware is not taken for one that states enough.
TEST(ReleasePolicyTest, ClaimsWithoutATcbDoNotMeetAMinimum) {
  Claims guest = MatchingGuest();
  guest.tcbs.clear();
  EXPECT_THAT(Decide(SomePolicy(), guest), HasSubstr("states no TCB"));
  ReleasePolicy policy = SomePolicy();
  policy.min_tcb = {};
  policy.any_tcb = true;
  EXPECT_EQ(Decide(policy, guest), "released");
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
  Claims emulated = MatchingGuest();
  emulated.tee = TeeKind::kEmulated;
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
    ReleasePolicy policy = SomePolicy();
    Claims guest = MatchingGuest();
    policy.platform_required = {name};
    EXPECT_EQ(Decide(policy, guest),
              std::string("platform_info lacks ") + name + ", which is required");
    guest.platform = {name};
    EXPECT_EQ(Decide(policy, guest), "released");
    std::swap(policy.platform_required, policy.platform_refused);
    EXPECT_EQ(Decide(policy, guest),
              std::string("platform_info has ") + name + ", which is refused");
    guest.platform.clear();
    for (const auto other : PlatformNames()) {
      if (other != name) guest.platform.emplace(other);
    }
    EXPECT_EQ(Decide(policy, guest), "released");
  }
}

TEST(ReleasePolicyTest, AllowsDebugOnlyWhenItSaysSo) {
  ReleasePolicy policy = SomePolicy();
  policy.allow_debug = true;
  Claims guest = MatchingGuest();
  guest.debug = true;
  EXPECT_EQ(Decide(policy, guest), "released");
}

}  // namespace
}  // namespace locket::attest
