#include "cli/broker/broker_policy.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "base/encoding.h"
#include "base/file.h"
#include "initdata/initdata.h"

namespace locket::cli {
namespace {

constexpr size_t kMaxGuestImageJson = 1U << 20;

template <size_t kSize>
Result<std::array<std::byte, kSize>> FixedHex(const std::string& text, const char* what) {
  const auto bytes = HexDecode(text);
  if (!bytes.ok() || bytes->size() != kSize) {
    return Error(ErrorCode::kInvalidArgument, std::string(what) + " '" + text + "' is not " +
                                                  std::to_string(2 * kSize) + " hex digits");
  }
  std::array<std::byte, kSize> fixed{};
  std::copy(bytes->begin(), bytes->end(), fixed.begin());
  return fixed;
}

template <typename T>
void AddOnce(std::vector<T>& list, const T& value) {
  if (std::find(list.begin(), list.end(), value) == list.end()) list.push_back(value);
}

Status AddMeasurements(const AllowRequest& request, attest::ReleasePolicy& policy) {
  for (const auto& text : request.measurements) {
    LOCKET_TRY_ASSIGN(const auto measurement, FixedHex<48>(text, "measurement"));
    AddOnce(policy.measurements, measurement);
  }
  for (const auto& file : request.guest_image_files) {
    const std::string doing = "guest image '" + file + "'";
    LOCKET_TRY_ASSIGN(const std::string json,
                      ReadFile(file, kMaxGuestImageJson).While("guest image"));
    for (const auto tee : policy.tee) {
      LOCKET_TRY_ASSIGN(const std::string text, MeasurementFor(json, tee).While(doing));
      LOCKET_TRY_ASSIGN(const auto measurement, FixedHex<48>(text, "measurement").While(doing));
      AddOnce(policy.measurements, measurement);
    }
  }
  return Ok();
}

Status AddHostData(const AllowRequest& request, attest::ReleasePolicy& policy) {
  for (const auto& text : request.host_data) {
    LOCKET_TRY_ASSIGN(const auto host_data, FixedHex<32>(text, "host data"));
    AddOnce(policy.host_data, host_data);
  }
  for (const auto& file : request.initdata_files) {
    LOCKET_TRY_ASSIGN(const std::string toml,
                      ReadFile(file, initdata::kMaxInitdataBytes).While("initdata"));
    LOCKET_TRY_ASSIGN(const auto initdata,
                      initdata::DecodeInitdata(toml).While("initdata '" + file + "'"));
    AddOnce(policy.host_data, initdata::HostDataFor(initdata.algorithm, toml));
  }
  return Ok();
}

// All parts or none: one that is left out would silently be zero.
Status SetMinTcb(const MinTcbOptions& options, attest::ReleasePolicy& policy) {
  struct Part {
    const char* name;
    const char* option;
    std::optional<uint8_t> level;
  };
  const std::array<Part, 5> parts{{{"boot_loader", "boot-loader", options.boot_loader},
                                   {"tee", "tee", options.tee},
                                   {"snp", "snp", options.snp},
                                   {"microcode", "microcode", options.microcode},
                                   {"fmc", "fmc", options.fmc}}};
  std::string missing;
  for (const auto& [name, option, level] : parts) {
    if (level) {
      policy.min_tcb[name] = *level;
    } else {
      missing += std::string(" --min-tcb-") + option;
    }
  }
  const size_t given = policy.min_tcb.size();
  policy.any_tcb = options.any;
  if (options.any && given > 0) {
    return Error(ErrorCode::kInvalidArgument,
                 "--min-tcb-any cannot be used with a least patch level");
  }
  if (given > 0 && given < parts.size()) {
    return Error(ErrorCode::kInvalidArgument,
                 "minimum TCB: also give" + missing + "; 0 accepts every level");
  }
  return Ok();
}

Result<std::set<std::string>> PlatformSettings(const std::vector<std::string>& names) {
  for (const auto& name : names) LOCKET_TRY(attest::CheckPlatformName(name));
  return std::set<std::string>(names.begin(), names.end());
}

Status SetOptions(const AllowRequest& request, attest::ReleasePolicy& policy) {
  for (const auto& name : request.tees) {
    LOCKET_TRY_ASSIGN(const auto tee, attest::ParseTeeKind(name));
    AddOnce(policy.tee, tee);
  }
  LOCKET_TRY(SetMinTcb(request.min_tcb, policy));
  LOCKET_TRY_ASSIGN(policy.platform_required, PlatformSettings(request.platform_required));
  LOCKET_TRY_ASSIGN(policy.platform_refused, PlatformSettings(request.platform_refused));
  return attest::CheckReleasePolicy(policy).While("release policy");
}

void DescribeTcb(const attest::ReleasePolicy& policy, std::ostream& text) {
  if (!policy.min_tcb.empty()) {
    const char* before = "  min TCB      ";
    for (const char* name : {"boot_loader", "tee", "snp", "microcode", "fmc"}) {
      const auto found = policy.min_tcb.find(name);
      if (found == policy.min_tcb.end()) continue;
      text << before << name << " " << int{found->second};
      before = ", ";
    }
    text << "\n";
  } else if (policy.any_tcb) {
    text << "  min TCB      any\n";
  } else if (!attest::CheckReleasePolicy(policy).ok()) {
    text << "  min TCB      not set: snp guests get nothing; set the policy again\n";
  }
}

}  // namespace

Result<std::string> MeasurementFor(std::string_view guest_image_json, attest::TeeKind tee) {
  const auto json = nlohmann::json::parse(guest_image_json, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("measurements") || !json["measurements"].is_object()) {
    return Error(ErrorCode::kInvalidArgument, "not a guest-image.json: it has no measurements");
  }
  const std::string name(attest::TeeKindName(tee));
  const auto& measurements = json["measurements"];
  if (!measurements.contains(name) || !measurements[name].is_string()) {
    return Error(ErrorCode::kNotFound,
                 "it has no measurement for TEE '" + name + "'; give --measurement");
  }
  return measurements[name].get<std::string>();
}

Status CheckOptions(const AllowRequest& request) {
  attest::ReleasePolicy policy{.resource = {}, .tee = {}, .measurements = {}, .host_data = {}};
  return SetOptions(request, policy);
}

Result<attest::ReleasePolicy> MakeReleasePolicy(const AllowRequest& request) {
  LOCKET_TRY_ASSIGN(auto resource, ResourceName::FromUri(request.uri));
  attest::ReleasePolicy policy{.resource = std::move(resource),
                               .tee = {},
                               .measurements = {},
                               .host_data = {},
                               .allow_debug = request.allow_debug};
  LOCKET_TRY(SetOptions(request, policy));
  LOCKET_TRY(AddMeasurements(request, policy));
  LOCKET_TRY(AddHostData(request, policy));
  // What the broker would refuse is refused here.
  return attest::DecodeReleasePolicy(attest::EncodeReleasePolicy(policy)).While("release policy");
}

std::string DescribePolicy(const attest::ReleasePolicy& policy) {
  std::ostringstream text;
  text << policy.resource.ToUri() << "\n  tee         ";
  for (const auto tee : policy.tee) text << " " << attest::TeeKindName(tee);
  text << "\n";
  for (const auto& one : policy.measurements) text << "  measurement  " << HexEncode(one) << "\n";
  for (const auto& one : policy.host_data) text << "  host_data    " << HexEncode(one) << "\n";
  DescribeTcb(policy, text);
  if (!policy.platform_required.empty() || !policy.platform_refused.empty()) {
    const auto json = nlohmann::json::parse(attest::EncodeReleasePolicy(policy), nullptr, false);
    text << "  platform     " << json["platform_info"].dump() << "\n";
  }
  if (policy.allow_debug) text << "  debugging    allowed\n";
  return text.str();
}

}  // namespace locket::cli
