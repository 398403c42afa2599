#include "erofs/decompressor.h"

#include <isa-l/igzip_lib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

namespace locket::erofs {
namespace {

constexpr size_t kInputPiece = 256U << 10;
constexpr size_t kMagicBytes = 4;
constexpr int kMaxZstdWindowLog = 27;  // 128 MiB, zstd's own limit where none is set
constexpr std::array kGzipMagic = {std::byte{0x1f}, std::byte{0x8b}};
constexpr std::array kZstdMagic = {std::byte{0x28}, std::byte{0xb5}, std::byte{0x2f},
                                   std::byte{0xfd}};
// Frames to be skipped begin with 0x50 to 0x5f, and these.
constexpr std::array kSkippableMagic = {std::byte{0x2a}, std::byte{0x4d}, std::byte{0x18}};

Error Damaged(std::string_view why) {
  return {ErrorCode::kDataLoss, "the compressed stream is damaged: " + std::string(why)};
}

template <size_t kSize>
bool StartsWith(std::span<const std::byte> bytes, const std::array<std::byte, kSize>& magic) {
  return bytes.size() >= kSize && std::equal(magic.begin(), magic.end(), bytes.begin());
}

// What the source gave and nobody has used yet.
class Input {
 public:
  explicit Input(ByteSource source) : source_(std::move(source)), piece_(kInputPiece) {}

  std::span<std::byte> left() { return std::span(piece_).subspan(at_, end_ - at_); }
  void Use(size_t bytes) { at_ += bytes; }
  bool ended() const { return ended_ && at_ == end_; }

  // At least `wanted` bytes are left afterwards, or the source has ended.
  Status Fill(size_t wanted) {
    if (end_ - at_ >= wanted) return Ok();
    std::copy(piece_.begin() + static_cast<ptrdiff_t>(at_),
              piece_.begin() + static_cast<ptrdiff_t>(end_), piece_.begin());
    end_ -= std::exchange(at_, 0);
    while (end_ < wanted && !ended_) {
      LOCKET_TRY_ASSIGN(const size_t got, source_(std::span(piece_).subspan(end_)));
      end_ += got;
      ended_ = got == 0;
    }
    return Ok();
  }

  // Straight from the source; nothing may be left.
  Result<size_t> ReadThrough(std::span<std::byte> out) {
    if (ended_) return size_t{0};
    LOCKET_TRY_ASSIGN(const size_t got, source_(out));
    ended_ = got == 0;
    return got;
  }

 private:
  ByteSource source_;
  std::vector<std::byte> piece_;
  size_t at_ = 0;
  size_t end_ = 0;
  bool ended_ = false;
};

}  // namespace

class Decompressor::Codec {
 public:
  virtual ~Codec() = default;
  virtual Result<size_t> Read(std::span<std::byte> out) = 0;
};

namespace {

class PlainCodec final : public Decompressor::Codec {
 public:
  explicit PlainCodec(Input input) : input_(std::move(input)) {}

  Result<size_t> Read(std::span<std::byte> out) override {
    const auto left = input_.left();
    if (left.empty()) return input_.ReadThrough(out);
    const size_t size = std::min(left.size(), out.size());
    std::copy_n(left.begin(), size, out.begin());
    input_.Use(size);
    return size;
  }

 private:
  Input input_;
};

std::string_view Meaning(int isal_error) {
  switch (isal_error) {
    case ISAL_INVALID_BLOCK:
      return "an invalid block";
    case ISAL_INVALID_SYMBOL:
      return "an invalid symbol";
    case ISAL_INVALID_LOOKBACK:
      return "it refers to what was before its beginning";
    case ISAL_INVALID_WRAPPER:
    case ISAL_UNSUPPORTED_METHOD:
      return "its header is not gzip's";
    case ISAL_INCORRECT_CHECKSUM:
      return "a checksum is wrong";
    default:
      return "for an unknown reason";
  }
}

uint8_t* Raw(std::span<std::byte> bytes) { return reinterpret_cast<uint8_t*>(bytes.data()); }

// One gzip member after another, as gzip(1) and containerd read them.
class GzipCodec final : public Decompressor::Codec {
 public:
  explicit GzipCodec(Input input)
      : input_(std::move(input)), state_(std::make_unique<inflate_state>()) {
    StartMember();
  }

  Result<size_t> Read(std::span<std::byte> out) override {
    state_->next_out = Raw(out);
    state_->avail_out = static_cast<uint32_t>(std::min<size_t>(out.size(), UINT32_MAX));
    while (true) {
      const size_t before = input_.left().size();
      LOCKET_TRY_ASSIGN(const size_t got, Step());
      if (got > 0) return got;
      if (state_->block_state == ISAL_BLOCK_FINISH) {
        LOCKET_TRY(input_.Fill(kGzipMagic.size()));
        if (input_.ended()) return size_t{0};
        if (!StartsWith(input_.left(), kGzipMagic)) return Damaged("more follows after its end");
        StartMember();
        continue;
      }
      if (before > 0 && input_.left().size() == before) return Damaged("it makes no progress");
      LOCKET_TRY(input_.Fill(1));
      if (input_.ended()) return Damaged("it is cut short");
    }
  }

 private:
  void StartMember() {
    uint8_t* const out = state_->next_out;
    const uint32_t room = state_->avail_out;
    isal_inflate_init(state_.get());
    state_->crc_flag = ISAL_GZIP;  // headers and checksums are ISA-L's business
    state_->next_out = out;
    state_->avail_out = room;
  }

  Result<size_t> Step() {
    const auto left = input_.left();
    const uint32_t room = state_->avail_out;
    state_->next_in = Raw(left);
    state_->avail_in = static_cast<uint32_t>(left.size());
    const int done = isal_inflate(state_.get());
    input_.Use(left.size() - state_->avail_in);
    if (done != ISAL_DECOMP_OK && done != ISAL_END_INPUT) return Damaged(Meaning(done));
    return size_t{room - state_->avail_out};
  }

  Input input_;
  std::unique_ptr<inflate_state> state_;
};

struct FreeStream {
  void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
};

class ZstdCodec final : public Decompressor::Codec {
 public:
  explicit ZstdCodec(Input input) : input_(std::move(input)), stream_(ZSTD_createDStream()) {
    ZSTD_DCtx_setParameter(stream_.get(), ZSTD_d_windowLogMax, kMaxZstdWindowLog);
  }

  Result<size_t> Read(std::span<std::byte> out) override {
    ZSTD_outBuffer to{.dst = out.data(), .size = out.size(), .pos = 0};
    while (true) {
      LOCKET_TRY(input_.Fill(1));
      const auto left = input_.left();
      if (left.empty() && frame_ended_) return size_t{0};
      ZSTD_inBuffer from{.src = left.data(), .size = left.size(), .pos = 0};
      const size_t hint = ZSTD_decompressStream(stream_.get(), &to, &from);
      if (ZSTD_isError(hint) != 0) return Damaged(ZSTD_getErrorName(hint));
      input_.Use(from.pos);
      frame_ended_ = hint == 0;
      if (to.pos > 0) return to.pos;
      if (left.empty() && !frame_ended_) return Damaged("it is cut short");
    }
  }

 private:
  Input input_;
  std::unique_ptr<ZSTD_DStream, FreeStream> stream_;
  bool frame_ended_ = true;
};

bool IsZstd(std::span<const std::byte> bytes) {
  if (StartsWith(bytes, kZstdMagic)) return true;
  return bytes.size() >= kMagicBytes && (bytes[0] & std::byte{0xf0}) == std::byte{0x50} &&
         StartsWith(bytes.subspan(1), kSkippableMagic);
}

}  // namespace

Result<Decompressor> Decompressor::Open(ByteSource source) {
  Input input(std::move(source));
  LOCKET_TRY(input.Fill(kMagicBytes));
  const auto first = input.left();
  if (StartsWith(first, kGzipMagic)) {
    return Decompressor(std::make_unique<GzipCodec>(std::move(input)));
  }
  if (IsZstd(first)) return Decompressor(std::make_unique<ZstdCodec>(std::move(input)));
  return Decompressor(std::make_unique<PlainCodec>(std::move(input)));
}

Decompressor::Decompressor(std::unique_ptr<Codec> codec) : codec_(std::move(codec)) {}
Decompressor::Decompressor(Decompressor&&) noexcept = default;
Decompressor::~Decompressor() = default;

Result<size_t> Decompressor::Read(std::span<std::byte> out) { return codec_->Read(out); }

}  // namespace locket::erofs
