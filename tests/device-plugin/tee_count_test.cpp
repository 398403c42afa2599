#include "device-plugin/tee_count.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/device-plugin/fake_sys.h"

namespace locket::device_plugin {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

TeeCount Counted(Tee tee, const FakeSys& sys) {
  auto count = CountTee(tee, sys.root());
  EXPECT_TRUE(count.ok()) << count.error().message();
  return count.ok() ? std::move(count).value() : TeeCount{};
}

TEST(ParseMiscCountsTest, TakesWhatTheKernelWrites) {
  EXPECT_THAT(*ParseMiscCounts("sev 410\nsev_es 99\n"),
              ElementsAre(Pair("sev", 410), Pair("sev_es", 99)));
  EXPECT_THAT(*ParseMiscCounts("tdx 18446744073709551615"),
              ElementsAre(Pair("tdx", 18446744073709551615ULL)));
  EXPECT_THAT(*ParseMiscCounts(""), IsEmpty());
}

TEST(ParseMiscCountsTest, NamesTheLineThatIsWrong) {
  const struct {
    std::string text;
    const char* why;
  } kCases[] = {
      {"sev_es", "line 1: not a name, a space and a number"},
      {"sev_es 9\n\n", "line 2: not a name, a space and a number"},
      {"SEV 9\n", "line 1: not a name"},
      {" 9\n", "line 1: not a name"},
      {std::string(64, 'a') + " 9\n", "line 1: not a name"},
      {"sev_es -1\n", "line 1: not a number"},
      {"sev_es 9 \n", "line 1: not a number"},
      {"sev_es \n", "line 1: not a number"},
      {"sev_es max\n", "line 1: not a number"},
      {"sev_es 18446744073709551616\n", "line 1: not a number"},
      {"tdx 1\nsev 2\ntdx 1\n", "line 3: a name for the second time"},
  };
  for (const auto& c : kCases) {
    const auto counts = ParseMiscCounts(c.text);
    ASSERT_FALSE(counts.ok()) << c.text;
    EXPECT_EQ(counts.error().code(), ErrorCode::kDataLoss);
    EXPECT_THAT(counts.error().message(), HasSubstr(c.why)) << c.text;
  }
}

TEST(CountTeeTest, SnpGuestsHaveTheAsidsOfSevEs) {
  const FakeSys sys;
  sys.HaveSnp(99);
  const TeeCount count = Counted(Tee::kSnp, sys);
  EXPECT_EQ(count.total, 99U);
  EXPECT_FALSE(count.in_use);
  EXPECT_EQ(count.note, "");
  sys.Write("sys/fs/cgroup/misc.current", "sev 0\nsev_es 3\n");
  EXPECT_EQ(Counted(Tee::kSnp, sys).in_use, 3U);
}

TEST(CountTeeTest, TdxGuestsHaveKeyIds) {
  const FakeSys sys;
  sys.HaveTdx(31);
  EXPECT_EQ(Counted(Tee::kTdx, sys).total, 31U);
}

TEST(CountTeeTest, TheMiscControllerIsFoundWhereverItsHierarchyIsMounted) {
  for (const char* directory : {"sys/fs/cgroup/misc", "sys/fs/cgroup/unified"}) {
    const FakeSys sys;
    sys.HaveSnp(1);
    sys.Remove("sys/fs/cgroup/misc.capacity");
    sys.Write(std::string(directory) + "/misc.capacity", "sev_es 15\n");
    sys.Write(std::string(directory) + "/misc.current", "sev_es 2\n");
    EXPECT_EQ(Counted(Tee::kSnp, sys).total, 15U) << directory;
    EXPECT_EQ(Counted(Tee::kSnp, sys).in_use, 2U) << directory;
  }
}

TEST(CountTeeTest, WithCiphertextHidingSnpHasFewerAsids) {
  const FakeSys sys;
  sys.HaveSnp(99);
  sys.Write("sys/module/kvm_amd/parameters/ciphertext_hiding_asids", "60\n");
  EXPECT_EQ(Counted(Tee::kSnp, sys).total, 60U);
  EXPECT_THAT(Counted(Tee::kSnp, sys).note, HasSubstr("39 more ASIDs are for SEV-ES alone"));
  for (const char* all : {"0\n", "99\n"}) {  // it is off; SEV-ES has none
    sys.Write("sys/module/kvm_amd/parameters/ciphertext_hiding_asids", all);
    EXPECT_EQ(Counted(Tee::kSnp, sys).total, 99U);
    EXPECT_EQ(Counted(Tee::kSnp, sys).note, "");
  }
  sys.Write("sys/module/kvm_amd/parameters/ciphertext_hiding_asids", "-1\n");
  EXPECT_THAT(CountTee(Tee::kSnp, sys.root()).error().message(),
              HasSubstr("ciphertext_hiding_asids': not a number"));
}

TEST(CountTeeTest, WithoutTheTeeThereIsNoneAndTheNoteSaysWhy) {
  const FakeSys sys;
  EXPECT_EQ(Counted(Tee::kSnp, sys).total, 0U);
  EXPECT_THAT(Counted(Tee::kSnp, sys).note,
              HasSubstr("no '/sys/module/kvm_amd/parameters/sev_snp'"));
  EXPECT_THAT(Counted(Tee::kTdx, sys).note, HasSubstr("no '/sys/module/kvm_intel/parameters/tdx'"));
  sys.HaveSnp(99);
  sys.Write("sys/module/kvm_amd/parameters/sev_snp", "N\n");
  EXPECT_EQ(Counted(Tee::kSnp, sys).total, 0U);
  EXPECT_THAT(Counted(Tee::kSnp, sys).note, HasSubstr("SEV-SNP is off"));
}

TEST(CountTeeTest, WithoutANumberThereIsNoneAndTheNoteSaysWhy) {
  const FakeSys sys;
  sys.HaveSnp(99);
  sys.Write("sys/fs/cgroup/misc.capacity", "tdx 3\n");
  EXPECT_EQ(Counted(Tee::kSnp, sys).total, 0U);
  EXPECT_THAT(Counted(Tee::kSnp, sys).note, HasSubstr("does not name 'sev_es'"));
  sys.Remove("sys/fs/cgroup/misc.capacity");
  EXPECT_EQ(Counted(Tee::kSnp, sys).total, 0U);
  EXPECT_THAT(Counted(Tee::kSnp, sys).note, HasSubstr("CONFIG_CGROUP_MISC"));
}

TEST(CountTeeTest, WhatMakesNoSenseIsAnError) {
  const struct {
    const char* file;
    std::string text;
    ErrorCode code;
    const char* why;
  } kCases[] = {
      {"sys/module/kvm_amd/parameters/sev_snp", "1\n", ErrorCode::kDataLoss, "neither Y nor N"},
      {"sys/fs/cgroup/misc.capacity", "sev_es x\n", ErrorCode::kDataLoss,
       "read '/sys/fs/cgroup/misc.capacity': line 1: not a number"},
      {"sys/fs/cgroup/misc.capacity", "sev_es 65537\n", ErrorCode::kDataLoss,
       "65537 guests under SEV-SNP, more than there can be"},
      {"sys/fs/cgroup/misc.current", "x", ErrorCode::kDataLoss, "misc.current': line 1"},
      {"sys/fs/cgroup/misc.capacity", std::string(4097, 'a'), ErrorCode::kResourceExhausted,
       "larger than 4096 bytes"},
  };
  for (const auto& c : kCases) {
    const FakeSys sys;
    sys.HaveSnp(99);
    sys.Write(c.file, c.text);
    const auto count = CountTee(Tee::kSnp, sys.root());
    ASSERT_FALSE(count.ok()) << c.why;
    EXPECT_EQ(count.error().code(), c.code) << c.why;
    EXPECT_THAT(count.error().message(), HasSubstr(c.why));
  }
}

}  // namespace
}  // namespace locket::device_plugin
