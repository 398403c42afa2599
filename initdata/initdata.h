// Initdata, the document with which a tenant configures a guest (docs/formats/initdata.md): the
// outer document, the guest policy inside it, its digest, and the two forms in which it travels.
//
// The way of one document: the tenant's tool encodes a policy and the outer document around it, and
// makes a pod annotation of the text. The shim decodes the annotation, writes the block device, and
// has the digest put into host_data. The agent reads the device, checks the digest against its own
// report, and obeys the policy. A broker that sees the report knows the digest.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "image/oci/digest.h"

namespace locket::initdata {

inline constexpr size_t kMaxInitdataGzipBytes = 1U << 20;
inline constexpr size_t kMaxInitdataBytes = 4U << 20;
inline constexpr std::string_view kInitdataAnnotation =
    "io.katacontainers.config.hypervisor.cc_init_data";
inline constexpr std::string_view kInitdataDiskSerial = "locket-initdata";
inline constexpr std::string_view kPolicyKey = "locket.toml";

enum class InitdataAlgorithm { kSha256, kSha384, kSha512 };

// The outer document: an algorithm for its digest, and named texts.
struct Initdata {
  InitdataAlgorithm algorithm = InitdataAlgorithm::kSha256;
  std::map<std::string, std::string> data{};

  bool operator==(const Initdata&) const = default;
};

// kInvalidArgument: not TOML, larger than kMaxInitdataBytes, of another version or algorithm, an
// unknown key, or a value that is not text.
Result<Initdata> DecodeInitdata(std::string_view toml);
// Returns the document as TOML. Deterministic; DecodeInitdata gives the same value back.
std::string EncodeInitdata(const Initdata& initdata);

struct BrokerPolicy {
  std::string url;  // https://host[:port]
  std::string ca;   // PEM

  bool operator==(const BrokerPolicy&) const = default;
};

// What the host may ask for in the containers of one image, in addition to what is allowed for
// every image. Commands are lists of arguments, compared in full.
struct ImageRules {
  std::vector<std::vector<std::string>> allow_commands{};
  std::vector<std::vector<std::string>> allow_exec{};
  std::vector<std::string> allow_volumes{};  // absolute paths, in normal form

  bool operator==(const ImageRules&) const = default;
};

// What the guest obeys. The defaults are the strict choice: a feature is off unless the tenant
// turns it on.
struct GuestPolicy {
  std::optional<BrokerPolicy> broker{};
  // [image]
  std::vector<image::Digest> allowed_digests{};
  bool allow_keyed = false;
  // [agent]
  ImageRules every_image{};
  std::map<image::Digest, ImageRules> images{};  // [agent.images."sha256:..."], by manifest digest
  std::vector<std::string> allow_env{};
  bool allow_stdin = false;
  bool allow_network = false;
  bool hide_output = false;
  bool allow_all_syscalls = false;

  bool operator==(const GuestPolicy&) const = default;
};

// Succeeds if an empty volume may be mounted at `path` at all: it is absolute, in normal form, and
// not one of the guest's own mounts. kInvalidArgument: why not.
Status CheckVolumePath(const std::string& path);

// Returns whether a variable called `name` can make a program load or run code, like LD_PRELOAD and
// PYTHONPATH. A pattern with a star never covers such a name: the host can set it only if the
// tenant lists it in full.
bool IsLoaderVariable(std::string_view name);

// Decodes the text under kPolicyKey. kInvalidArgument: an unknown key, no [image], a broker without
// a CA, rules for an image that may not run, or a pattern that covers every variable.
Result<GuestPolicy> DecodeGuestPolicy(std::string_view toml);
std::string EncodeGuestPolicy(const GuestPolicy& policy);

// Returns the policy inside `initdata`. kNotFound: it has none, so no image may run.
// kInvalidArgument: see DecodeGuestPolicy.
Result<GuestPolicy> PolicyOf(const Initdata& initdata);

// Returns the hash of the raw TOML text, 32, 48 or 64 bytes long.
std::vector<std::byte> InitdataDigest(InitdataAlgorithm algorithm, std::string_view toml);
// Returns the value of host_data in the attestation report: the first 32 bytes of the digest.
std::array<std::byte, 32> HostDataFor(InitdataAlgorithm algorithm, std::string_view toml);

// The pod annotation, base64(gzip(TOML)), and back. kResourceExhausted: above the limits, in either
// direction. kDataLoss, kInvalidArgument: it is not base64 of gzip.
Result<std::string> EncodeInitdataAnnotation(std::string_view toml);
Result<std::string> DecodeInitdataAnnotation(std::string_view annotation);

// Returns the content of the block device that the guest gets, padded to 512 bytes.
// kResourceExhausted: above the limits.
Result<std::vector<std::byte>> EncodeInitdataDevice(std::string_view toml);
// Returns the TOML text from the content of a device, which may be longer. kInvalidArgument: it
// does not begin with our magic, or states an impossible length. kDataLoss: it is cut short or
// damaged.
Result<std::string> DecodeInitdataDevice(std::span<const std::byte> device);
// The same from an open device or file, of which no more than needed is read.
Result<std::string> ReadInitdataDevice(int fd);

}  // namespace locket::initdata
