// A release policy from what an operator has at hand.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attest/release_policy.h"
#include "base/result.h"

namespace locket::cli {

// What the options say of the least patch levels; nothing: the option was not given.
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
  std::vector<std::string> tees;                 // "snp", "emulated"
  std::vector<std::string> guest_image_files{};  // guest-image.json: its measurement for each TEE
  std::vector<std::string> measurements{};       // 96 hex digits
  std::vector<std::string> initdata_files{};
  std::vector<std::string> host_data{};  // 64 hex digits
  MinTcbOptions min_tcb{};
  std::vector<std::string> platform_required{};  // names of attest::PlatformBit
  std::vector<std::string> platform_refused{};
  bool allow_debug = false;
};

// What is wrong with the options themselves, before any file is read. kInvalidArgument, as below.
Status CheckOptions(const AllowRequest& request);

// Reads the files. kInvalidArgument: something malformed, or nothing said about what may run,
// which initdata, or, for snp, the least TCB; an empty list would release to no one.
Result<attest::ReleasePolicy> MakeReleasePolicy(const AllowRequest& request);

// The measurement that a guest-image.json (its text) states for `tee`. kNotFound: none.
Result<std::string> MeasurementFor(std::string_view guest_image_json, attest::TeeKind tee);

// One policy for people: several lines.
std::string DescribePolicy(const attest::ReleasePolicy& policy);

}  // namespace locket::cli
