// A release policy from what an operator has at hand.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attest/release_policy.h"
#include "base/result.h"

namespace locket::cli {

struct AllowRequest {
  std::string uri;
  std::vector<std::string> tees;                 // "snp", "emulated"
  std::vector<std::string> guest_image_files{};  // guest-image.json: its measurement for each TEE
  std::vector<std::string> measurements{};       // 96 hex digits
  std::vector<std::string> initdata_files{};
  std::vector<std::string> host_data{};  // 64 hex digits
  attest::SnpTcb min_tcb{};
  bool allow_debug = false;
};

// Reads the files. kInvalidArgument: something malformed, or nothing said about what may run or
// which initdata; an empty list would release to no one.
Result<attest::ReleasePolicy> MakeReleasePolicy(const AllowRequest& request);

// The measurement that a guest-image.json (its text) states for `tee`. kNotFound: none.
Result<std::string> MeasurementFor(std::string_view guest_image_json, attest::TeeKind tee);

// One policy for people: several lines.
std::string DescribePolicy(const attest::ReleasePolicy& policy);

}  // namespace locket::cli
