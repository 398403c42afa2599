// What the tenant tells the guest (docs/formats/initdata.md): the outer document, Locket's policy
// in it, its digest, and the two forms it travels in.
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

struct Initdata {
  InitdataAlgorithm algorithm = InitdataAlgorithm::kSha256;
  std::map<std::string, std::string> data{};

  bool operator==(const Initdata&) const = default;
};

// kInvalidArgument: not TOML, another version or algorithm, unknown keys, values that are not text.
Result<Initdata> DecodeInitdata(std::string_view toml);
// Deterministic; decodes to the same.
std::string EncodeInitdata(const Initdata& initdata);

struct BrokerPolicy {
  std::string url;  // https://host[:port]
  std::string ca;   // PEM

  bool operator==(const BrokerPolicy&) const = default;
};

// What the host may do with the containers of one image, beside what it may with every one.
struct ImageRules {
  std::vector<std::vector<std::string>> allow_commands{};
  std::vector<std::vector<std::string>> allow_exec{};
  std::vector<std::string> allow_volumes{};  // absolute paths, in normal form

  bool operator==(const ImageRules&) const = default;
};

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

// Whether an empty volume may ever be mounted at `path`: absolute, in normal form, and not the
// guest's own.
Status CheckVolumePath(const std::string& path);

// Whether a variable called `name` may make a program load or run code: LD_PRELOAD, PYTHONPATH. No
// pattern with a star covers such a name, so the tenant lists it in full or the host cannot set it.
bool IsLoaderVariable(std::string_view name);

// The document under kPolicyKey. kInvalidArgument: unknown keys, no [image], a broker without a CA,
// rules for an image that may not run, a star that stands for every variable.
Result<GuestPolicy> DecodeGuestPolicy(std::string_view toml);
std::string EncodeGuestPolicy(const GuestPolicy& policy);

// The policy that `initdata` carries. kNotFound: it carries none.
Result<GuestPolicy> PolicyOf(const Initdata& initdata);

// Hash of the raw TOML, 32, 48 or 64 bytes.
std::vector<std::byte> InitdataDigest(InitdataAlgorithm algorithm, std::string_view toml);
// What host_data holds: the digest's first 32 bytes.
std::array<std::byte, 32> HostDataFor(InitdataAlgorithm algorithm, std::string_view toml);

// base64(gzip(TOML)), the pod annotation. kResourceExhausted: above the limits.
Result<std::string> EncodeInitdataAnnotation(std::string_view toml);
Result<std::string> DecodeInitdataAnnotation(std::string_view annotation);

// The raw block device's content, padded to 512 bytes.
Result<std::vector<std::byte>> EncodeInitdataDevice(std::string_view toml);
// `device` may be longer than the payload. Gives the TOML back.
Result<std::string> DecodeInitdataDevice(std::span<const std::byte> device);
// The same from an open device or file, reading no more than needed.
Result<std::string> ReadInitdataDevice(int fd);

}  // namespace locket::initdata
