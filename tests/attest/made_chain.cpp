#include "tests/attest/made_chain.h"

#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <cstdlib>

#include "attest/common/openssl_internal.h"
#include "attest/snp/snp_certificate_internal.h"
#include "base/encoding.h"
#include "tests/attest/signing.h"
#include "tests/attest/testing.h"

namespace locket::attest {
namespace {

std::string ToPem(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(bio.get(), certificate) != 1) std::abort();
  return BioText(bio.get());
}

void AddExtension(X509* certificate, const std::string& oid, std::span<const std::byte> content) {
  const std::unique_ptr<ASN1_OBJECT, OpenSslFree<ASN1_OBJECT_free>> object(
      OBJ_txt2obj(oid.c_str(), 1));
  const std::unique_ptr<ASN1_OCTET_STRING, OpenSslFree<ASN1_OCTET_STRING_free>> octets(
      ASN1_OCTET_STRING_new());
  ASN1_OCTET_STRING_set(octets.get(), Bytes(content), static_cast<int>(content.size()));
  const std::unique_ptr<X509_EXTENSION, OpenSslFree<X509_EXTENSION_free>> extension(
      X509_EXTENSION_create_by_OBJ(nullptr, object.get(), 0, octets.get()));
  if (X509_add_ext(certificate, extension.get(), -1) != 1) std::abort();
}

void AddBasicConstraints(X509* certificate) {
  const std::unique_ptr<X509_EXTENSION, OpenSslFree<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, "critical,CA:TRUE"));
  if (X509_add_ext(certificate, extension.get(), -1) != 1) std::abort();
}

X509Ptr Unsigned(const CertificateContent& content, EVP_PKEY* key, X509* issuer) {
  X509Ptr certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), content.starts_in_seconds);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), content.ends_in_seconds);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
                             Bytes(AsBytes(content.common_name)), -1, -1, 0);
  X509_set_pubkey(certificate.get(), key);
  X509* named = issuer == nullptr ? certificate.get() : issuer;
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(named));
  if (content.authority) AddBasicConstraints(certificate.get());
  return certificate;
}

void SignCertificate(X509* certificate, EVP_PKEY* key, const CertificateContent& content) {
  const DigestContextPtr context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* key_context = nullptr;  // owned by `context`
  EVP_DigestSignInit(context.get(), &key_context, EVP_get_digestbyname(content.digest.c_str()),
                     nullptr, key);
  EVP_PKEY_CTX_set_rsa_padding(key_context,
                               content.pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING);
  if (content.pss) EVP_PKEY_CTX_set_rsa_pss_saltlen(key_context, RSA_PSS_SALTLEN_DIGEST);
  if (X509_sign_ctx(certificate, context.get()) == 0) std::abort();
}

}  // namespace

struct MadeChain::Key {
  PkeyPtr key;
};

std::vector<std::byte> DerInteger(unsigned char value) {
  std::vector<std::byte> der{std::byte{2}, std::byte{1}, std::byte{value}};
  // The highest bit is the sign.
  if (value >= 0x80) der = {std::byte{2}, std::byte{2}, std::byte{0}, std::byte{value}};
  return der;
}

std::map<std::string, std::vector<std::byte>> GoodExtensions() {
  return {{kBootLoaderOid, DerInteger(3)},
          {kTeeOid, DerInteger(0)},
          {kSnpOid, DerInteger(8)},
          {kMicrocodeOid, DerInteger(115)},
          {kHardwareIdOid, std::vector<std::byte>(64, std::byte{0xC5})}};
}

MadeChain::MadeChain(const ChainContent& content)
    : key_(std::make_unique<Key>(Key{PkeyPtr(EVP_EC_gen(content.vcek_curve.c_str()))})) {
  // Making RSA keys takes long, so the emulated root's serve here.
  const PkeyPtr ark_key = TestRootKey("ark");
  const PkeyPtr ask_key = TestRootKey("ask");
  const X509Ptr ark = Unsigned(content.ark, ark_key.get(), nullptr);
  SignCertificate(ark.get(), ark_key.get(), content.ark);
  const X509Ptr ask = Unsigned(content.ask, ask_key.get(), ark.get());
  SignCertificate(ask.get(), ark_key.get(), content.ask);
  const X509Ptr vcek = Unsigned(content.vcek, key_->key.get(), ask.get());
  for (const auto& [oid, bytes] : content.extensions) AddExtension(vcek.get(), oid, bytes);
  const bool by_ark = content.vcek_issuer_key == "ark";
  SignCertificate(vcek.get(), (by_ark ? ark_key : ask_key).get(), content.vcek);
  ark_ = ToPem(ark.get());
  ask_ = ToPem(ask.get());
  vcek_ = ToPem(vcek.get());
}

MadeChain::~MadeChain() = default;

SnpRoot MadeChain::root() const { return RootFromPem(ark_).value(); }

SnpReport MadeChain::Report() {
  SnpReport report;
  report.reported_tcb = {.boot_loader = 3, .tee = 0, .snp = 8, .microcode = 115};
  report.chip_id.fill(std::byte{0xC5});
  return report;
}

SnpEvidence MadeChain::Sign(const SnpReport& report) const {
  return {.report = SignWith(key_->key.get(), report), .certificates = vcek_ + ask_ + ark_};
}

}  // namespace locket::attest
