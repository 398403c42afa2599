// Certificate chains with one thing wrong each. All reports here are signed by the chain's own VCEK
// and say what it says, so nothing but the chain can be the reason.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "attest/snp/snp_certificate_internal.h"
#include "attest/snp/snp_verify.h"
#include "base/encoding.h"
#include "tests/attest/made_chain.h"

namespace locket::attest {
namespace {

using ::testing::HasSubstr;

std::string Verify(const SnpEvidence& evidence, const SnpRoot& root) {
  const auto verified = VerifySnp(evidence, std::array{root}, std::chrono::system_clock::now());
  if (verified.ok()) return "accepted";
  EXPECT_EQ(verified.error().code(), ErrorCode::kPermissionDenied) << verified.error().message();
  return verified.error().message();
}

std::string Verify(const MadeChain& chain, const SnpReport& report = MadeChain::Report()) {
  return Verify(chain.Sign(report), chain.root());
}

// The outcome with a chain that `change` made different from a good one.
std::string With(const std::function<void(ChainContent&)>& change) {
  ChainContent content;
  change(content);
  return Verify(MadeChain(content));
}

TEST(SnpMadeChainTest, AChainAsAmdsIsAccepted) {
  EXPECT_EQ(With([](auto&) {}), "accepted");
}

TEST(SnpMadeChainTest, EachCertificateIsSignedWithRsaPssAndSha384) {
  const std::pair<CertificateContent ChainContent::*, const char*> links[] = {
      {&ChainContent::ark, "the ARK"},
      {&ChainContent::ask, "the ASK"},
      {&ChainContent::vcek, "the VCEK"}};
  for (const auto& [link, name] : links) {
    const auto reason = std::string(name) + " is not signed with RSA-PSS and SHA-384";
    EXPECT_EQ(With([link = link](auto& c) { (c.*link).pss = false; }), reason);
    EXPECT_EQ(With([link = link](auto& c) { (c.*link).digest = "SHA256"; }), reason);
    EXPECT_EQ(With([link = link](auto& c) { (c.*link).digest = "SHA512"; }), reason);
  }
}

TEST(SnpMadeChainTest, EachCertificateHasItsTime) {
  const std::pair<CertificateContent ChainContent::*, const char*> links[] = {
      {&ChainContent::ark, "the ARK"},
      {&ChainContent::ask, "the ASK"},
      {&ChainContent::vcek, "the VCEK"}};
  for (const auto& [link, name] : links) {
    EXPECT_EQ(With([link = link](auto& c) { (c.*link).ends_in_seconds = -60; }),
              std::string(name) + " has expired");
    EXPECT_EQ(With([link = link](auto& c) { (c.*link).starts_in_seconds = 600; }),
              std::string(name) + " is not valid yet");
  }
}

// The issuer's name is written in a certificate; whose key signed it is another matter.
TEST(SnpMadeChainTest, ANameIsNotASignature) {
  EXPECT_EQ(With([](auto& c) { c.vcek_issuer_key = "ark"; }),
            "the VCEK is not signed by its issuer");
}

TEST(SnpMadeChainTest, AnAskThatMayNotSignIsNotOne) {
  // It is taken for a second leaf then.
  EXPECT_EQ(With([](auto& c) { c.ask.authority = false; }),
            "certificates: more than one VCEK or VLEK");
}

TEST(SnpMadeChainTest, AVcekThatMaySignIsNotOne) {
  EXPECT_EQ(With([](auto& c) { c.vcek.authority = true; }),
            "certificates: no VCEK or VLEK among them");
}

// Another root of the same name and with the same key is another root.
TEST(SnpMadeChainTest, ARootIsTrustedByItsFingerprintAlone) {
  const MadeChain trusted{ChainContent{}};
  const MadeChain other{ChainContent{}};
  EXPECT_EQ(Verify(other.Sign(MadeChain::Report()), trusted.root()),
            "certificates: no root among them is trusted");
  // With the trusted root sent along, the other's ASK has the right issuer.
  SnpEvidence evidence = other.Sign(MadeChain::Report());
  evidence.certificates = other.vcek() + other.ask() + trusted.ark();
  EXPECT_EQ(Verify(evidence, trusted.root()), "accepted") << "the same key signed it";
}

TEST(SnpMadeChainTest, ARootOfAnotherNameDoesNotIssueTheAsk) {
  const MadeChain chain{ChainContent{}};
  const MadeChain other{{.ark = {.common_name = "ARK-Other", .authority = true}}};
  SnpEvidence evidence = chain.Sign(MadeChain::Report());
  evidence.certificates = chain.vcek() + chain.ask() + other.ark();
  EXPECT_EQ(Verify(evidence, other.root()), "the ASK is not signed by its issuer");
}

TEST(SnpMadeChainTest, TheKeyIsOnP384) {
  EXPECT_EQ(With([](auto& c) { c.vcek_curve = "P-256"; }), "the VCEK's key is not on P-384");
}

TEST(SnpMadeChainTest, TheReportNamesTheKindOfItsKey) {
  for (const char* name : {"SEV-VLEK", "SEV-vcek", "SEV-VCEK2", "VCEK"}) {
    EXPECT_EQ(
        With([name](auto& c) { c.vcek.common_name = name; }),
        std::string("the report names a SEV-VCEK key, the certificate is for '") + name + "'");
  }
  // A provider's key has no chip, and its certificate no chip id.
  ChainContent content{.vcek = {.common_name = "SEV-VLEK"}};
  content.extensions.erase(kHardwareIdOid);
  SnpReport report = MadeChain::Report();
  report.signing_key = SnpSigningKey::kVlek;
  report.chip_id.fill(std::byte{1});
  EXPECT_EQ(Verify(MadeChain(content), report), "accepted");
  report.reported_tcb.snp = 9;
  EXPECT_EQ(Verify(MadeChain(content), report),
            "the report's TCB is not the one its VCEK was made for");
  EXPECT_EQ(Verify(MadeChain(content)),
            "the report names a SEV-VCEK key, the certificate is for 'SEV-VLEK'");
}

TEST(SnpMadeChainTest, OfAllCertificatesAtMostSixteenAreRead) {
  const MadeChain chain{ChainContent{}};
  SnpEvidence evidence = chain.Sign(MadeChain::Report());
  for (int i = 0; i < 13; ++i) evidence.certificates += chain.ask();
  EXPECT_EQ(Verify(evidence, chain.root()), "accepted");
  evidence.certificates += chain.ask();
  const auto refused =
      VerifySnp(evidence, std::array{chain.root()}, std::chrono::system_clock::now());
  EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(refused.error().message(), "certificates: more than 16");
}

TEST(SnpVcekTest, EveryPatchLevelButTheFmcsIsThere) {
  for (const char* oid : {kBootLoaderOid, kTeeOid, kSnpOid, kMicrocodeOid}) {
    EXPECT_EQ(With([oid](auto& c) { c.extensions.erase(oid); }),
              std::string("the VCEK has no extension ") + oid);
  }
}

TEST(SnpVcekTest, APatchLevelIsAnIntegerOfOneByte) {
  const std::vector<std::byte> bad[] = {
      {},                                                         // nothing
      {std::byte{2}},                                             // no length
      {std::byte{2}, std::byte{1}},                               // no value
      {std::byte{4}, std::byte{1}, std::byte{8}},                 // an OCTET STRING
      {std::byte{2}, std::byte{1}, std::byte{0x88}},              // negative
      {std::byte{2}, std::byte{2}, std::byte{1}, std::byte{0}}};  // 256
  for (const auto& der : bad) {
    for (const char* oid : {kBootLoaderOid, kTeeOid, kSnpOid, kMicrocodeOid, kFmcOid}) {
      EXPECT_EQ(With([&](auto& c) { c.extensions[oid] = der; }),
                std::string("the VCEK's extension ") + oid + " is no patch level")
          << HexEncode(der);
    }
  }
}

TEST(SnpVcekTest, EachPatchLevelIsComparedWithTheReports) {
  for (const char* oid : {kBootLoaderOid, kTeeOid, kSnpOid, kMicrocodeOid, kFmcOid}) {
    EXPECT_EQ(With([oid](auto& c) { c.extensions[oid] = DerInteger(200); }),
              "the report's TCB is not the one its VCEK was made for");
  }
  // 255 is the largest, and Turin has an FMC.
  ChainContent turin;
  turin.extensions[kFmcOid] = DerInteger(1);
  turin.extensions[kMicrocodeOid] = DerInteger(255);
  SnpReport report = MadeChain::Report();
  report.version = 3;
  report.cpu_family = 0x1A;
  report.reported_tcb = {.fmc = 1, .boot_loader = 3, .tee = 0, .snp = 8, .microcode = 255};
  EXPECT_EQ(Verify(MadeChain(turin), report), "accepted");
}

TEST(SnpVcekTest, TheChipIdHas8Or64Bytes) {
  for (const size_t size : {0U, 1U, 7U, 9U, 63U, 65U}) {
    EXPECT_EQ(With([size](auto& c) {
                c.extensions[kHardwareIdOid] = std::vector<std::byte>(size, std::byte{0xC5});
              }),
              "the VCEK's chip id has " + std::to_string(size) + " bytes");
  }
  EXPECT_EQ(With([](auto& c) { c.extensions.erase(kHardwareIdOid); }), "the VCEK has no chip id");
  // The report pads Turin's eight bytes with zeros; anything else behind them is another chip.
  ChainContent turin;
  turin.extensions[kHardwareIdOid] = std::vector<std::byte>(8, std::byte{0xC5});
  EXPECT_EQ(Verify(MadeChain(turin)), "the report's chip id is not the VCEK's");
  SnpReport report = MadeChain::Report();
  std::fill(report.chip_id.begin() + 8, report.chip_id.end(), std::byte{0});
  EXPECT_EQ(Verify(MadeChain(turin), report), "accepted");
}

TEST(SnpRootTest, IsTheFirstCertificateOfAFile) {
  const MadeChain chain{ChainContent{}};
  EXPECT_EQ(RootFromPem(chain.ark() + chain.ask()).value(), chain.root());
  EXPECT_NE(RootFromPem(chain.ask() + chain.ark()).value(), chain.root());
  EXPECT_TRUE(HasRoot(chain.vcek() + chain.ark(), chain.root()));
  EXPECT_FALSE(HasRoot(chain.vcek() + chain.ask(), chain.root()));
  for (const char* bad : {"", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n"}) {
    EXPECT_EQ(RootFromPem(bad).error().code(), ErrorCode::kInvalidArgument) << bad;
    EXPECT_FALSE(HasRoot(bad, chain.root())) << bad;
  }
}

}  // namespace
}  // namespace locket::attest
