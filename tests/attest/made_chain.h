// Certificate chains as AMD's, with one thing wrong where a test wants it.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "attest/snp/snp_report.h"
#include "attest/snp/snp_verify.h"

namespace locket::attest {

struct CertificateContent {
  std::string common_name;
  bool authority = false;
  bool pss = true;  // else PKCS #1 padding
  std::string digest = "SHA384";
  long starts_in_seconds = -3600;
  long ends_in_seconds = 3600;
};

// What AMD's VCEK for a Milan machine has: patch levels 3, 0, 8, 115 and a chip id of 64 bytes
// 0xC5. By OID, the extension's content.
std::map<std::string, std::vector<std::byte>> GoodExtensions();
// The DER form of a small INTEGER.
std::vector<std::byte> DerInteger(unsigned char value);

struct ChainContent {
  CertificateContent ark{.common_name = "ARK-Made", .authority = true};
  CertificateContent ask{.common_name = "SEV-Made", .authority = true};
  CertificateContent vcek{.common_name = "SEV-VCEK"};
  std::string vcek_curve = "P-384";
  std::string vcek_issuer_key = "ask";  // or "ark": whose key signs, whatever name is written
  std::map<std::string, std::vector<std::byte>> extensions = GoodExtensions();
};

class MadeChain {
 public:
  explicit MadeChain(const ChainContent& content);
  ~MadeChain();

  const std::string& ark() const { return ark_; }  // PEM, as the other two
  const std::string& ask() const { return ask_; }
  const std::string& vcek() const { return vcek_; }
  SnpRoot root() const;

  // A report with the TCB and the chip id of GoodExtensions().
  static SnpReport Report();
  // `report` signed by the VCEK, with all three certificates.
  SnpEvidence Sign(const SnpReport& report) const;

 private:
  struct Key;
  std::unique_ptr<Key> key_;  // the VCEK's
  std::string ark_;
  std::string ask_;
  std::string vcek_;
};

}  // namespace locket::attest
