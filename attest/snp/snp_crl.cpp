#include <openssl/pem.h>

#include "attest/snp/snp_crl_internal.h"
#include "base/encoding.h"

namespace locket::attest {
namespace {

using CrlPtr = std::unique_ptr<X509_CRL, OpenSslFree<X509_CRL_free>>;

Error Refused(std::string message) { return {ErrorCode::kPermissionDenied, std::move(message)}; }

CrlPtr FromDer(std::span<const std::byte> der) {
  const unsigned char* at = Bytes(der);
  CrlPtr crl(d2i_X509_CRL(nullptr, &at, static_cast<long>(der.size())));
  ERR_clear_error();
  if (crl == nullptr || at != Bytes(der) + der.size()) return nullptr;
  return crl;
}

CrlPtr FromPem(std::span<const std::byte> pem) {
  const BioPtr bio = ReadOnlyBio(AsText(pem));
  CrlPtr crl(PEM_read_bio_X509_CRL(bio.get(), nullptr, NoPassPhrase, nullptr));
  ERR_clear_error();
  return crl;
}

// Signed by the ARK, as AMD signs everything: RSA-PSS with SHA-384.
Status CheckIssued(X509_CRL* crl, X509* ark) {
  EVP_PKEY* key = X509_get0_pubkey(ark);
  const bool pss = X509_CRL_get_signature_nid(crl) == NID_rsassaPss;
  if (!pss || key == nullptr || X509_CRL_verify(crl, key) != 1) {
    ERR_clear_error();
    return Refused("the revocation list is not signed by the ARK");
  }
  return Ok();
}

Status CheckCurrent(X509_CRL* crl, std::chrono::system_clock::time_point now) {
  time_t at = std::chrono::system_clock::to_time_t(now);
  const ASN1_TIME* next = X509_CRL_get0_nextUpdate(crl);
  if (X509_cmp_time(X509_CRL_get0_lastUpdate(crl), &at) >= 0) {
    return Refused("the ARK's revocation list is not valid yet");
  }
  if (next == nullptr || X509_cmp_time(next, &at) <= 0) {
    return Refused(
        "the ARK's revocation list has expired: fetch the current one and restart the "
        "broker");
  }
  return Ok();
}

Result<CrlPtr> CrlOf(X509* ark, std::span<const SnpCrl> crls) {
  for (const SnpCrl& candidate : crls) {
    CrlPtr crl = FromDer(candidate.der);
    if (crl != nullptr &&
        X509_NAME_cmp(X509_CRL_get_issuer(crl.get()), X509_get_subject_name(ark)) == 0) {
      return crl;
    }
  }
  return Refused("none of the revocation lists given is this ARK's: add it to snp.crls");
}

}  // namespace

Result<SnpCrl> ReadSnpCrl(std::span<const std::byte> bytes) {
  CrlPtr crl;
  if (bytes.size() <= kMaxCrlBytes) {
    crl = FromDer(bytes);
    if (crl == nullptr) crl = FromPem(bytes);
  }
  if (crl == nullptr) {
    return Error(ErrorCode::kInvalidArgument, "not a certificate revocation list in DER or PEM");
  }
  SnpCrl out;
  out.der.resize(static_cast<size_t>(i2d_X509_CRL(crl.get(), nullptr)));
  unsigned char* at = Out(out.der);
  i2d_X509_CRL(crl.get(), &at);
  return out;
}

Status CheckNotRevoked(const std::array<X509*, 3>& chain, std::chrono::system_clock::time_point now,
                       std::span<const SnpCrl> crls) {
  constexpr std::array kNames{"the ARK", "the ASK", "the VCEK"};
  X509* ark = chain.front();
  LOCKET_TRY_ASSIGN(const auto crl, CrlOf(ark, crls));
  LOCKET_TRY(CheckIssued(crl.get(), ark));
  LOCKET_TRY(CheckCurrent(crl.get(), now));
  for (size_t i = 0; i < chain.size(); ++i) {
    // Serial numbers are the issuer's: only what the ARK signed can be meant.
    if (X509_NAME_cmp(X509_get_issuer_name(chain[i]), X509_get_subject_name(ark)) != 0) continue;
    X509_REVOKED* revoked = nullptr;
    if (X509_CRL_get0_by_serial(crl.get(), &revoked, X509_get_serialNumber(chain[i])) == 1) {
      return Refused(std::string(kNames[i]) + " was revoked by the ARK");
    }
  }
  return Ok();
}

}  // namespace locket::attest
