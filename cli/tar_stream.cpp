#include "cli/tar_stream.h"

#include <archive.h>
#include <archive_entry.h>

#include <cerrno>
#include <optional>
#include <vector>

namespace locket::cli {
namespace {

constexpr size_t kPiece = 64U << 10;

struct ReadFree {
  void operator()(archive* reader) const { ::archive_read_free(reader); }
};

}  // namespace

class TarStream::Impl {
 public:
  explicit Impl(std::unique_ptr<image::BlobStream> blob)
      : blob_(std::move(blob)), reader_(::archive_read_new()), piece_(kPiece) {}

  Status Open() {
    // "raw": one entry, the content behind the filters. Only these filters: others would start
    // programs or are no layer's.
    archive* reader = reader_.get();
    ::archive_read_support_filter_gzip(reader);
    ::archive_read_support_filter_zstd(reader);
    ::archive_read_support_format_raw(reader);
    ::archive_read_support_format_empty(reader);
    archive_entry* entry = nullptr;
    if (::archive_read_open(reader, this, nullptr, &Impl::OnRead, nullptr) != ARCHIVE_OK) {
      return Explain();
    }
    const int header = ::archive_read_next_header(reader, &entry);
    if (header == ARCHIVE_EOF) {
      ended_ = true;
    } else if (header != ARCHIVE_OK) {
      return Explain();
    }
    return Ok();
  }

  Result<size_t> Read(std::span<std::byte> out) {
    if (!ended_) {
      const la_ssize_t n = ::archive_read_data(reader_.get(), out.data(), out.size());
      if (n < 0) return Explain();
      if (n > 0) return static_cast<size_t>(n);
      ended_ = true;
    }
    // The decompressor may stop before the blob does; the blob's digest is known at its end only.
    while (!blob_ended_) {
      LOCKET_TRY_ASSIGN(const size_t rest, blob_->Read(piece_));
      blob_ended_ = rest == 0;
    }
    return size_t{0};
  }

 private:
  static la_ssize_t OnRead(archive* reader, void* self, const void** data) {
    auto* impl = static_cast<Impl*>(self);
    if (impl->blob_ended_) return 0;
    auto n = impl->blob_->Read(impl->piece_);
    if (!n.ok()) {
      impl->failure_ = std::move(n).error();
      ::archive_set_error(reader, EIO, "the blob cannot be read");
      return -1;
    }
    impl->blob_ended_ = *n == 0;
    *data = impl->piece_.data();
    return static_cast<la_ssize_t>(*n);
  }

  Error Explain() {
    if (failure_) return *failure_;
    const char* reason = ::archive_error_string(reader_.get());
    return {ErrorCode::kDataLoss,
            std::string("decompress: ") + (reason != nullptr ? reason : "damaged")};
  }

  std::unique_ptr<image::BlobStream> blob_;
  std::unique_ptr<archive, ReadFree> reader_;
  std::vector<std::byte> piece_;
  std::optional<Error> failure_;
  bool ended_ = false;
  bool blob_ended_ = false;
};

Result<std::unique_ptr<TarStream>> TarStream::Open(std::unique_ptr<image::BlobStream> blob) {
  auto impl = std::make_unique<Impl>(std::move(blob));
  LOCKET_TRY(impl->Open());
  return std::unique_ptr<TarStream>(new TarStream(std::move(impl)));
}

TarStream::TarStream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TarStream::~TarStream() = default;

Result<size_t> TarStream::Read(std::span<std::byte> out) { return impl_->Read(out); }

}  // namespace locket::cli
