#include "tests/attest/testing.h"

#include <openssl/ecdsa.h>
#include <openssl/rsa.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>

#include "attest/common/openssl_internal.h"
#include "attest/snp/snp_certificate_internal.h"
#include "base/encoding.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "tests/attest/signing.h"

namespace locket::attest {
namespace {

namespace fs = std::filesystem;

template <typename T>
T Must(Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "test set-up: %s\n", result.error().message().c_str());
    std::abort();
  }
  return std::move(result).value();
}

// Made beside its place and renamed into it, as many test processes start at once.
fs::path Once(const std::string& name, const std::function<void(const fs::path&)>& make) {
  const fs::path parent = fs::path(LOCKET_BINARY_DIR) / "tests" / "attest";
  const fs::path place = parent / name;
  if (fs::exists(place)) return place;
  fs::create_directories(parent);
  const auto temporary = Must(TempDir::Create(parent, "making"));
  make(temporary.path() / "new");
  std::error_code lost_the_race;
  fs::rename(temporary.path() / "new", place, lost_the_race);
  return place;
}

void OpenSsl(const std::string& arguments, const fs::path& directory) {
  const auto done =
      Must(RunCommand({"sh", "-c", "cd '" + directory.string() + "' && openssl " + arguments}));
  if (done.exit_status == 0) return;
  std::fprintf(stderr, "openssl %s: %s\n", arguments.c_str(), done.standard_error.c_str());
  std::abort();
}

void MakeTls(const fs::path& directory) {
  fs::create_directories(directory);
  const std::string ec = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes ";
  for (const std::string ca : {"ca", "other-ca"}) {
    OpenSsl("req -x509 " + ec + "-keyout " + ca + ".key -out " + ca +
                ".pem -days 3650 -subj /CN=" + ca + " -addext basicConstraints=critical,CA:TRUE",
            directory);
  }
  OpenSsl("req " + ec + "-keyout server.key -out server.csr -subj /CN=broker.test", directory);
  std::FILE* names = std::fopen((directory / "names").c_str(), "w");
  std::fputs("subjectAltName=DNS:broker.test,IP:127.0.0.1\n", names);
  std::fclose(names);
  const std::string sign = "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -extfile names ";
  OpenSsl(sign + "-days 3650 -out server.pem", directory);
  // -days of a negative number ends the certificate in the past.
  OpenSsl(sign + "-days -1 -out expired.pem", directory);
  for (const std::string key : {"admin", "other-admin"}) {
    OpenSsl("genpkey -algorithm ed25519 -out " + key + ".key", directory);
    OpenSsl("pkey -in " + key + ".key -pubout -out " + key + ".pub", directory);
  }
}

}  // namespace

std::string ReadText(const fs::path& path) { return Must(ReadFile(path, 1U << 20)); }

std::vector<std::byte> ReadBytes(const fs::path& path) {
  const std::string text = ReadText(path);
  const auto bytes = AsBytes(text);
  return {bytes.begin(), bytes.end()};
}

const fs::path& TestRootDirectory() {
  static const fs::path place =
      Once("emulated-root", [](const fs::path& directory) { Must(CreateTestRoot(directory)); });
  return place;
}

const fs::path& TestTlsDirectory() {
  static const fs::path place = Once("tls", MakeTls);
  return place;
}

SnpRoot TestSnpRoot() { return Must(RootFromPem(ReadText(TestRootDirectory() / "ark.pem"))); }

std::string TestRootCertificates() {
  const auto& directory = TestRootDirectory();
  return ReadText(directory / "vcek.pem") + ReadText(directory / "ask.pem") +
         ReadText(directory / "ark.pem");
}

X509Ptr TestRootCertificate(const std::string& name) {
  const std::string pem = ReadText(TestRootDirectory() / (name + ".pem"));
  const BioPtr bio = ReadOnlyBio(pem);
  return X509Ptr(PEM_read_bio_X509(bio.get(), nullptr, NoPassPhrase, nullptr));
}

PkeyPtr TestRootKey(const std::string& name) {
  const std::string pem = ReadText(TestRootDirectory() / (name + ".key"));
  const BioPtr bio = ReadOnlyBio(pem);
  return PkeyPtr(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassPhrase, nullptr));
}

std::vector<std::byte> MakeCrl(const CrlContent& content) {
  const X509Ptr issuer = TestRootCertificate(content.issuer);
  const PkeyPtr key = TestRootKey(content.issuer);
  const std::unique_ptr<X509_CRL, OpenSslFree<X509_CRL_free>> crl(X509_CRL_new());
  X509_CRL_set_version(crl.get(), X509_CRL_VERSION_2);
  X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(issuer.get()));
  const std::unique_ptr<ASN1_TIME, OpenSslFree<ASN1_TIME_free>> at(
      X509_gmtime_adj(nullptr, content.starts_in_seconds));
  X509_CRL_set1_lastUpdate(crl.get(), at.get());
  for (const auto& name : content.revoked) {
    X509_REVOKED* revoked = X509_REVOKED_new();
    X509_REVOKED_set_serialNumber(revoked, X509_get_serialNumber(TestRootCertificate(name).get()));
    X509_REVOKED_set_revocationDate(revoked, at.get());
    X509_CRL_add0_revoked(crl.get(), revoked);
  }
  X509_gmtime_adj(at.get(), content.ends_in_seconds);
  X509_CRL_set1_nextUpdate(crl.get(), at.get());
  const DigestContextPtr context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* key_context = nullptr;  // owned by `context`
  EVP_DigestSignInit(context.get(), &key_context, EVP_sha384(), nullptr, key.get());
  EVP_PKEY_CTX_set_rsa_padding(key_context,
                               content.pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING);
  if (content.pss) EVP_PKEY_CTX_set_rsa_pss_saltlen(key_context, RSA_PSS_SALTLEN_DIGEST);
  if (X509_CRL_sign_ctx(crl.get(), context.get()) == 0) std::abort();
  std::vector<std::byte> der(static_cast<size_t>(i2d_X509_CRL(crl.get(), nullptr)));
  unsigned char* out = Out(der);
  i2d_X509_CRL(crl.get(), &out);
  return der;
}

std::string PemFromDer(const std::vector<std::byte>& der) {
  std::string pem = "-----BEGIN CERTIFICATE-----\n";
  const std::string base64 = Base64Encode(der);
  for (size_t at = 0; at < base64.size(); at += 64) pem += base64.substr(at, 64) + "\n";
  return pem + "-----END CERTIFICATE-----\n";
}

SnpReport TestReport() {
  const X509Ptr vcek = TestRootCertificate("vcek");
  SnpReport report;
  report.reported_tcb = Must(VcekTcb(vcek.get()));
  report.chip_id = Must(VcekChipId(vcek.get()));
  return report;
}

std::vector<std::byte> SignWith(EVP_PKEY* key, SnpReport report) {
  const auto bytes = EncodeSnpReport(report);
  const DigestContextPtr context(EVP_MD_CTX_new());
  std::vector<std::byte> der(256);
  size_t size = der.size();
  EVP_DigestSignInit(context.get(), nullptr, EVP_sha384(), nullptr, key);
  EVP_DigestSign(context.get(), Out(der), &size, Bytes(bytes), kSnpSignedBytes);
  const unsigned char* at = Bytes(der);
  ECDSA_SIG* signature = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size));
  BN_bn2binpad(ECDSA_SIG_get0_r(signature), Out(report.signature_r), 48);
  BN_bn2binpad(ECDSA_SIG_get0_s(signature), Out(report.signature_s), 48);
  ECDSA_SIG_free(signature);
  return EncodeSnpReport(report);
}

std::vector<std::byte> SignReport(SnpReport report) {
  return SignWith(TestRootKey("vcek").get(), std::move(report));
}

}  // namespace locket::attest
