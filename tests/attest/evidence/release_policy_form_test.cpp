// The written form of release policies, which brokers keep for years and administrators send.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attest/evidence/release_policy.h"

namespace locket::attest {
namespace {

using ::testing::HasSubstr;

const std::string kMeasurement(96, '1');
const std::string kHostData(64, '2');

std::string Policy(const std::string& rest, const std::string& tee = R"(["snp"])") {
  return R"({"host_data":[")" + kHostData + R"("],"measurements":[")" + kMeasurement +
         R"("],"resource":"a/b/c","tee":)" + tee + rest + "}";
}

std::string Refusal(const std::string& json) {
  const auto policy = DecodeReleasePolicy(json);
  if (policy.ok()) return "accepted";
  EXPECT_EQ(policy.error().code(), ErrorCode::kInvalidArgument);
  return policy.error().message();
}

// Bytes that a broker of an earlier version may have stored.
TEST(ReleasePolicyFormTest, IsByteForByteWhatItWas) {
  ReleasePolicy policy{.resource = {.repository = "a", .type = "b", .tag = "c"},
                       .tee = {TeeKind::kSnp, TeeKind::kEmulated},
                       .measurements = {{}},
                       .host_data = {{}}};
  policy.measurements[0].fill(std::byte{0x11});
  policy.host_data[0].fill(std::byte{0x22});
  const std::string lists =
      R"("host_data":[")" + kHostData + R"("],"measurements":[")" + kMeasurement + R"("],)";
  const std::string end = R"("resource":"a/b/c","tee":["snp","emulated"]})";
  EXPECT_EQ(EncodeReleasePolicy(policy), R"({"allow_debug":false,)" + lists + end);
  policy.allow_debug = true;
  policy.any_tcb = true;
  EXPECT_EQ(EncodeReleasePolicy(policy),
            R"({"allow_debug":true,)" + lists + R"("min_tcb":"any",)" + end);
  policy.any_tcb = false;
  policy.min_tcb = {{"fmc", 0}, {"boot_loader", 3}, {"tee", 0}, {"snp", 8}, {"microcode", 115}};
  policy.platform_required = {"tio", "ecc", "smt"};
  EXPECT_EQ(EncodeReleasePolicy(policy),
            R"({"allow_debug":true,)" + lists +
                R"("min_tcb":{"boot_loader":3,"fmc":0,"microcode":115,"snp":8,"tee":0},)" +
                R"("platform_info":{"refused":[],"required":["smt","ecc","tio"]},)" + end);
}

TEST(ReleasePolicyFormTest, WhatIsNotSaidHasOneMeaning) {
  const auto policy = DecodeReleasePolicy(Policy(""));
  ASSERT_TRUE(policy.ok()) << policy.error().message();
  EXPECT_TRUE(policy->min_tcb.empty());
  EXPECT_FALSE(policy->any_tcb);
  EXPECT_FALSE(policy->allow_debug);
  EXPECT_TRUE(policy->platform_required.empty());
  EXPECT_TRUE(policy->platform_refused.empty());
  const auto empty = DecodeReleasePolicy(Policy(R"(,"platform_info":{})"));
  ASSERT_TRUE(empty.ok()) << empty.error().message();
  EXPECT_EQ(*empty, *policy);
}

TEST(ReleasePolicyFormTest, EveryNeededMemberIsNamedWhenItIsMissing) {
  const std::pair<const char*, const char*> table[] = {
      {R"({})", "'resource' is missing"},
      {R"({"resource":7})", "'resource' is not text"},
      {R"({"resource":"kbs:///a/b/c"})", "'kbs:///a/b/c' is not a resource name"},
      {R"({"resource":"a/b/c"})", "'tee' must list 1 to 256 values"},
      {R"({"resource":"a/b/c","tee":"snp"})", "'tee' must list 1 to 256 values"},
      {R"({"resource":"a/b/c","tee":{"snp":1}})", "'tee' must list 1 to 256 values"},
      {R"({"resource":"a/b/c","tee":["snp"]})", "'measurements' must list 1 to 256 values"},
      {R"({"resource":"a/b/c","tee":["snp"],"measurements":[]})", "'measurements' must list"}};
  for (const auto& [json, reason] : table) EXPECT_THAT(Refusal(json), HasSubstr(reason)) << json;
  EXPECT_THAT(
      Refusal(R"({"resource":"a/b/c","tee":["snp"],"measurements":[")" + kMeasurement + R"("]})"),
      HasSubstr("'host_data' must list"));
}

TEST(ReleasePolicyFormTest, AListHasAtMost256Values) {
  const auto with = [](size_t count) {
    std::string list = "[\"" + kHostData + "\"";
    for (size_t i = 1; i < count; ++i) list += ",\"" + kHostData + "\"";
    std::string json = Policy("");
    const std::string one = "[\"" + kHostData + "\"]";
    return Refusal(json.replace(json.find(one), one.size(), list + "]"));
  };
  EXPECT_EQ(with(256), "accepted");
  EXPECT_THAT(with(257), HasSubstr("'host_data' must list 1 to 256 values"));
}

TEST(ReleasePolicyFormTest, DigestsAreLowerCaseHexOfTheirLength) {
  const auto with = [](const std::string& measurement) {
    std::string json = Policy("");
    return Refusal(json.replace(json.find(kMeasurement), 96, measurement));
  };
  for (const std::string& bad : {std::string(95, '1'), std::string(97, '1'), std::string(64, '1'),
                                 std::string(95, '1') + "A", std::string(95, '1') + "g",
                                 std::string(), "0x" + std::string(94, '1')}) {
    EXPECT_THAT(with(bad), HasSubstr("is not 96 lower-case hex digits")) << bad;
  }
  EXPECT_LT(with(std::string(100'000, '1')).size(), 300U) << "what a stranger says is cut";
}

TEST(ReleasePolicyFormTest, PlatformSettingsAreListsOfKnownNames) {
  const std::pair<const char*, const char*> table[] = {
      {R"([])", "it is not an object"},
      {R"("smt")", "it is not an object"},
      {R"({"required":"smt"})", "'required' is not a list"},
      {R"({"refused":{"smt":1}})", "'refused' is not a list"},
      {R"({"required":[7]})", "'not text' is none of"},
      {R"({"refused":["SMT"]})", "'SMT' is none of"},
      {R"({"refused":["smt"],"required":["ecc","smt"]})", "both required and refused"},
      {R"({"other":[]})", "unknown key 'other'"}};
  for (const auto& [value, reason] : table) {
    const std::string refusal = Refusal(Policy(std::string(R"(,"platform_info":)") + value));
    EXPECT_THAT(refusal, HasSubstr("'platform_info': ")) << value;
    EXPECT_THAT(refusal, HasSubstr(reason)) << value;
  }
}

// The parts that a minimum has to state are those of the TEEs that the policy names.
TEST(ReleasePolicyFormTest, AMinimumStatesAllPartsForEitherTee) {
  const std::string full =
      R"(,"min_tcb":{"boot_loader":3,"fmc":0,"microcode":115,"snp":8,"tee":0})";
  const std::string partial = R"(,"min_tcb":{"snp":8})";
  for (const char* tee : {R"(["snp"])", R"(["emulated"])", R"(["snp","emulated"])"}) {
    EXPECT_EQ(Refusal(Policy(full, tee)), "accepted") << tee;
    EXPECT_THAT(Refusal(Policy(partial, tee)), HasSubstr("'min_tcb' states no 'fmc'")) << tee;
  }
  EXPECT_THAT(Refusal(Policy(R"(,"min_tcb":[])")), HasSubstr("neither an object nor \"any\""));
  EXPECT_THAT(Refusal(Policy(R"(,"min_tcb":"all")")), HasSubstr("neither an object nor \"any\""));
}

TEST(ReleasePolicyFormTest, StatesAMinimumIfOnePartIsAboveZero) {
  ReleasePolicy policy{.resource = {}, .tee = {TeeKind::kSnp}, .measurements = {}, .host_data = {}};
  EXPECT_FALSE(StatesMinimumTcb(policy, TeeKind::kSnp));
  policy.min_tcb = {{"snp", 0}, {"microcode", 0}};
  EXPECT_FALSE(StatesMinimumTcb(policy, TeeKind::kSnp));
  policy.min_tcb["other_tees_part"] = 1;
  EXPECT_FALSE(StatesMinimumTcb(policy, TeeKind::kSnp)) << "that is no part of SNP's firmware";
  policy.min_tcb["microcode"] = 1;
  EXPECT_TRUE(StatesMinimumTcb(policy, TeeKind::kSnp));
}

}  // namespace
}  // namespace locket::attest
