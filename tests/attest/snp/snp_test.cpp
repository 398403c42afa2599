// SNP reports of real machines, and of the emulated one, against every change.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "attest/snp/snp_report.h"
#include "attest/snp/snp_verify.h"
#include "base/encoding.h"
#include "tests/attest/testing.h"

namespace locket::attest {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

const std::filesystem::path kVectors = std::filesystem::path(LOCKET_SOURCE_DIR) / "tests/vectors";
// The certificates of both machines are valid then.
const auto kNow = std::chrono::system_clock::from_time_t(1750000000);  // June 2025

struct Vector {
  std::string name;
  std::string chain_file;
  uint64_t policy;
  std::string measurement_start;
};
void PrintTo(const Vector& vector, std::ostream* out) { *out << vector.name; }

SnpEvidence Load(const Vector& vector) {
  const auto directory = kVectors / ("snp-milan-" + vector.name);
  return {.report = ReadBytes(directory / "report.bin"),
          .certificates = PemFromDer(ReadBytes(directory / "vcek.der")) +
                          ReadText(directory / vector.chain_file)};
}

std::string Refusal(const SnpEvidence& evidence, const SnpRoot& root = AmdMilanRoot(),
                    std::chrono::system_clock::time_point now = kNow) {
  const auto verified = VerifySnp(evidence, std::array{root}, now);
  return verified.ok() ? "accepted" : verified.error().message();
}

class RealReportTest : public ::testing::TestWithParam<Vector> {};

TEST_P(RealReportTest, IsAcceptedUnderAmdsRoot) {
  const auto verified = VerifySnp(Load(GetParam()), std::array{AmdMilanRoot()}, kNow);
  ASSERT_TRUE(verified.ok()) << verified.error().message();
  EXPECT_EQ(verified->version, 2U);
  EXPECT_EQ(verified->policy, GetParam().policy);
  EXPECT_EQ(verified->vmpl, 0U);
  EXPECT_EQ(verified->reported_tcb,
            (SnpTcb{.boot_loader = 3, .tee = 0, .snp = 8, .microcode = 0x73}));
  EXPECT_THAT(HexEncode(verified->measurement),
              ::testing::StartsWith(GetParam().measurement_start));
}

TEST_P(RealReportTest, EncodesBackToTheSameSignedFields) {
  const auto report = DecodeSnpReport(Load(GetParam()).report);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(DecodeSnpReport(EncodeSnpReport(*report)).value(), *report);
}

// What each changed byte has to be refused for. Whatever is not listed is under the signature.
std::string ReasonFor(size_t offset) {
  if (offset < 4) return "version";
  if (offset >= 0x34 && offset < 0x38) return "signature algorithm";
  if (offset >= 0x330) return "behind the signature";
  const size_t in_component = (offset - 0x2A0) % 72;
  if (offset >= 0x2A0 && in_component >= 48) return "longer than P-384's";
  return "the report's signature is not the VCEK's";
}

TEST_P(RealReportTest, WithAnyByteChangedIsRefusedForTheRightReason) {
  const auto good = Load(GetParam());
  for (size_t offset = 0; offset < good.report.size(); ++offset) {
    // The lowest flag of the first version byte makes it 3, which exists; 8 makes it unknown.
    const std::byte flip{static_cast<unsigned char>(offset == 0 ? 8 : 1)};
    auto changed = good;
    changed.report[offset] ^= flip;
    EXPECT_THAT(Refusal(changed), HasSubstr(ReasonFor(offset))) << "offset " << offset;
  }
}

TEST_P(RealReportTest, ThatNamesAnotherSigningKeyIsRefused) {
  auto changed = Load(GetParam());
  changed.report[0x48] |= std::byte{4};
  EXPECT_THAT(Refusal(changed), HasSubstr("names a SEV-VLEK key"));
  changed.report[0x48] |= std::byte{0x1C};
  EXPECT_THAT(Refusal(changed), HasSubstr("neither VCEK nor VLEK"));
}

TEST_P(RealReportTest, WithoutATrustedRootIsRefused) {
  EXPECT_THAT(Refusal(Load(GetParam()), TestSnpRoot()), HasSubstr("no root among them is trusted"));
}

TEST_P(RealReportTest, OutsideTheCertificatesTimesIsRefused) {
  EXPECT_THAT(Refusal(Load(GetParam()), AmdMilanRoot(), kNow - 24h * 365 * 4),
              HasSubstr("VCEK is not valid yet"));
  EXPECT_THAT(Refusal(Load(GetParam()), AmdMilanRoot(), kNow + 24h * 365 * 6),
              HasSubstr("VCEK has expired"));
}

INSTANTIATE_TEST_SUITE_P(
    Milan, RealReportTest,
    ::testing::Values(Vector{"virtee", "ask-ark.pem", 0x30000, "7a1e5c266c0108db"},
                      Vector{"trustee", "ask-ark-asvk.pem", 0x3001f, "a1f3930413247bb3"}),
    [](const auto& test) { return test.param.name; });

TEST(SnpReportTest, OfAnotherLengthIsRefused) {
  for (const size_t size : {0U, 1183U, 1185U}) {
    const auto decoded = DecodeSnpReport(std::vector<std::byte>(size));
    ASSERT_FALSE(decoded.ok());
    EXPECT_THAT(decoded.error().message(), HasSubstr("not 1184"));
  }
}

TEST(SnpReportTest, OfTurinHasItsPatchLevelsElsewhere) {
  SnpReport report;
  report.version = 3;
  report.cpu_family = 0x1A;
  report.reported_tcb = {.fmc = 1, .boot_loader = 2, .tee = 3, .snp = 4, .microcode = 5};
  const auto bytes = EncodeSnpReport(report);
  EXPECT_EQ(HexEncode(std::span(bytes).subspan(0x180, 8)), "0102030400000005");
  EXPECT_EQ(DecodeSnpReport(bytes).value(), report);
}

TEST(SnpChainTest, WithACertificateOfAnotherMachineIsRefused) {
  auto mixed = Load({"virtee", "ask-ark.pem", 0, ""});
  mixed.certificates = Load({"trustee", "ask-ark-asvk.pem", 0, ""}).certificates;
  EXPECT_THAT(Refusal(mixed), HasSubstr("signature is not the VCEK's"));
}

TEST(SnpChainTest, MissingLinksAreNamed) {
  const auto directory = kVectors / "snp-milan-virtee";
  const auto good = Load({"virtee", "ask-ark.pem", 0, ""});
  const std::string chain = ReadText(directory / "ask-ark.pem");
  const size_t ark_at = chain.find("-----BEGIN", 1);
  const std::string ask = chain.substr(0, ark_at);
  const std::string ark = chain.substr(ark_at);
  const std::string vcek = good.certificates.substr(0, good.certificates.size() - chain.size());
  const auto refusal = [&](const std::string& certificates) {
    return Refusal({.report = good.report, .certificates = certificates});
  };
  EXPECT_EQ(refusal(ark + vcek + ask), "accepted") << "the order does not matter";
  EXPECT_THAT(refusal(ask + ark), HasSubstr("no VCEK or VLEK"));
  EXPECT_THAT(refusal(vcek + ark), HasSubstr("issuer is missing"));
  EXPECT_THAT(refusal(vcek + ask), HasSubstr("no root among them is trusted"));
  EXPECT_THAT(refusal(vcek + vcek + ask + ark), HasSubstr("more than one VCEK"));
  EXPECT_THAT(refusal(""), HasSubstr("not a list of PEM certificates"));
  EXPECT_THAT(refusal("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
              HasSubstr("not a list of PEM certificates"));
  EXPECT_THAT(refusal(std::string(300U << 10, 'x')), HasSubstr("256 KiB"));
}

TEST(SnpChainTest, AVcekSignedByAnotherRootsAskIsRefused) {
  // The emulated VCEK with AMD's root: the chain must not close.
  const auto amd = Load({"virtee", "ask-ark.pem", 0, ""});
  const std::string chain = ReadText(kVectors / "snp-milan-virtee" / "ask-ark.pem");
  const SnpEvidence evidence{.report = SignReport(TestReport()),
                             .certificates = ReadText(TestRootDirectory() / "vcek.pem") +
                                             ReadText(TestRootDirectory() / "ask.pem") + chain};
  EXPECT_THAT(Refusal(evidence), HasSubstr("the ASK is not signed by its issuer"));
}

// Signed, but not by the chip it speaks of.
class SignedReportTest : public ::testing::Test {
 protected:
  std::string RefusalOf(const SnpReport& report) {
    return Refusal({.report = SignReport(report), .certificates = TestRootCertificates()},
                   TestSnpRoot(), std::chrono::system_clock::now());
  }
};

TEST_F(SignedReportTest, OfTheEmulatorIsAcceptedUnderItsRoot) {
  const auto verified =
      VerifySnp({.report = SignReport(TestReport()), .certificates = TestRootCertificates()},
                std::array{AmdMilanRoot(), TestSnpRoot()}, std::chrono::system_clock::now());
  ASSERT_TRUE(verified.ok()) << verified.error().message();
  EXPECT_EQ(verified->chip_id, TestReport().chip_id);
}

TEST_F(SignedReportTest, OfTheEmulatorIsNamedWhereItsRootIsNotTrusted) {
  EXPECT_THAT(Refusal({.report = SignReport(TestReport()), .certificates = TestRootCertificates()}),
              HasSubstr("emulated TEE is not allowed"));
}

TEST_F(SignedReportTest, WithAnotherTcbThanItsCertificateIsRefused) {
  for (const auto part : {&SnpTcb::boot_loader, &SnpTcb::tee, &SnpTcb::snp, &SnpTcb::microcode}) {
    SnpReport report = TestReport();
    ++(report.reported_tcb.*part);
    EXPECT_THAT(RefusalOf(report), HasSubstr("TCB is not the one"));
  }
}

TEST_F(SignedReportTest, WithAnotherChipIdIsRefused) {
  SnpReport report = TestReport();
  report.chip_id[63] ^= std::byte{1};
  EXPECT_THAT(RefusalOf(report), HasSubstr("chip id is not the VCEK's"));
}

TEST_F(SignedReportTest, WithoutASignatureIsRefused) {
  SnpReport report = TestReport();
  EXPECT_THAT(Refusal({.report = EncodeSnpReport(report), .certificates = TestRootCertificates()},
                      TestSnpRoot(), std::chrono::system_clock::now()),
              HasSubstr("signature is not the VCEK's"));
}

}  // namespace
}  // namespace locket::attest
