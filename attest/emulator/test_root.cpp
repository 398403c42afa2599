// The emulated TEE's certificates: AMD's chain in miniature, RSA-PSS SHA-384 throughout.
#include <openssl/asn1.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <vector>

#include "attest/common/hash.h"
#include "attest/common/openssl_internal.h"
#include "attest/emulator/emulated_tee.h"
#include "attest/snp/snp_certificate_internal.h"
#include "base/file.h"

namespace locket::attest {
namespace {

constexpr unsigned kRsaBits = 2048;  // AMD's have 4096; making those takes seconds
constexpr long kValidSeconds = 10L * 365 * 24 * 3600;
constexpr long kBackdatedSeconds = 24L * 3600;  // the guest's broker may run a little behind

using ExtensionPtr = std::unique_ptr<X509_EXTENSION, OpenSslFree<X509_EXTENSION_free>>;
using ObjectPtr = std::unique_ptr<ASN1_OBJECT, OpenSslFree<ASN1_OBJECT_free>>;
using OctetsPtr = std::unique_ptr<ASN1_OCTET_STRING, OpenSslFree<ASN1_OCTET_STRING_free>>;

struct Issued {
  X509Ptr certificate;
  PkeyPtr key;
};

Result<X509Ptr> NewCertificate(const char* name, EVP_PKEY* key) {
  X509Ptr certificate(X509_new());
  std::array<std::byte, 8> serial{};
  FillRandom(serial);
  uint64_t number = 1;
  for (const std::byte b : serial) number = (number << 7U) + std::to_integer<uint64_t>(b);
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  if (X509_set_version(certificate.get(), X509_VERSION_3) != 1 ||
      ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), number) != 1 ||
      X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kBackdatedSeconds) == nullptr ||
      X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kValidSeconds) == nullptr ||
      X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_ASC,
                                 Bytes(std::as_bytes(std::span("locket emulated TEE"))), -1, -1,
                                 0) != 1 ||
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                 reinterpret_cast<const unsigned char*>(name), -1, -1, 0) != 1 ||
      X509_set_pubkey(certificate.get(), key) != 1) {
    return OpenSslError("make a certificate");
  }
  return certificate;
}

Status SignCertificate(X509* certificate, X509* issuer, EVP_PKEY* issuer_key) {
  const DigestContextPtr context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* key_context = nullptr;  // owned by `context`
  if (X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) != 1 ||
      EVP_DigestSignInit(context.get(), &key_context, EVP_sha384(), nullptr, issuer_key) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(key_context, RSA_PKCS1_PSS_PADDING) != 1 ||
      EVP_PKEY_CTX_set_rsa_pss_saltlen(key_context, RSA_PSS_SALTLEN_DIGEST) != 1 ||
      X509_sign_ctx(certificate, context.get()) == 0) {
    return OpenSslError("sign a certificate");
  }
  return Ok();
}

Status AddText(X509* certificate, int nid, const char* value) {
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, nullptr, nid, value));
  if (extension == nullptr || X509_add_ext(certificate, extension.get(), -1) != 1) {
    return OpenSslError("add a certificate extension");
  }
  return Ok();
}

Status AddRaw(X509* certificate, const char* oid, std::span<const std::byte> value) {
  const ObjectPtr object(OBJ_txt2obj(oid, 1));
  const OctetsPtr octets(ASN1_OCTET_STRING_new());
  if (ASN1_OCTET_STRING_set(octets.get(), Bytes(value), static_cast<int>(value.size())) != 1) {
    return OpenSslError("add a certificate extension");
  }
  const ExtensionPtr extension(
      X509_EXTENSION_create_by_OBJ(nullptr, object.get(), 0, octets.get()));
  if (extension == nullptr || X509_add_ext(certificate, extension.get(), -1) != 1) {
    return OpenSslError("add a certificate extension");
  }
  return Ok();
}

// Below 128, so one byte of content is enough.
Status AddPatchLevel(X509* certificate, const char* oid, uint8_t level) {
  const std::array<std::byte, 3> der{std::byte{2}, std::byte{1}, std::byte{level}};
  return AddRaw(certificate, oid, der);
}

Result<Issued> MakeAuthority(const char* name, const Issued* issuer) {
  PkeyPtr key(EVP_RSA_gen(kRsaBits));
  if (key == nullptr) return OpenSslError("make an RSA key");
  LOCKET_TRY_ASSIGN(auto certificate, NewCertificate(name, key.get()));
  LOCKET_TRY(AddText(certificate.get(), NID_basic_constraints, "critical,CA:TRUE"));
  LOCKET_TRY(AddText(certificate.get(), NID_key_usage, "critical,keyCertSign"));
  X509* signer = issuer == nullptr ? certificate.get() : issuer->certificate.get();
  EVP_PKEY* signer_key = issuer == nullptr ? key.get() : issuer->key.get();
  LOCKET_TRY(SignCertificate(certificate.get(), signer, signer_key));
  return Issued{.certificate = std::move(certificate), .key = std::move(key)};
}

Result<Issued> MakeVcek(const Issued& ask) {
  PkeyPtr key(EVP_EC_gen("P-384"));
  if (key == nullptr) return OpenSslError("make a P-384 key");
  LOCKET_TRY_ASSIGN(auto certificate, NewCertificate("SEV-VCEK", key.get()));
  // The levels of a Milan machine in 2023.
  LOCKET_TRY(AddPatchLevel(certificate.get(), kBootLoaderOid, 3));
  LOCKET_TRY(AddPatchLevel(certificate.get(), kTeeOid, 0));
  LOCKET_TRY(AddPatchLevel(certificate.get(), kSnpOid, 8));
  LOCKET_TRY(AddPatchLevel(certificate.get(), kMicrocodeOid, 115));
  std::array<std::byte, 64> chip_id{};
  FillRandom(chip_id);
  LOCKET_TRY(AddRaw(certificate.get(), kHardwareIdOid, chip_id));
  LOCKET_TRY(SignCertificate(certificate.get(), ask.certificate.get(), ask.key.get()));
  return Issued{.certificate = std::move(certificate), .key = std::move(key)};
}

Status Save(const std::filesystem::path& directory, const std::string& name, const Issued& issued) {
  const BioPtr key(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_PKCS8PrivateKey(key.get(), issued.key.get(), nullptr, nullptr, 0, nullptr,
                                    nullptr) != 1) {
    return OpenSslError("write a key");
  }
  LOCKET_TRY(ReplaceFileDurably(directory / (name + ".key"), BioText(key.get())));
  const BioPtr certificate(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(certificate.get(), issued.certificate.get()) != 1) {
    return OpenSslError("write a certificate");
  }
  return ReplaceFileDurably(directory / (name + ".pem"), BioText(certificate.get()), 0644);
}

}  // namespace

Status CreateTestRoot(const std::filesystem::path& directory) {
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return Error::FromErrno(errno, "make '" + directory.string() + "'");
  }
  // The root is written last: where it is, the rest is, too.
  const auto root = directory / "ark.pem";
  if (::access(root.c_str(), F_OK) == 0) {
    return Error(ErrorCode::kAlreadyExists, "'" + root.string() + "' is there already");
  }
  LOCKET_TRY_ASSIGN(const auto ark, MakeAuthority("ARK-Emulated", nullptr));
  LOCKET_TRY_ASSIGN(const auto ask, MakeAuthority("SEV-Emulated", &ark));
  LOCKET_TRY_ASSIGN(const auto vcek, MakeVcek(ask));
  LOCKET_TRY(Save(directory, "vcek", vcek));
  LOCKET_TRY(Save(directory, "ask", ask));
  return Save(directory, "ark", ark);
}

}  // namespace locket::attest
