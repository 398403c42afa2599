#include "attest/emulator/emulated_tee.h"

#include <fcntl.h>
#include <openssl/ecdsa.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "attest/common/hash.h"
#include "attest/common/openssl_internal.h"
#include "attest/snp/snp_certificate_internal.h"
#include "base/encoding.h"
#include "base/file.h"
#include "base/unique_fd.h"

namespace locket::attest {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kMeasurementDomain = "locket-emulated-launch-v1\0"sv;
constexpr size_t kMaxPemBytes = 64U << 10;

using EcdsaSignaturePtr = std::unique_ptr<ECDSA_SIG, OpenSslFree<ECDSA_SIG_free>>;

Result<std::vector<std::byte>> HashFile(const std::filesystem::path& path) {
  LOCKET_TRY_ASSIGN(const auto fd, OpenFile(path, O_RDONLY));
  const DigestContextPtr context(EVP_MD_CTX_new());
  if (EVP_DigestInit_ex(context.get(), EVP_sha384(), nullptr) != 1) return OpenSslError("SHA-384");
  std::vector<std::byte> buffer(1U << 20);
  for (;;) {
    const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error::FromErrno(errno, "read '" + path.string() + "'");
    if (got == 0) break;
    EVP_DigestUpdate(context.get(), buffer.data(), static_cast<size_t>(got));
  }
  std::vector<std::byte> digest(48);
  if (EVP_DigestFinal_ex(context.get(), Out(digest), nullptr) != 1) return OpenSslError("SHA-384");
  return digest;
}

Result<std::string> OneArgument(const std::vector<std::string>& argv, std::string_view name) {
  std::vector<std::string> found;
  for (size_t i = 0; i < argv.size(); ++i) {
    // QEMU takes one dash or two.
    if (argv[i] != name && argv[i] != "-" + std::string(name)) continue;
    if (i + 1 == argv.size()) {
      return Error(ErrorCode::kInvalidArgument, "nothing stands after " + std::string(name));
    }
    found.push_back(argv[++i]);
  }
  if (found.size() == 1) return found.front();
  return Error(ErrorCode::kInvalidArgument,
               std::string(name) + " stands " + std::to_string(found.size()) +
                   " times among QEMU's arguments, not once; nothing else can be measured");
}

Result<PkeyPtr> ReadPrivateKey(const std::filesystem::path& path) {
  LOCKET_TRY_ASSIGN(const auto pem, ReadFile(path, kMaxPemBytes));
  const BioPtr bio = ReadOnlyBio(pem);
  PkeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassPhrase, nullptr));
  if (key == nullptr) return OpenSslError("read '" + path.string() + "'");
  return key;
}

Status Sign(EVP_PKEY* key, SnpReport& report) {
  const auto bytes = EncodeSnpReport(report);
  const DigestContextPtr context(EVP_MD_CTX_new());
  std::vector<std::byte> der(256);
  size_t size = der.size();
  if (EVP_DigestSignInit(context.get(), nullptr, EVP_sha384(), nullptr, key) != 1 ||
      EVP_DigestSign(context.get(), Out(der), &size, Bytes(bytes), kSnpSignedBytes) != 1) {
    return OpenSslError("sign a report");
  }
  const unsigned char* at = Bytes(der);
  const EcdsaSignaturePtr signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size)));
  const int width = static_cast<int>(report.signature_r.size());
  if (signature == nullptr ||
      BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), Out(report.signature_r), width) != width ||
      BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), Out(report.signature_s), width) != width) {
    return OpenSslError("sign a report");
  }
  return Ok();
}

}  // namespace

Result<LaunchMeasurement> MeasureLaunch(const std::filesystem::path& kernel,
                                        const std::filesystem::path& initrd,
                                        std::string_view cmdline) {
  std::string all(kMeasurementDomain);
  LOCKET_TRY_ASSIGN(const auto kernel_hash, HashFile(kernel).While("measure the kernel"));
  LOCKET_TRY_ASSIGN(const auto initrd_hash, HashFile(initrd).While("measure the initrd"));
  all += AsText(kernel_hash);
  all += AsText(initrd_hash);
  all += AsText(Hash(HashAlgorithm::kSha384, AsBytes(cmdline)));
  const auto digest = Hash(HashAlgorithm::kSha384, AsBytes(all));
  LaunchMeasurement measurement{};
  std::copy(digest.begin(), digest.end(), measurement.begin());
  return measurement;
}

Result<LaunchMeasurement> MeasureQemuArguments(const std::vector<std::string>& argv) {
  LOCKET_TRY_ASSIGN(const auto kernel, OneArgument(argv, "-kernel"));
  LOCKET_TRY_ASSIGN(const auto initrd, OneArgument(argv, "-initrd"));
  LOCKET_TRY_ASSIGN(const auto cmdline, OneArgument(argv, "-append"));
  return MeasureLaunch(kernel, initrd, cmdline);
}

struct EmulatedTee::Impl {
  PkeyPtr key;
  std::string certificates;
  SnpReport report;  // what all reports of this launch share
};

EmulatedTee::EmulatedTee(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
EmulatedTee::EmulatedTee(EmulatedTee&&) noexcept = default;
EmulatedTee::~EmulatedTee() = default;

Result<EmulatedTee> EmulatedTee::Open(const std::filesystem::path& directory,
                                      const Launch& launch) {
  auto impl = std::make_unique<Impl>();
  LOCKET_TRY_ASSIGN(impl->key, ReadPrivateKey(directory / "vcek.key"));
  for (const char* name : {"vcek.pem", "ask.pem", "ark.pem"}) {
    LOCKET_TRY_ASSIGN(const auto pem, ReadFile(directory / name, kMaxPemBytes));
    impl->certificates += pem;
  }
  const BioPtr bio = ReadOnlyBio(impl->certificates);
  const X509Ptr vcek(PEM_read_bio_X509(bio.get(), nullptr, NoPassPhrase, nullptr));
  if (vcek == nullptr) return OpenSslError("read '" + (directory / "vcek.pem").string() + "'");
  SnpReport& report = impl->report;
  LOCKET_TRY_ASSIGN(report.reported_tcb, VcekTcb(vcek.get()));
  LOCKET_TRY_ASSIGN(report.chip_id, VcekChipId(vcek.get()));
  report.current_tcb = report.committed_tcb = report.launch_tcb = report.reported_tcb;
  report.policy = launch.policy;
  report.measurement = launch.measurement;
  report.host_data = launch.host_data;
  FillRandom(report.report_id);
  return EmulatedTee(std::move(impl));
}

Result<SnpEvidence> EmulatedTee::Report(const ReportData& report_data) const {
  SnpReport report = impl_->report;
  report.report_data = report_data;
  LOCKET_TRY(Sign(impl_->key.get(), report));
  return SnpEvidence{.report = EncodeSnpReport(report), .certificates = impl_->certificates};
}

}  // namespace locket::attest
