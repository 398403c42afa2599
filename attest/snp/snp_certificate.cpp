#include <openssl/asn1.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "attest/snp/snp_certificate_internal.h"

namespace locket::attest {
namespace {

using ObjectPtr = std::unique_ptr<ASN1_OBJECT, OpenSslFree<ASN1_OBJECT_free>>;
using IntegerPtr = std::unique_ptr<ASN1_INTEGER, OpenSslFree<ASN1_INTEGER_free>>;

Error Refused(std::string message) { return {ErrorCode::kPermissionDenied, std::move(message)}; }

std::optional<std::vector<std::byte>> Extension(X509* certificate, const char* oid) {
  const ObjectPtr object(OBJ_txt2obj(oid, 1));
  const int at = X509_get_ext_by_OBJ(certificate, object.get(), -1);
  if (at < 0) return std::nullopt;
  const ASN1_OCTET_STRING* value = X509_EXTENSION_get_data(X509_get_ext(certificate, at));
  const auto* data = reinterpret_cast<const std::byte*>(ASN1_STRING_get0_data(value));
  return std::vector<std::byte>(data, data + ASN1_STRING_length(value));
}

// Absent counts as zero only for the FMC, which chips before Turin do not have.
Result<uint8_t> PatchLevel(X509* certificate, const char* oid, bool optional) {
  const auto der = Extension(certificate, oid);
  if (!der && optional) return uint8_t{0};
  if (!der) return Refused(std::string("the VCEK has no extension ") + oid);
  const unsigned char* at = Bytes(*der);
  const IntegerPtr integer(d2i_ASN1_INTEGER(nullptr, &at, static_cast<long>(der->size())));
  uint64_t value = 0;
  if (integer == nullptr || ASN1_INTEGER_get_uint64(&value, integer.get()) != 1 || value > 255) {
    ERR_clear_error();
    return Refused(std::string("the VCEK's extension ") + oid + " is no patch level");
  }
  return static_cast<uint8_t>(value);
}

}  // namespace

Result<SnpTcb> VcekTcb(X509* vcek) {
  SnpTcb tcb;
  LOCKET_TRY_ASSIGN(tcb.fmc, PatchLevel(vcek, kFmcOid, /*optional=*/true));
  LOCKET_TRY_ASSIGN(tcb.boot_loader, PatchLevel(vcek, kBootLoaderOid, /*optional=*/false));
  LOCKET_TRY_ASSIGN(tcb.tee, PatchLevel(vcek, kTeeOid, /*optional=*/false));
  LOCKET_TRY_ASSIGN(tcb.snp, PatchLevel(vcek, kSnpOid, /*optional=*/false));
  LOCKET_TRY_ASSIGN(tcb.microcode, PatchLevel(vcek, kMicrocodeOid, /*optional=*/false));
  return tcb;
}

Result<std::array<std::byte, 64>> VcekChipId(X509* vcek) {
  const auto id = Extension(vcek, kHardwareIdOid);
  if (!id) return Refused("the VCEK has no chip id");
  // Turin's are 8 bytes, and the report pads them with zeros.
  std::array<std::byte, 64> padded{};
  if (id->size() != 8 && id->size() != padded.size()) {
    return Refused("the VCEK's chip id has " + std::to_string(id->size()) + " bytes");
  }
  std::copy(id->begin(), id->end(), padded.begin());
  return padded;
}

}  // namespace locket::attest
