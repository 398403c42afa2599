// What tests of attest and of its users share: one emulated root and TLS certificates for each
// build directory (making them takes seconds), and reports signed as a test likes.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "attest/emulator/emulated_tee.h"
#include "attest/snp/snp_report.h"
#include "attest/snp/snp_verify.h"

namespace locket::attest {

// What CreateTestRoot makes.
const std::filesystem::path& TestRootDirectory();
SnpRoot TestSnpRoot();
std::string TestRootCertificates();  // VCEK, ASK, ARK

// ca.pem, server.pem and server.key for DNS:broker.test and IP:127.0.0.1; expired.pem, the same
// server long ago; other-ca.pem; admin.key and admin.pub (Ed25519), other-admin.key.
const std::filesystem::path& TestTlsDirectory();

std::string ReadText(const std::filesystem::path& path);
std::vector<std::byte> ReadBytes(const std::filesystem::path& path);

struct CrlContent {
  std::string issuer = "ark";        // of the emulated root: whose name and key
  std::vector<std::string> revoked;  // "ask", "vcek"
  long starts_in_seconds = -3600;
  long ends_in_seconds = 3600;
  bool pss = true;  // else RSA with PKCS #1 padding, which AMD does not use
};
// DER.
std::vector<std::byte> MakeCrl(const CrlContent& content);

// As the emulated TEE reports, with tcb and chip id of its VCEK.
SnpReport TestReport();

// One DER certificate as PEM.
std::string PemFromDer(const std::vector<std::byte>& der);
// Signs it with the emulated VCEK, whatever it says.
std::vector<std::byte> SignReport(SnpReport report);

}  // namespace locket::attest
