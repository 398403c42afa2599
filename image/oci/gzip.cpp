#include "image/oci/gzip.h"

#include <zlib.h>

#include <algorithm>

namespace locket::image {
namespace {

constexpr int kGzipWindow = 15 + 16;  // 32 KiB window; 16 asks for the gzip wrapper (zlib.h)
constexpr int kMemoryLevel = 8;       // zlib's default
constexpr size_t kStep = 64U << 10;

// zlib's interface is not const-correct; it only reads next_in.
Bytef* Input(const void* data) {
  return const_cast<Bytef*>(static_cast<const Bytef*>(data));  // NOLINT
}

struct Deflater {
  z_stream stream{};
  ~Deflater() { deflateEnd(&stream); }
};
struct Inflater {
  z_stream stream{};
  ~Inflater() { inflateEnd(&stream); }
};

}  // namespace

Result<std::vector<std::byte>> Gzip(std::string_view plain) {
  Deflater deflater;
  z_stream& stream = deflater.stream;
  if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, kGzipWindow, kMemoryLevel,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    return Error(ErrorCode::kInternal, "gzip: zlib failed");
  }
  std::vector<std::byte> packed(deflateBound(&stream, plain.size()));
  stream.next_in = Input(plain.data());
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) {
    return Error(ErrorCode::kInternal, "gzip: zlib failed");
  }
  packed.resize(stream.total_out);
  return packed;
}

Result<std::string> Gunzip(std::span<const std::byte> packed, size_t max_bytes) {
  Inflater inflater;
  z_stream& stream = inflater.stream;
  if (inflateInit2(&stream, kGzipWindow) != Z_OK) {
    return Error(ErrorCode::kInternal, "gunzip: zlib failed");
  }
  stream.next_in = Input(packed.data());
  stream.avail_in = static_cast<uInt>(packed.size());
  std::string plain;
  int state = Z_OK;
  while (state == Z_OK) {
    const size_t old_size = plain.size();
    // One byte more than allowed is asked for, to notice that there is more.
    plain.resize(std::min(old_size + kStep, max_bytes + 1));
    stream.next_out = reinterpret_cast<Bytef*>(plain.data() + old_size);
    stream.avail_out = static_cast<uInt>(plain.size() - old_size);
    state = inflate(&stream, Z_NO_FLUSH);
    plain.resize(plain.size() - stream.avail_out);
    if (plain.size() > max_bytes) {
      return Error(ErrorCode::kResourceExhausted,
                   "gunzip: more than " + std::to_string(max_bytes) + " bytes");
    }
  }
  if (state != Z_STREAM_END) return Error(ErrorCode::kDataLoss, "gunzip: damaged or cut short");
  if (stream.avail_in != 0) {
    return Error(ErrorCode::kInvalidArgument, "gunzip: something stands after the end");
  }
  return plain;
}

}  // namespace locket::image
