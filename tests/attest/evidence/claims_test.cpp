// Claims: the vocabulary that policies, tokens and logs share, and their form in a session token.
#include "attest/evidence/claims.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attest/evidence/claims_json.h"

namespace locket::attest {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(TeeKindTest, EachHasAWordAndNoOtherIsTaken) {
  for (const TeeKind kind : {TeeKind::kSnp, TeeKind::kEmulated}) {
    EXPECT_EQ(ParseTeeKind(TeeKindName(kind)).value(), kind);
  }
  EXPECT_EQ(TeeKindName(TeeKind::kSnp), "snp");
  EXPECT_EQ(TeeKindName(TeeKind::kEmulated), "emulated");
  for (const char* name : {"", "SNP", "snp ", "sev", "tdx", "emulate", "any"}) {
    const auto refused = ParseTeeKind(name);
    ASSERT_FALSE(refused.ok()) << name;
    EXPECT_EQ(refused.error().message(),
              std::string("TEE '") + name + "' is neither 'snp' nor 'emulated'");
  }
  EXPECT_TRUE(IsGenuine(TeeKind::kSnp));
  EXPECT_FALSE(IsGenuine(TeeKind::kEmulated));
}

TEST(TcbPartNamesTest, AreEachTeesOwnOnce) {
  const std::vector<TeeKind> none;
  EXPECT_TRUE(TcbPartNames(none).empty());
  const std::vector<TeeKind> both{TeeKind::kEmulated, TeeKind::kSnp};
  EXPECT_THAT(TcbPartNames(both), ElementsAre("fmc", "boot_loader", "tee", "snp", "microcode"));
}

TEST(PlatformNamesTest, OthersAreRefusedWithTheWholeList) {
  for (const auto name : PlatformNames()) EXPECT_TRUE(CheckPlatformName(name).ok()) << name;
  for (const char* name : {"", "SMT", "smt ", "smt,ecc"}) {
    EXPECT_EQ(CheckPlatformName(name).error().message(),
              std::string("'") + name +
                  "' is none of platform_info's names: smt, tsme, ecc, rapl_disabled, "
                  "ciphertext_hiding, alias_check_complete, tio");
  }
}

// Every field differs from its default, so that none can be left out unnoticed.
Claims SomeClaims() {
  Claims claims{.tee = TeeKind::kSnp,
                .tcbs = {{.which = "reported", .levels = {{"snp", 8}, {"microcode", 255}}},
                         {.which = "launch", .levels = {}}},
                .platform = {"ecc", "smt"},
                .debug = true,
                .migratable = true,
                .privilege_level = 4'294'967'295};
  claims.measurement.fill(std::byte{0x1A});
  claims.host_data.fill(std::byte{0x2B});
  return claims;
}

TEST(ClaimsJsonTest, ComeBackWhole) {
  EXPECT_EQ(ClaimsFromJson(ClaimsToJson(SomeClaims())).value(), SomeClaims());
  const Claims plain{.tee = TeeKind::kEmulated};
  EXPECT_EQ(ClaimsFromJson(ClaimsToJson(plain)).value(), plain);
}

TEST(ClaimsJsonTest, HaveOneMemberForEachField) {
  std::string measurement;
  std::string host_data;
  for (int i = 0; i < 48; ++i) measurement += "1a";
  for (int i = 0; i < 32; ++i) host_data += "2b";
  EXPECT_EQ(ClaimsToJson(SomeClaims()).dump(),
            R"({"debug":true,"host_data":")" + host_data + R"(","measurement":")" + measurement +
                R"(","migratable":true,"platform":["ecc","smt"],"privilege_level":4294967295,)" +
                R"("tcbs":[{"levels":{"microcode":255,"snp":8},"which":"reported"},)" +
                R"({"levels":{},"which":"launch"}],"tee":"snp"})");
}

// A member that is missing must not read as "no debugging" or "privilege level 0".
TEST(ClaimsJsonTest, AMissingMemberIsNotADefault) {
  const auto good = ClaimsToJson(SomeClaims());
  for (const auto& member : good.items()) {
    auto changed = good;
    changed.erase(member.key());
    const auto refused = ClaimsFromJson(changed);
    ASSERT_FALSE(refused.ok()) << member.key();
    EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(refused.error().message(), HasSubstr("'" + member.key() + "' is malformed"));
  }
}

TEST(ClaimsJsonTest, AMemberOfAnotherKindIsRefusedByName) {
  using nlohmann::json;
  const std::pair<const char*, std::vector<json>> table[] = {
      {"tee", {nullptr, 7, "sgx", "SNP"}},
      {"measurement",
       {nullptr, 7, "", std::string(94, '0'), std::string(98, '0'), std::string(95, '0') + "G",
        std::string(95, '0') + "A"}},
      {"host_data", {nullptr, 7, "", std::string(62, '0'), std::string(96, '0')}},
      {"tcbs",
       {nullptr,
        json::object(),
        "x",
        json::array({7}),
        json::array({json::object()}),
        {{{"which", 7}, {"levels", json::object()}}},
        {{{"which", "launch"}, {"levels", json::array()}}},
        {{{"which", "launch"}, {"levels", {{"snp", 256}}}}},
        {{{"which", "launch"}, {"levels", {{"snp", -1}}}}},
        {{{"which", "launch"}, {"levels", {{"snp", 1.5}}}}},
        {{{"which", "launch"}, {"levels", {{"snp", "8"}}}}}}},
      {"platform", {nullptr, "smt", json::object(), json::array({7})}},
      {"debug", {nullptr, 0, 1, "false"}},
      {"migratable", {nullptr, 0, 1, "false"}},
      {"privilege_level", {nullptr, -1, 1.5, "0", 4'294'967'296}}};
  for (const auto& [name, values] : table) {
    for (const auto& value : values) {
      auto changed = ClaimsToJson(SomeClaims());
      changed[name] = value;
      EXPECT_FALSE(ClaimsFromJson(changed).ok()) << name << " " << value.dump();
    }
  }
  for (const auto& whole : {json(), json(7), json("snp"), json::array()}) {
    EXPECT_FALSE(ClaimsFromJson(whole).ok()) << whole.dump();
  }
}

}  // namespace
}  // namespace locket::attest
