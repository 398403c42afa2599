// The two forms initdata travels in: pod annotation and block device.
#include <sys/types.h>

#include <algorithm>

#include "base/encoding.h"
#include "base/endian.h"
#include "base/file.h"
#include "image/oci/gzip.h"
#include "initdata/initdata.h"

namespace locket::initdata {
namespace {

constexpr std::string_view kMagic = "initdata";
constexpr size_t kHeaderBytes = 16;  // magic, u64 length
constexpr size_t kDeviceBlock = 512;

Result<std::vector<std::byte>> Pack(std::string_view toml) {
  if (toml.size() > kMaxInitdataBytes) {
    return Error(ErrorCode::kResourceExhausted, "initdata: larger than 4 MiB");
  }
  LOCKET_TRY_ASSIGN(auto packed, image::Gzip(toml).While("initdata"));
  if (packed.size() <= kMaxInitdataGzipBytes) return packed;
  return Error(ErrorCode::kResourceExhausted, "initdata: larger than 1 MiB after gzip");
}

// The payload's length from the first 16 bytes.
Result<size_t> PayloadSize(std::span<const std::byte> header) {
  if (header.size() < kHeaderBytes) {
    return Error(ErrorCode::kDataLoss, "initdata device: cut short");
  }
  if (AsText(header.first(kMagic.size())) != kMagic) {
    return Error(ErrorCode::kInvalidArgument, "initdata device: does not begin with 'initdata'");
  }
  const auto size = FromLittleEndian<uint64_t>(header.subspan(kMagic.size()));
  if (size == 0 || size > kMaxInitdataGzipBytes) {
    return Error(ErrorCode::kInvalidArgument, "initdata device: a payload of " +
                                                  std::to_string(size) +
                                                  " bytes is out of range (1 to 1048576)");
  }
  return static_cast<size_t>(size);
}

}  // namespace

Result<std::string> EncodeInitdataAnnotation(std::string_view toml) {
  LOCKET_TRY_ASSIGN(const auto packed, Pack(toml));
  return Base64Encode(packed);
}

Result<std::string> DecodeInitdataAnnotation(std::string_view annotation) {
  constexpr size_t kMaxText = (kMaxInitdataGzipBytes + 2) / 3 * 4;
  if (annotation.size() > kMaxText) {
    return Error(ErrorCode::kResourceExhausted, "initdata annotation: larger than 1 MiB of gzip");
  }
  LOCKET_TRY_ASSIGN(const auto packed, Base64Decode(annotation).While("initdata annotation"));
  return image::Gunzip(packed, kMaxInitdataBytes).While("initdata annotation");
}

Result<std::vector<std::byte>> EncodeInitdataDevice(std::string_view toml) {
  LOCKET_TRY_ASSIGN(const auto packed, Pack(toml));
  const size_t used = kHeaderBytes + packed.size();
  std::vector<std::byte> device((used + kDeviceBlock - 1) / kDeviceBlock * kDeviceBlock);
  std::ranges::copy(AsBytes(kMagic), device.begin());
  std::ranges::copy(ToLittleEndian(uint64_t{packed.size()}), device.begin() + kMagic.size());
  std::ranges::copy(packed, device.begin() + kHeaderBytes);
  return device;
}

Result<std::string> DecodeInitdataDevice(std::span<const std::byte> device) {
  LOCKET_TRY_ASSIGN(const size_t size, PayloadSize(device));
  if (device.size() - kHeaderBytes < size) {
    return Error(ErrorCode::kDataLoss, "initdata device: cut short");
  }
  return image::Gunzip(device.subspan(kHeaderBytes, size), kMaxInitdataBytes)
      .While("initdata device");
}

Result<std::string> ReadInitdataDevice(int fd) {
  std::vector<std::byte> device(kHeaderBytes);
  LOCKET_TRY(PreadFull(fd, device, 0).While("initdata device"));
  LOCKET_TRY_ASSIGN(const size_t size, PayloadSize(device));
  device.resize(kHeaderBytes + size);
  LOCKET_TRY(PreadFull(fd, std::span(device).subspan(kHeaderBytes), kHeaderBytes)
                 .While("initdata device"));
  return DecodeInitdataDevice(device);
}

}  // namespace locket::initdata
