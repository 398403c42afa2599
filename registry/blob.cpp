// Blobs down.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/file.h"
#include "registry/client_impl.h"
#include "registry/range.h"

namespace locket::registry {
namespace {

using image::Descriptor;
using image::Digest;

constexpr size_t kReadBytes = 1U << 20;

// What is worth another request at once, when a server sends less than the rest.
constexpr uint64_t kMinPieceBytes = 64U << 10;

Error WrongSize(const Descriptor& blob, uint64_t stated) {
  return {ErrorCode::kDataLoss, "the registry has " + std::to_string(stated) +
                                    " bytes of it, not " + std::to_string(blob.size)};
}

// One GET from `transfer.done` on. A server that cannot go on from there sends the beginning again,
// which is dropped: the digest covers what was kept.
class BlobRequest {
 public:
  BlobRequest(Session& session, BlobTransfer& transfer)
      : session_(session),
        transfer_(transfer),
        from_(transfer.from_start ? 0 : transfer.done),
        piece_end_(transfer.blob.size) {}

  Result<HttpResponse> Send() {
    LOCKET_TRY_ASSIGN(HttpRequest request,
                      session_.Request("GET", "blobs/" + transfer_.blob.digest.ToText()));
    if (from_ > 0) request.headers.push_back("Range: bytes=" + std::to_string(from_) + "-");
    request.plain_size = transfer_.blob.size - from_;
    request.filter = [this](const HttpResponse& head) { return CheckHead(head); };
    request.sink = [this](std::span<const std::byte> bytes) { return Take(bytes); };
    LOCKET_TRY_ASSIGN(HttpResponse response, session_.SendOnce(request));
    if (response.status == 416 && from_ > 0) return CannotGoOn();
    if (response.IsSuccess() && transfer_.done != piece_end_) {
      return Error(ErrorCode::kUnavailable, "broke off after " + std::to_string(transfer_.done) +
                                                " of " + std::to_string(transfer_.blob.size) +
                                                " bytes");
    }
    return response;
  }

 private:
  Error CannotGoOn() {
    transfer_.from_start = true;
    return {ErrorCode::kUnavailable, "cannot go on from byte " + std::to_string(from_)};
  }

  Status CheckHead(const HttpResponse& head) {
    if (head.status == 206 && from_ > 0) return CheckPiece(head);
    const auto range = ParseContentRange(head.Header("content-range"));
    if (range && range->first != 0) {
      return Error(ErrorCode::kDataLoss, "the registry sent another range than was asked for");
    }
    const auto length = head.status == 206 && range ? range->total : head.ContentLength();
    if (length && !head.IsEncoded() && *length != transfer_.blob.size) {
      return WrongSize(transfer_.blob, *length);
    }
    skip_ = transfer_.done;
    return Ok();
  }

  Status CheckPiece(const HttpResponse& head) {
    const auto range = ParseContentRange(head.Header("content-range"));
    const bool fits = range && range->first == from_ && range->last >= from_ &&
                      range->last < transfer_.blob.size &&
                      range->total.value_or(transfer_.blob.size) == transfer_.blob.size;
    if (!fits || (head.IsEncoded() && head.ContentLength() != transfer_.blob.size - from_)) {
      return CannotGoOn();
    }
    if (range->last - from_ >= kMinPieceBytes) piece_end_ = range->last + 1;
    return Ok();
  }

  Status Take(std::span<const std::byte> bytes) {
    const size_t dropped = static_cast<size_t>(std::min<uint64_t>(skip_, bytes.size()));
    skip_ -= dropped;
    bytes = bytes.subspan(dropped);
    if (bytes.empty()) return Ok();
    if (bytes.size() > transfer_.blob.size - transfer_.done) {
      return Error(ErrorCode::kDataLoss,
                   "longer than " + std::to_string(transfer_.blob.size) + " bytes");
    }
    transfer_.hasher.Update(bytes);
    auto taken = transfer_.sink(bytes);
    if (!taken.ok()) {
      transfer_.sink_failed = true;
      return taken;
    }
    transfer_.done += bytes.size();
    const auto& progress = session_.call().progress;
    if (progress) progress(transfer_.done, transfer_.blob.size);
    return Ok();
  }

  Session& session_;
  BlobTransfer& transfer_;
  const uint64_t from_;
  uint64_t piece_end_;  // as far as this request goes
  uint64_t skip_ = 0;
};

// The digest of what the file holds so far; more than the blob can be is dropped.
Status LoadPrefix(int fd, BlobTransfer& transfer) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return Error::FromErrno(errno, "stat file");
  const auto size = static_cast<uint64_t>(status.st_size);
  if (size > transfer.blob.size) {
    if (::ftruncate(fd, 0) != 0) return Error::FromErrno(errno, "empty file");
    return Ok();
  }
  std::vector<std::byte> buffer(std::min<uint64_t>(size, kReadBytes));
  while (transfer.done < size) {
    const auto part =
        std::span(buffer).first(std::min<uint64_t>(buffer.size(), size - transfer.done));
    LOCKET_TRY(PreadFull(fd, part, transfer.done));
    transfer.hasher.Update(part);
    transfer.done += part.size();
  }
  return Ok();
}

Status FetchToFile(Session& session, const Descriptor& blob, int fd, bool* had_prefix) {
  BlobTransfer* self = nullptr;
  const BlobSink sink = [&](std::span<const std::byte> bytes) {
    return PwriteFull(fd, bytes, self->done);
  };
  BlobTransfer transfer{.blob = blob, .sink = sink};
  self = &transfer;
  LOCKET_TRY(LoadPrefix(fd, transfer));
  *had_prefix = transfer.done > 0;
  auto fetched = TransferBlob(session, transfer);
  const bool wrong = !fetched.ok() && fetched.error().code() == ErrorCode::kDataLoss;
  if (wrong && ::ftruncate(fd, 0) != 0) return Error::FromErrno(errno, "empty file");
  return fetched;
}

}  // namespace

Status TransferBlob(Session& session, BlobTransfer& transfer) {
  Retrier retrier = session.MakeRetrier();
  transfer.from_start = false;
  while (transfer.done < transfer.blob.size) {
    const uint64_t before = transfer.done;
    const bool could_go_on = !transfer.from_start;
    auto outcome = BlobRequest(session, transfer).Send();
    if (outcome.ok() && outcome->IsSuccess()) continue;
    if (could_go_on && transfer.from_start) continue;  // once, from the beginning
    if (transfer.done > before) retrier.Reset();
    if (!transfer.sink_failed && retrier.Again(outcome)) continue;
    if (session.call().stop.stop_requested()) return Error(ErrorCode::kCancelled, "cancelled");
    if (!outcome.ok()) return std::move(outcome).error();
    return session.Unexpected(*outcome);
  }
  const Digest digest = transfer.hasher.Finish();
  if (digest == transfer.blob.digest) return Ok();
  return Error(ErrorCode::kDataLoss, "the content is " + digest.ToText());
}

Status RegistryClient::FetchBlobToFile(const image::Reference& image, const Descriptor& blob,
                                       int fd, const CallOptions& call) {
  const Impl::Call about{.doing = "fetch blob " + blob.digest.ToText(),
                         .image = image,
                         .need = Impl::Need::kPull,
                         .options = call};
  return impl_->OverEndpoints<Unit>(about, [&](Session& session) -> Status {
    bool had_prefix = false;
    auto fetched = FetchToFile(session, blob, fd, &had_prefix);
    const bool wrong = !fetched.ok() && fetched.error().code() == ErrorCode::kDataLoss;
    // The fault may lie in what an earlier try left here, so once from the start.
    if (wrong && had_prefix) return FetchToFile(session, blob, fd, &had_prefix);
    return fetched;
  });
}

}  // namespace locket::registry
