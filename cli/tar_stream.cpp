#include "cli/tar_stream.h"

#include <utility>

#include "erofs/decompressor.h"

namespace locket::cli {

class TarStream::Impl {
 public:
  Impl(std::unique_ptr<image::BlobStream> blob, erofs::Decompressor tar)
      : blob_(std::move(blob)), tar_(std::move(tar)) {}

  Result<size_t> Read(std::span<std::byte> out) { return tar_.Read(out).While("decompress"); }

 private:
  std::unique_ptr<image::BlobStream> blob_;
  erofs::Decompressor tar_;  // reads from the blob, to its end
};

Result<std::unique_ptr<TarStream>> TarStream::Open(std::unique_ptr<image::BlobStream> blob) {
  const auto read = [from = blob.get()](std::span<std::byte> out) { return from->Read(out); };
  LOCKET_TRY_ASSIGN(auto tar, erofs::Decompressor::Open(read));
  auto impl = std::make_unique<Impl>(std::move(blob), std::move(tar));
  return std::unique_ptr<TarStream>(new TarStream(std::move(impl)));
}

TarStream::TarStream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TarStream::~TarStream() = default;

Result<size_t> TarStream::Read(std::span<std::byte> out) { return impl_->Read(out); }

}  // namespace locket::cli
