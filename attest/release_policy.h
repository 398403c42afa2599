// Which guests may have a resource (docs/decisions/0005). Absent means deny.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "attest/snp_report.h"
#include "attest/snp_verify.h"
#include "base/result.h"

namespace locket::attest {

// <repo>/<type>/<tag>, each [A-Za-z0-9_-]+[A-Za-z0-9_.-]*.
struct ResourcePath {
  std::string repository;
  std::string type;
  std::string tag;

  std::string ToText() const { return repository + "/" + type + "/" + tag; }
  std::string ToUri() const { return "kbs:///" + ToText(); }
  bool operator==(const ResourcePath&) const = default;
};

// "a/b/c". kInvalidArgument: not three segments of allowed characters.
Result<ResourcePath> ParseResourcePath(std::string_view text);
// "kbs:///a/b/c" (the host, if any, is not looked at).
Result<ResourcePath> ParseResourceUri(std::string_view uri);

struct ReleasePolicy {
  ResourcePath resource;
  std::vector<TeeKind> tee;                             // any of these
  std::vector<std::array<std::byte, 48>> measurements;  // any of these
  std::vector<std::array<std::byte, 32>> host_data;     // any of these
  SnpTcb min_tcb{};                                     // each part at least
  bool allow_debug = false;

  bool operator==(const ReleasePolicy&) const = default;
};

// JSON: {"resource":"a/b/c","tee":["snp"],"measurements":["<96 hex>"],"host_data":["<64 hex>"],
// "min_tcb":{"boot_loader":3,"tee":0,"snp":8,"microcode":115,"fmc":0},"allow_debug":false}. The
// last two may be absent. Unknown keys, and empty lists (which would release to no one), are
// refused: kInvalidArgument.
Result<ReleasePolicy> DecodeReleasePolicy(std::string_view json);
std::string EncodeReleasePolicy(const ReleasePolicy& policy);

// May this guest have it? kPermissionDenied names the field and the value seen. Whatever the policy
// says, a guest that a migration agent may export gets nothing, nor does one that reports from
// another VMPL than 0.
Status Evaluate(const ReleasePolicy& policy, const VerifiedSnp& guest);

}  // namespace locket::attest
