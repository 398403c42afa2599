#include "attest/snp/snp_verify.h"

#include <openssl/ecdsa.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "attest/common/hash.h"
#include "attest/common/json.h"
#include "attest/common/openssl_internal.h"
#include "attest/snp/snp_certificate_internal.h"
#include "attest/snp/snp_crl_internal.h"
#include "base/encoding.h"

namespace locket::attest {
namespace {

constexpr size_t kMaxPemBytes = 256U << 10;
constexpr size_t kMaxCertificates = 16;

using EcdsaSignaturePtr = std::unique_ptr<ECDSA_SIG, OpenSslFree<ECDSA_SIG_free>>;
using Fingerprint = std::array<std::byte, 32>;

Error Refused(std::string message) { return {ErrorCode::kPermissionDenied, std::move(message)}; }

Result<std::vector<X509Ptr>> ReadCertificates(std::string_view pem) {
  if (pem.size() > kMaxPemBytes) {
    return Error(ErrorCode::kInvalidArgument, "certificates: more than 256 KiB");
  }
  const BioPtr bio = ReadOnlyBio(pem);
  std::vector<X509Ptr> out;
  while (out.size() <= kMaxCertificates) {
    X509Ptr certificate(PEM_read_bio_X509(bio.get(), nullptr, NoPassPhrase, nullptr));
    if (certificate == nullptr) break;
    out.push_back(std::move(certificate));
  }
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  if (out.size() > kMaxCertificates) {
    return Error(ErrorCode::kInvalidArgument, "certificates: more than 16");
  }
  if (out.empty() || (code != 0 && ERR_GET_REASON(code) != PEM_R_NO_START_LINE)) {
    return Error(ErrorCode::kInvalidArgument, "certificates: not a list of PEM certificates");
  }
  return out;
}

Fingerprint FingerprintOf(X509* certificate) {
  Fingerprint out{};
  unsigned size = 0;
  if (X509_digest(certificate, EVP_sha256(), Out(out), &size) != 1) std::abort();
  return out;
}

std::string CommonName(X509* certificate) {
  std::array<char, 128> text{};
  const int size = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName,
                                             text.data(), static_cast<int>(text.size()));
  return size <= 0 ? ""
                   : std::string(text.data(),
                                 std::min<size_t>(static_cast<size_t>(size), text.size() - 1));
}

Status CheckTime(X509* certificate, std::string_view name,
                 std::chrono::system_clock::time_point now) {
  time_t at = std::chrono::system_clock::to_time_t(now);
  if (X509_cmp_time(X509_get0_notBefore(certificate), &at) >= 0) {
    return Refused(std::string(name) + " is not valid yet");
  }
  if (X509_cmp_time(X509_get0_notAfter(certificate), &at) <= 0) {
    return Refused(std::string(name) + " has expired");
  }
  return Ok();
}

// AMD signs with RSA-PSS and SHA-384 throughout; anything else is not AMD's.
Status CheckSignedBy(X509* certificate, X509* issuer, const std::string& name) {
  int digest = NID_undef;
  int key_kind = NID_undef;
  if (X509_get_signature_info(certificate, &digest, &key_kind, nullptr, nullptr) != 1 ||
      digest != NID_sha384 || key_kind != NID_rsassaPss) {
    ERR_clear_error();
    return Refused(name + " is not signed with RSA-PSS and SHA-384");
  }
  if (X509_NAME_cmp(X509_get_issuer_name(certificate), X509_get_subject_name(issuer)) != 0 ||
      X509_verify(certificate, X509_get0_pubkey(issuer)) != 1) {
    ERR_clear_error();
    return Refused(name + " is not signed by its issuer");
  }
  return Ok();
}

struct Chain {
  X509* root = nullptr;
  X509* intermediate = nullptr;
  X509* leaf = nullptr;
};

// Finds the three by what is trusted and by who issued whom; order and extra certificates
// (trustee's files hold the ASVK, too) do not matter.
Result<Chain> FindChain(const std::vector<X509Ptr>& certificates, std::span<const SnpRoot> roots) {
  Chain chain;
  for (const auto& certificate : certificates) {
    const auto fingerprint = FingerprintOf(certificate.get());
    if (std::ranges::find(roots, fingerprint, &SnpRoot::fingerprint) != roots.end()) {
      chain.root = certificate.get();
    } else if (X509_check_ca(certificate.get()) == 0) {
      if (chain.leaf != nullptr) return Refused("certificates: more than one VCEK or VLEK");
      chain.leaf = certificate.get();
    }
  }
  ERR_clear_error();
  if (chain.root == nullptr) {
    // The common mistake deserves its own words; they grant nothing.
    const bool emulated = std::any_of(
        certificates.begin(), certificates.end(),
        [](const X509Ptr& certificate) { return CommonName(certificate.get()) == "ARK-Emulated"; });
    return Refused(emulated
                       ? "certificates: this emulated TEE is not allowed: its root is not among "
                         "the trusted ones"
                       : "certificates: no root among them is trusted");
  }
  if (chain.leaf == nullptr) return Refused("certificates: no VCEK or VLEK among them");
  for (const auto& certificate : certificates) {
    if (certificate.get() != chain.root && certificate.get() != chain.leaf &&
        X509_NAME_cmp(X509_get_subject_name(certificate.get()), X509_get_issuer_name(chain.leaf)) ==
            0) {
      chain.intermediate = certificate.get();
    }
  }
  if (chain.intermediate == nullptr) return Refused("certificates: the VCEK's issuer is missing");
  return chain;
}

Status CheckChain(const Chain& chain, std::chrono::system_clock::time_point now) {
  LOCKET_TRY(CheckSignedBy(chain.root, chain.root, "the ARK"));
  LOCKET_TRY(CheckSignedBy(chain.intermediate, chain.root, "the ASK"));
  LOCKET_TRY(CheckSignedBy(chain.leaf, chain.intermediate, "the VCEK"));
  if (X509_check_ca(chain.intermediate) != 1) return Refused("the ASK may not sign certificates");
  LOCKET_TRY(CheckTime(chain.root, "the ARK", now));
  LOCKET_TRY(CheckTime(chain.intermediate, "the ASK", now));
  return CheckTime(chain.leaf, "the VCEK", now);
}

Status CheckPatchLevels(X509* leaf, const SnpReport& report) {
  LOCKET_TRY_ASSIGN(const auto tcb, VcekTcb(leaf));
  if (tcb != report.reported_tcb) {
    return Refused("the report's TCB is not the one its VCEK was made for");
  }
  return Ok();
}

// A VLEK belongs to a cloud provider, not to a chip, and has no chip id.
Status CheckChip(X509* leaf, const SnpReport& report) {
  if (report.signing_key == SnpSigningKey::kVlek) return Ok();
  LOCKET_TRY_ASSIGN(const auto chip_id, VcekChipId(leaf));
  if (chip_id != report.chip_id) return Refused("the report's chip id is not the VCEK's");
  return Ok();
}

Status CheckSigningKey(X509* leaf, const SnpReport& report) {
  const std::string expected = report.signing_key == SnpSigningKey::kVlek ? "SEV-VLEK" : "SEV-VCEK";
  const std::string name = CommonName(leaf);
  if (name != expected) {
    return Refused("the report names a " + expected + " key, the certificate is for '" +
                   Shortened(name) + "'");
  }
  return Ok();
}

Status CheckSignature(X509* leaf, const SnpReport& report, std::span<const std::byte> bytes) {
  EVP_PKEY* key = X509_get0_pubkey(leaf);
  std::array<char, 32> group{};
  if (key == nullptr || EVP_PKEY_get_base_id(key) != EVP_PKEY_EC ||
      EVP_PKEY_get_group_name(key, group.data(), group.size(), nullptr) != 1 ||
      std::string_view(group.data()) != "secp384r1") {
    ERR_clear_error();
    return Refused("the VCEK's key is not on P-384");
  }
  const EcdsaSignaturePtr signature(ECDSA_SIG_new());
  ECDSA_SIG_set0(signature.get(), BN_bin2bn(Bytes(report.signature_r), 48, nullptr),
                 BN_bin2bn(Bytes(report.signature_s), 48, nullptr));
  std::vector<std::byte> der(static_cast<size_t>(i2d_ECDSA_SIG(signature.get(), nullptr)));
  unsigned char* at = Out(der);
  i2d_ECDSA_SIG(signature.get(), &at);
  const DigestContextPtr context(EVP_MD_CTX_new());
  const bool good =
      EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha384(), nullptr, key) == 1 &&
      EVP_DigestVerify(context.get(), Bytes(der), der.size(), Bytes(bytes), kSnpSignedBytes) == 1;
  ERR_clear_error();
  if (!good) return Refused("the report's signature is not the VCEK's");
  return Ok();
}

}  // namespace

SnpRoot AmdMilanRoot() {
  // SHA-256 of ARK-Milan's DER, as https://kdsintf.amd.com/vcek/v1/Milan/cert_chain serves it.
  constexpr std::string_view kArkMilan =
      "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd";
  SnpRoot root{.fingerprint = {}};
  const auto bytes = HexDecode(kArkMilan);
  std::copy(bytes->begin(), bytes->end(), root.fingerprint.begin());
  return root;
}

Result<SnpRoot> RootFromPem(std::string_view pem) {
  LOCKET_TRY_ASSIGN(const auto certificates, ReadCertificates(pem));
  return SnpRoot{.fingerprint = FingerprintOf(certificates.front().get())};
}

bool HasRoot(std::string_view pem, const SnpRoot& root) {
  const auto certificates = ReadCertificates(pem);
  return certificates.ok() && std::ranges::any_of(*certificates, [&](const X509Ptr& certificate) {
           return FingerprintOf(certificate.get()) == root.fingerprint;
         });
}

Result<SnpReport> VerifySnp(const SnpEvidence& evidence, std::span<const SnpRoot> roots,
                            std::chrono::system_clock::time_point now,
                            std::span<const SnpCrl> crls) {
  LOCKET_TRY_ASSIGN(const auto report, DecodeSnpReport(evidence.report));
  LOCKET_TRY_ASSIGN(const auto certificates, ReadCertificates(evidence.certificates));
  LOCKET_TRY_ASSIGN(const auto chain, FindChain(certificates, roots));
  LOCKET_TRY(CheckChain(chain, now));
  if (!crls.empty()) {
    LOCKET_TRY(CheckNotRevoked(std::array{chain.root, chain.intermediate, chain.leaf}, now, crls));
  }
  LOCKET_TRY(CheckSigningKey(chain.leaf, report));
  LOCKET_TRY(CheckSignature(chain.leaf, report, evidence.report));
  LOCKET_TRY(CheckPatchLevels(chain.leaf, report));
  LOCKET_TRY(CheckChip(chain.leaf, report));
  return report;
}

}  // namespace locket::attest
