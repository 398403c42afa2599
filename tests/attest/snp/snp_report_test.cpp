// Where each field of an SNP report is, after AMD's table (56860, ATTESTATION_REPORT).
#include "attest/snp/snp_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "attest/snp/snp_claims.h"
#include "base/encoding.h"

namespace locket::attest {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string At(const SnpReport& report, size_t offset, size_t size) {
  return HexEncode(std::span<const std::byte>(EncodeSnpReport(report)).subspan(offset, size));
}

std::string Repeated(const char* hex, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += hex;
  return out;
}

TEST(SnpReportLayoutTest, EachFieldIsAtItsOffset) {
  struct Field {
    std::function<void(SnpReport&)> set;
    size_t offset;
    std::string bytes;
  };
  const Field table[] = {
      {[](auto& r) { r.version = 5; }, 0x00, "05000000"},
      {[](auto& r) { r.guest_svn = 0x01020304; }, 0x04, "04030201"},
      {[](auto& r) { r.policy = 0x0102030405060708; }, 0x08, "0807060504030201"},
      {[](auto& r) { r.family_id.fill(std::byte{0xF1}); }, 0x10, Repeated("f1", 16)},
      {[](auto& r) { r.image_id.fill(std::byte{0xF2}); }, 0x20, Repeated("f2", 16)},
      {[](auto& r) { r.vmpl = 3; }, 0x30, "03000000"},
      {[](auto&) {}, 0x34, "01000000"},  // ECDSA P-384 with SHA-384
      {[](auto& r) { r.current_tcb.snp = 9; }, 0x38, "0000000000000900"},
      {[](auto& r) { r.platform_info = 0x25; }, 0x40, "2500000000000000"},
      {[](auto& r) { r.signing_key = SnpSigningKey::kVlek; }, 0x48, "04000000"},
      {[](auto& r) { r.report_data.fill(std::byte{0xF3}); }, 0x50, Repeated("f3", 64)},
      {[](auto& r) { r.measurement.fill(std::byte{0xF4}); }, 0x90, Repeated("f4", 48)},
      {[](auto& r) { r.host_data.fill(std::byte{0xF5}); }, 0xC0, Repeated("f5", 32)},
      {[](auto& r) { r.report_id.fill(std::byte{0xF6}); }, 0x140, Repeated("f6", 32)},
      {[](auto& r) { r.reported_tcb.boot_loader = 9; }, 0x180, "0900000000000000"},
      {[](auto& r) { r.version = 3, r.cpu_family = 0x19; }, 0x188, "190000"},
      {[](auto& r) { r.version = 3, r.cpu_model = 0x11; }, 0x188, "001100"},
      {[](auto& r) { r.version = 3, r.cpu_stepping = 1; }, 0x188, "000001"},
      {[](auto& r) { r.chip_id.fill(std::byte{0xF7}); }, 0x1A0, Repeated("f7", 64)},
      {[](auto& r) { r.committed_tcb.tee = 9; }, 0x1E0, "0009000000000000"},
      {[](auto& r) { r.launch_tcb.microcode = 9; }, 0x1F0, "0000000000000009"},
      // Little-endian in the report, big-endian in SnpReport.
      {[](auto& r) { r.signature_r[47] = std::byte{1}; }, 0x2A0, "01" + Repeated("00", 71)},
      {[](auto& r) { r.signature_s[0] = std::byte{1}; }, 0x2E8,
       Repeated("00", 47) + "01" + Repeated("00", 24)}};
  for (const auto& [set, offset, bytes] : table) {
    SnpReport report;
    set(report);
    EXPECT_EQ(At(report, offset, bytes.size() / 2), bytes) << std::hex << offset;
    EXPECT_EQ(DecodeSnpReport(EncodeSnpReport(report)).value(), report) << std::hex << offset;
  }
}

// Every byte that the decoder reads is another report; every byte that it does not is none of ours.
TEST(SnpReportLayoutTest, NoByteIsReadAsTwoFields) {
  const SnpReport plain = DecodeSnpReport(EncodeSnpReport(SnpReport())).value();
  std::vector<size_t> unread;
  for (size_t offset = 0; offset < kSnpReportBytes; ++offset) {
    auto bytes = EncodeSnpReport(SnpReport());
    bytes[offset] ^= std::byte{1};
    const auto decoded = DecodeSnpReport(bytes);
    if (!decoded.ok() || *decoded != plain) continue;
    unread.push_back(offset);
  }
  // AUTHOR_KEY_EN, reserved bytes, ID and author key digests, REPORT_ID_MA, versions of firmware.
  for (const size_t offset : unread) {
    const bool known = (offset >= 0x38 && offset < 0x40) || (offset >= 0x48 && offset < 0x50) ||
                       (offset >= 0xE0 && offset < 0x140) || (offset >= 0x160 && offset < 0x180) ||
                       (offset >= 0x182 && offset < 0x1A0) || (offset >= 0x1E2 && offset < 0x2A0);
    EXPECT_TRUE(known) << std::hex << offset;
  }
}

TEST(SnpReportLayoutTest, VersionsTwoToFiveAreRead) {
  for (uint32_t version = 0; version <= 8; ++version) {
    SnpReport report;
    report.version = version;
    const auto decoded = DecodeSnpReport(EncodeSnpReport(report));
    EXPECT_EQ(decoded.ok(), version >= 2 && version <= 5) << version;
    if (decoded.ok()) continue;
    EXPECT_EQ(decoded.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(decoded.error().message(),
              "SNP report: version " + std::to_string(version) + " is not supported");
  }
}

TEST(SnpReportLayoutTest, OnlyEcdsaP384IsReadAndOnlyByVcekOrVlek) {
  for (const auto algorithm : std::initializer_list<unsigned char>{0, 2, 255}) {
    auto bytes = EncodeSnpReport(SnpReport());
    bytes[0x34] = std::byte{algorithm};
    EXPECT_THAT(DecodeSnpReport(bytes).error().message(), HasSubstr("signature algorithm"));
  }
  for (unsigned flags = 0; flags < 32; ++flags) {
    auto bytes = EncodeSnpReport(SnpReport());
    bytes[0x48] = static_cast<std::byte>(flags);
    const auto decoded = DecodeSnpReport(bytes);
    const unsigned key = flags >> 2U & 7U;
    EXPECT_EQ(decoded.ok(), key <= 1) << flags;
    if (decoded.ok()) {
      EXPECT_EQ(decoded->signing_key, key == 1 ? SnpSigningKey::kVlek : SnpSigningKey::kVcek);
    }
  }
}

// Before version 3 there is no CPUID in the report, and before Turin no FMC.
TEST(SnpReportLayoutTest, TheGenerationDecidesWhereThePatchLevelsAre) {
  const auto reported = [](uint32_t version, uint8_t family) {
    auto bytes = EncodeSnpReport(SnpReport());
    bytes[0x00] = static_cast<std::byte>(version);
    bytes[0x188] = std::byte{family};
    for (size_t i = 0; i < 8; ++i) bytes[0x180 + i] = static_cast<std::byte>(i + 1);
    const SnpTcb tcb = DecodeSnpReport(bytes)->reported_tcb;
    return std::vector<int>{tcb.fmc, tcb.boot_loader, tcb.tee, tcb.snp, tcb.microcode};
  };
  EXPECT_THAT(reported(2, 0x00), ElementsAre(0, 1, 2, 7, 8));
  EXPECT_THAT(reported(2, 0x1A), ElementsAre(0, 1, 2, 7, 8)) << "version 2 states no family";
  EXPECT_THAT(reported(3, 0x19), ElementsAre(0, 1, 2, 7, 8));
  EXPECT_THAT(reported(3, 0x1A), ElementsAre(1, 2, 3, 4, 8));
  EXPECT_THAT(reported(5, 0x1A), ElementsAre(1, 2, 3, 4, 8));
  EXPECT_THAT(reported(5, 0x1B), ElementsAre(1, 2, 3, 4, 8)) << "later ones as Turin";
}

TEST(SnpReportLayoutTest, ASignatureOfMoreThanP384IsRefused) {
  for (const size_t offset : {0x2A0 + 48, 0x2A0 + 71, 0x2E8 + 48, 0x2E8 + 71}) {
    auto bytes = EncodeSnpReport(SnpReport());
    bytes[offset] = std::byte{1};
    EXPECT_THAT(DecodeSnpReport(bytes).error().message(), HasSubstr("longer than P-384's"));
  }
  for (const size_t offset : {0x330, 0x400, 0x49F}) {
    auto bytes = EncodeSnpReport(SnpReport());
    bytes[offset] = std::byte{1};
    EXPECT_THAT(DecodeSnpReport(bytes).error().message(), HasSubstr("behind the signature"));
  }
}

// --- The same report in the words that every TEE shares.

TEST(SnpClaimsTest, TakeEachFieldThatAReleasePolicyAsksFor) {
  SnpReport report;
  report.measurement.fill(std::byte{1});
  report.host_data.fill(std::byte{2});
  report.vmpl = 3;
  report.reported_tcb = {.fmc = 1, .boot_loader = 2, .tee = 3, .snp = 4, .microcode = 5};
  report.launch_tcb.boot_loader = 6;
  report.current_tcb.snp = 7;
  report.committed_tcb.microcode = 8;
  const Claims claims = ClaimsOf(report, TeeKind::kSnp);
  EXPECT_EQ(claims.tee, TeeKind::kSnp);
  EXPECT_EQ(claims.measurement, report.measurement);
  EXPECT_EQ(claims.host_data, report.host_data);
  EXPECT_EQ(claims.privilege_level, 3U);
  ASSERT_EQ(claims.tcbs.size(), 4U);
  const auto only = [](const char* part, uint8_t level) {
    TcbLevels levels{{"fmc", 0}, {"boot_loader", 0}, {"tee", 0}, {"snp", 0}, {"microcode", 0}};
    levels[part] = level;
    return levels;
  };
  EXPECT_EQ(
      claims.tcbs[0],
      (Tcb{.which = "reported",
           .levels = {{"fmc", 1}, {"boot_loader", 2}, {"tee", 3}, {"snp", 4}, {"microcode", 5}}}));
  EXPECT_EQ(claims.tcbs[1], (Tcb{.which = "launch", .levels = only("boot_loader", 6)}));
  EXPECT_EQ(claims.tcbs[2], (Tcb{.which = "current", .levels = only("snp", 7)}));
  EXPECT_EQ(claims.tcbs[3], (Tcb{.which = "committed", .levels = only("microcode", 8)}));
  EXPECT_EQ(ClaimsOf(report, TeeKind::kEmulated).tee, TeeKind::kEmulated);
}

TEST(SnpClaimsTest, OfTheGuestsPolicyDebugAndMigrationCount) {
  for (unsigned bit = 0; bit < 64; ++bit) {
    SnpReport report;
    report.policy = uint64_t{1} << bit;
    const Claims claims = ClaimsOf(report, TeeKind::kSnp);
    EXPECT_EQ(claims.debug, bit == 19) << bit;
    EXPECT_EQ(claims.migratable, bit == 18) << bit;
  }
}

TEST(SnpClaimsTest, EachPlatformBitHasItsName) {
  const std::map<unsigned, std::string> names{{0, "smt"},
                                              {1, "tsme"},
                                              {2, "ecc"},
                                              {3, "rapl_disabled"},
                                              {4, "ciphertext_hiding"},
                                              {5, "alias_check_complete"},
                                              {7, "tio"}};
  for (unsigned bit = 0; bit < 64; ++bit) {
    SnpReport report;
    report.platform_info = uint64_t{1} << bit;
    const auto found = names.find(bit);
    const std::set<std::string> expected =
        found == names.end() ? std::set<std::string>() : std::set<std::string>{found->second};
    EXPECT_EQ(ClaimsOf(report, TeeKind::kSnp).platform, expected) << bit;
  }
}

// A name in claims that no policy may say would be a condition that nobody can set.
TEST(SnpClaimsTest, UseTheNamesThatPoliciesMayUse) {
  SnpReport report;
  report.platform_info = ~uint64_t{0};
  const Claims claims = ClaimsOf(report, TeeKind::kSnp);
  EXPECT_EQ(claims.platform.size(), PlatformNames().size());
  for (const auto& name : claims.platform) EXPECT_TRUE(CheckPlatformName(name).ok()) << name;
  for (const TeeKind kind : {TeeKind::kSnp, TeeKind::kEmulated}) {
    const auto parts = TcbPartNames(std::span(&kind, 1));
    for (const auto& tcb : claims.tcbs) {
      ASSERT_EQ(tcb.levels.size(), parts.size());
      for (const auto part : parts) EXPECT_TRUE(tcb.levels.contains(part)) << part;
    }
  }
}

}  // namespace
}  // namespace locket::attest
