#include "cli/broker/broker_policy.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <sstream>
#include <tuple>

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
  const std::array<std::tuple<const char*, std::optional<uint8_t>, uint8_t*>, 5> parts{
      {{"boot-loader", options.boot_loader, &policy.min_tcb.boot_loader},
       {"tee", options.tee, &policy.min_tcb.tee},
       {"snp", options.snp, &policy.min_tcb.snp},
       {"microcode", options.microcode, &policy.min_tcb.microcode},
       {"fmc", options.fmc, &policy.min_tcb.fmc}}};
  std::string missing;
  size_t given = 0;
  for (const auto& [name, value, out] : parts) {
    if (value) {
      *out = *value;
      ++given;
    } else {
      missing += std::string(" --min-tcb-") + name;
    }
  }
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

Result<uint64_t> PlatformBits(const std::vector<std::string>& names) {
  uint64_t bits = 0;
  for (const auto& name : names) {
    LOCKET_TRY_ASSIGN(const uint64_t bit, attest::PlatformBit(name));
    bits |= bit;
  }
  return bits;
}

Status SetOptions(const AllowRequest& request, attest::ReleasePolicy& policy) {
  for (const auto& name : request.tees) {
    LOCKET_TRY_ASSIGN(const auto tee, attest::ParseTeeKind(name));
    AddOnce(policy.tee, tee);
  }
  LOCKET_TRY(SetMinTcb(request.min_tcb, policy));
  LOCKET_TRY_ASSIGN(policy.platform_required, PlatformBits(request.platform_required));
  LOCKET_TRY_ASSIGN(policy.platform_refused, PlatformBits(request.platform_refused));
  return attest::CheckReleasePolicy(policy).While("release policy");
}

void DescribeTcb(const attest::ReleasePolicy& policy, std::ostream& text) {
  const auto& tcb = policy.min_tcb;
  if (tcb != attest::SnpTcb{}) {
    text << "  min TCB      boot_loader " << int{tcb.boot_loader} << ", tee " << int{tcb.tee}
         << ", snp " << int{tcb.snp} << ", microcode " << int{tcb.microcode} << ", fmc "
         << int{tcb.fmc} << "\n";
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
  if ((policy.platform_required | policy.platform_refused) != 0) {
    const auto json = nlohmann::json::parse(attest::EncodeReleasePolicy(policy), nullptr, false);
    text << "  platform     " << json["platform_info"].dump() << "\n";
  }
  if (policy.allow_debug) text << "  debugging    allowed\n";
  return text.str();
}

}  // namespace locket::cli
