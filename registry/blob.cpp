// Blobs down and up.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <utility>

#include "base/file.h"
#include "registry/client_impl.h"

namespace locket::registry {
namespace {

using image::Descriptor;
using image::Digest;

constexpr size_t kReadBytes = 1U << 20;

struct ContentRange {
  uint64_t first = 0;
  std::optional<uint64_t> total{};
};

// "bytes 5-9/10" or "bytes 5-9/*".
std::optional<ContentRange> ParseContentRange(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  if (!text.starts_with(kUnit)) return {};
  text.remove_prefix(kUnit.size());
  ContentRange range;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), range.first);
  const size_t slash = text.find('/');
  if (error != std::errc() || *end != '-' || slash == std::string_view::npos) return {};
  const auto total = text.substr(slash + 1);
  uint64_t value = 0;
  if (std::from_chars(total.data(), total.data() + total.size(), value).ec == std::errc()) {
    range.total = value;
  }
  return range;
}

Error WrongSize(const Descriptor& blob, uint64_t stated) {
  return {ErrorCode::kDataLoss, "the registry has " + std::to_string(stated) +
                                    " bytes of it, not " + std::to_string(blob.size)};
}

// One GET from `transfer.done` on. A server that ignores Range sends the beginning again, which is
// dropped: the digest covers what was kept.
class BlobRequest {
 public:
  BlobRequest(Session& session, BlobTransfer& transfer) : session_(session), transfer_(transfer) {}

  Result<HttpResponse> Send() {
    LOCKET_TRY_ASSIGN(HttpRequest request,
                      session_.Request("GET", "blobs/" + transfer_.blob.digest.ToText()));
    if (transfer_.done > 0) {
      request.headers.push_back("Range: bytes=" + std::to_string(transfer_.done) + "-");
    }
    request.filter = [this](const HttpResponse& head) { return CheckHead(head); };
    request.sink = [this](std::span<const std::byte> bytes) { return Take(bytes); };
    LOCKET_TRY_ASSIGN(HttpResponse response, session_.SendOnce(request));
    const bool whole = transfer_.done == transfer_.blob.size;
    if ((response.status == 200 || response.status == 206) && !whole) {
      return Error(ErrorCode::kUnavailable, "broke off after " + std::to_string(transfer_.done) +
                                                " of " + std::to_string(transfer_.blob.size) +
                                                " bytes");
    }
    return response;
  }

 private:
  Status CheckHead(const HttpResponse& head) {
    if (head.status == 206) {
      const auto range = ParseContentRange(head.Header("content-range"));
      if (!range || range->first != transfer_.done) {
        return Error(ErrorCode::kDataLoss, "the registry sent another range than was asked for");
      }
      if (range->total && *range->total != transfer_.blob.size) {
        return WrongSize(transfer_.blob, *range->total);
      }
      skip_ = 0;
      return Ok();
    }
    const auto length = head.ContentLength();
    if (length && *length != transfer_.blob.size) return WrongSize(transfer_.blob, *length);
    skip_ = transfer_.done;
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

// Opens an upload. Done already: the registry mounted the blob.
struct Upload {
  bool done;
  Url url;
};
Result<Upload> OpenUpload(Session& session, const Descriptor& blob, Result<HttpResponse>& outcome) {
  std::string rest = "blobs/uploads/";
  if (!session.scope().mount_from.empty()) {
    rest += "?mount=" + PercentEncode(blob.digest.ToText()) +
            "&from=" + PercentEncode(session.scope().mount_from);
  }
  LOCKET_TRY_ASSIGN(HttpRequest request, session.Request("POST", rest));
  request.body = [](uint64_t, std::span<std::byte>) { return Ok(); };  // Content-Length: 0
  outcome = session.SendOnce(request);
  if (!outcome.ok()) return outcome.error();
  if (outcome->status == 201) return Upload{.done = true, .url = request.url};
  if (outcome->status != 202) return session.Unexpected(*outcome);
  LOCKET_TRY_ASSIGN(Url location, ResolveUrl(request.url, outcome->Header("location")));
  const char* joint = location.text.find('?') == std::string::npos ? "?" : "&";
  LOCKET_TRY_ASSIGN(
      Url url, ParseUrl(location.text + joint + "digest=" + PercentEncode(blob.digest.ToText())));
  return Upload{.done = false, .url = std::move(url)};
}

Result<bool> Mount(Session& session, const Descriptor& blob) {
  Result<HttpResponse> outcome = HttpResponse{};
  LOCKET_TRY_ASSIGN(const Upload upload, OpenUpload(session, blob, outcome));
  if (upload.done) return true;
  // It opened an upload instead, which nobody will use. If it cannot be ended, it expires.
  const HttpRequest end{.method = "DELETE", .url = upload.url, .stop = session.call().stop};
  static_cast<void>(session.SendOnce(end).ok());
  return false;
}

// POST and PUT. A session that broke is not taken up again: the next attempt opens its own.
Status TryUpload(Session& session, const Descriptor& blob, const BodySource& source,
                 Result<HttpResponse>& outcome) {
  LOCKET_TRY_ASSIGN(const Upload upload, OpenUpload(session, blob, outcome));
  if (upload.done) return Ok();
  HttpRequest request{.method = "PUT",
                      .url = upload.url,
                      .headers = {"Content-Type: application/octet-stream"},
                      .body = source,
                      .body_size = blob.size,
                      .stop = session.call().stop};
  if (session.call().progress) {
    request.on_sent = [&](uint64_t sent) { session.call().progress(sent, blob.size); };
  }
  outcome = session.SendOnce(request);
  if (!outcome.ok()) return outcome.error();
  if (outcome->status != 201) return session.Unexpected(*outcome);
  return Ok();
}

}  // namespace

Status TransferBlob(Session& session, BlobTransfer& transfer) {
  Retrier retrier = session.MakeRetrier();
  while (transfer.done < transfer.blob.size) {
    const uint64_t before = transfer.done;
    auto outcome = BlobRequest(session, transfer).Send();
    if (outcome.ok() && (outcome->status == 200 || outcome->status == 206)) break;
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

Result<bool> ProbeBlob(Session& session, const Descriptor& blob) {
  LOCKET_TRY_ASSIGN(const HttpRequest request,
                    session.Request("HEAD", "blobs/" + blob.digest.ToText()));
  LOCKET_TRY_ASSIGN(const HttpResponse response, session.Send(request));
  if (response.status == 404) return false;
  if (response.status != 200) return session.Unexpected(response);
  const auto length = response.ContentLength();
  if (length && *length != blob.size) return WrongSize(blob, *length);
  return true;
}

Status UploadBlob(Session& session, const Descriptor& blob, const BodySource& source) {
  LOCKET_TRY_ASSIGN(const bool there, ProbeBlob(session, blob));
  if (there) return Ok();
  Retrier retrier = session.MakeRetrier();
  while (true) {
    Result<HttpResponse> outcome = HttpResponse{};
    auto uploaded = TryUpload(session, blob, source, outcome);
    if (uploaded.ok() || !retrier.Again(outcome)) return uploaded;
  }
}

Result<bool> RegistryClient::AdoptBlob(const image::Reference& image, const Descriptor& blob,
                                       const std::string& mount_from, const CallOptions& call) {
  const Impl::Call about{.doing = "look for blob " + blob.digest.ToText(),
                         .image = image,
                         .need = Impl::Need::kPush,
                         .options = call,
                         .mount_from = mount_from};
  auto adopted = impl_->OverEndpoints<bool>(about, [&](Session& session) -> Result<bool> {
    LOCKET_TRY_ASSIGN(const bool there, ProbeBlob(session, blob));
    if (there || mount_from.empty()) return there;
    return Mount(session, blob);
  });
  // Who may not read there may push here all the same.
  const bool refused = !adopted.ok() && adopted.error().code() == ErrorCode::kPermissionDenied;
  if (refused && !mount_from.empty()) return AdoptBlob(image, blob, "", call);
  return adopted;
}

Status RegistryClient::PushBlob(const image::Reference& image, const Descriptor& blob, int fd,
                                const PushBlobOptions& options, const CallOptions& call) {
  const Impl::Call about{.doing = "push blob " + blob.digest.ToText(),
                         .image = image,
                         .need = Impl::Need::kPush,
                         .options = call,
                         .mount_from = options.mount_from};
  return impl_->OverEndpoints<Unit>(about, [&](Session& session) {
    return UploadBlob(session, blob, [fd](uint64_t offset, std::span<std::byte> out) {
      return PreadFull(fd, out, offset);
    });
  });
}

}  // namespace locket::registry
