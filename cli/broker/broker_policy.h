// A release policy, made from what `locket broker allow` was given: files and hex digits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attest/evidence/release_policy.h"
#include "base/result.h"

namespace locket::cli {

// The options --min-tcb-*. A field without value: the option was not given.
struct MinTcbOptions {
  std::optional<uint8_t> boot_loader{};
  std::optional<uint8_t> tee{};
  std::optional<uint8_t> snp{};
  std::optional<uint8_t> microcode{};
  std::optional<uint8_t> fmc{};
  bool any = false;
};

struct AllowRequest {
  std::string uri;
  std::vector<std::string> tees;  // "snp", "emulated"
  std::vector<std::string>
      guest_image_files{};                  // guest-image.json, with a measurement for each TEE
  std::vector<std::string> measurements{};  // 96 hex digits each
  std::vector<std::string> initdata_files{};
  std::vector<std::string> host_data{};  // 64 hex digits each
  MinTcbOptions min_tcb{};
  std::vector<std::string> platform_required{};  // of attest::PlatformNames
  std::vector<std::string> platform_refused{};
  bool allow_debug = false;
};

// Checks what can be checked before any file is read: names of TEEs and platform settings, and that
// the least patch levels are complete. kInvalidArgument otherwise.
Status CheckOptions(const AllowRequest& request);

// Reads the files and returns the policy, each value in it once. kInvalidArgument: something is
// malformed, or the policy lacks a measurement, a host data or, for snp, the least patch levels.
// With an empty list no guest would ever match. kNotFound: a guest-image.json has no measurement
// for a TEE.
Result<attest::ReleasePolicy> MakeReleasePolicy(const AllowRequest& request);

// Returns the measurement for `tee` from the text of a guest-image.json, in hex. kNotFound: it has
// none. kInvalidArgument: not a guest-image.json.
Result<std::string> MeasurementFor(std::string_view guest_image_json, attest::TeeKind tee);

// Returns a policy for people, in several lines that end with a line feed.
std::string DescribePolicy(const attest::ReleasePolicy& policy);

}  // namespace locket::cli
