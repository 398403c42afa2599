// Blobs up.
#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "base/file.h"
#include "registry/client_impl.h"
#include "registry/range.h"

namespace locket::registry {
namespace {

using image::Descriptor;

constexpr uint64_t kFirstPieceBytes = 64U << 20;  // once something refused the whole
constexpr uint64_t kSmallestPieceBytes = 256U << 10;
constexpr uint64_t kLargestMinimum = 1U << 30;  // that a registry may ask of a piece

// Refusals of a whole blob that pieces may get around. A registry that takes pieces only has seen
// an empty blob, so its reason may be the digest.
bool AsksForPieces(long status) {
  return status == 400 || status == 404 || status == 405 || status == 411 || status == 413 ||
         status == 415 || status == 501;
}

// One blob on its way up: a POST opens, then one PUT brings all, or PATCHes bring pieces and an
// empty PUT closes.
class Upload {
 public:
  Upload(Session& session, const Descriptor& blob, const BodySource& source)
      : session_(session), blob_(blob), source_(source), retrier_(session.MakeRetrier()) {}

  Status Run() {
    while (!done_) {
      const uint64_t before = offset_;
      auto outcome = Step();
      if (outcome.ok() && outcome->IsSuccess()) {
        if (offset_ > before) retrier_.Reset();
        continue;
      }
      if (outcome.ok() && GoAround(*outcome)) continue;
      if (!retrier_.Again(outcome)) {
        if (!outcome.ok()) return std::move(outcome).error();
        return session_.Unexpected(*outcome);
      }
      if (location_) LOCKET_TRY(FindOffset());
    }
    return Ok();
  }

 private:
  Result<HttpResponse> Step() {
    if (!location_) return Open();
    if (pieces_ && offset_ < blob_.size) return SendPiece();
    return Close();
  }

  Result<HttpResponse> Open() {
    LOCKET_TRY_ASSIGN(HttpRequest request, session_.Request("POST", "blobs/uploads/"));
    request.body = [](uint64_t, std::span<std::byte>) { return Ok(); };  // Content-Length: 0
    LOCKET_TRY_ASSIGN(HttpResponse response, session_.SendOnce(request));
    if (!response.IsSuccess()) return response;
    offset_ = 0;
    done_ = response.status == 201;  // it had the blob after all
    if (!done_) LOCKET_TRY(TakeLocation(request.url, response));
    const auto minimum = ParseDecimal(response.Header("oci-chunk-min-length"));
    minimum_ = std::min(minimum.value_or(0), kLargestMinimum);
    return response;
  }

  // With the whole blob, unless it went in pieces.
  Result<HttpResponse> Close() {
    LOCKET_TRY_ASSIGN(HttpRequest request, RequestTo("PUT", offset_, blob_.size));
    const char* joint = request.url.text.find('?') == std::string::npos ? "?" : "&";
    LOCKET_TRY_ASSIGN(request.url, ParseUrl(request.url.text + joint +
                                            "digest=" + PercentEncode(blob_.digest.ToText())));
    LOCKET_TRY_ASSIGN(HttpResponse response, session_.SendOnce(request));
    done_ = response.IsSuccess();
    return response;
  }

  Result<HttpResponse> SendPiece() {
    const uint64_t size = std::min(std::max(piece_, minimum_), blob_.size - offset_);
    LOCKET_TRY_ASSIGN(HttpRequest request, RequestTo("PATCH", offset_, offset_ + size));
    // Without a range it is the whole stream, as docker and skopeo send it.
    if (size < blob_.size) {
      request.headers.push_back("Content-Range: " + std::to_string(offset_) + "-" +
                                std::to_string(offset_ + size - 1));
    }
    LOCKET_TRY_ASSIGN(HttpResponse response, session_.SendOnce(request));
    if (!response.IsSuccess()) return response;
    LOCKET_TRY(TakeLocation(request.url, response));
    const uint64_t received = ParseReceived(response.Header("range")).value_or(0);
    const bool told = received > offset_ && received <= offset_ + size;
    offset_ = told ? received : offset_ + size;
    return response;
  }

  Result<HttpRequest> RequestTo(const char* method, uint64_t from, uint64_t to) const {
    HttpRequest request{
        .method = method,
        .url = *location_,
        .headers = {"Content-Type: application/octet-stream"},
        .body = [this, from](uint64_t at,
                             std::span<std::byte> out) { return source_(from + at, out); },
        .body_size = to - from,
        .stop = session_.call().stop};
    if (session_.call().progress) {
      request.on_sent = [this, from](uint64_t sent) {
        session_.call().progress(from + sent, blob_.size);
      };
    }
    return request;
  }

  Status TakeLocation(const Url& asked, const HttpResponse& response) {
    const std::string text = response.Header("location");
    if (text.empty() && location_) return Ok();  // where it was
    if (text.empty())
      return Error(ErrorCode::kInvalidArgument, "the registry opened an upload without a Location");
    LOCKET_TRY_ASSIGN(Url url, ResolveUrl(asked, text).While("Location"));
    LOCKET_TRY_ASSIGN(location_, StayOnHttps(asked, std::move(url)).While("Location"));
    return Ok();
  }

  // True if another way is left for what was refused.
  bool GoAround(const HttpResponse& refusal) {
    if (!location_) return false;
    if (refusal.status == 413 && pieces_) {
      piece_ = std::min(piece_, blob_.size) / 2;
      return piece_ >= std::max(kSmallestPieceBytes, minimum_);
    }
    if (pieces_ || !AsksForPieces(refusal.status)) return false;
    pieces_ = true;
    if (refusal.status == 413) piece_ = std::min(kFirstPieceBytes, blob_.size / 2);
    location_.reset();
    return true;
  }

  // After trouble: asks how much has arrived. A registry that does not say gets a new upload.
  Status FindOffset() {
    const HttpRequest request{.method = "GET", .url = *location_, .stop = session_.call().stop};
    const auto response = session_.SendOnce(request);
    const auto received = response.ok() && response->IsSuccess()
                              ? ParseReceived(response->Header("range"))
                              : std::nullopt;
    // "0-0" is what an empty upload says.
    if (!received || *received <= 1 || *received > blob_.size) {
      location_.reset();
      return Ok();
    }
    LOCKET_TRY(TakeLocation(request.url, *response));
    if (*received > offset_) retrier_.Reset();
    offset_ = *received;
    pieces_ = true;
    return Ok();
  }

  Session& session_;
  const Descriptor& blob_;
  const BodySource& source_;
  Retrier retrier_;
  std::optional<Url> location_{};  // of the upload that is open
  uint64_t offset_ = 0;            // what has arrived there
  bool pieces_ = false;
  uint64_t piece_ = std::numeric_limits<uint64_t>::max();
  uint64_t minimum_ = 0;
  bool done_ = false;
};

}  // namespace

Result<bool> ProbeBlob(Session& session, const Descriptor& blob) {
  LOCKET_TRY_ASSIGN(const HttpRequest request,
                    session.Request("HEAD", "blobs/" + blob.digest.ToText()));
  LOCKET_TRY_ASSIGN(const HttpResponse response, session.Send(request));
  // What a store says, to which HEAD was redirected, is not about who may push here.
  const bool refused =
      response.answered_by.empty() && (response.status == 401 || response.status == 403);
  if (refused || IsBusy(response)) return session.Unexpected(response);
  const auto length = response.ContentLength();
  return response.IsSuccess() && (!length || response.IsEncoded() || *length == blob.size);
}

Result<bool> MountBlob(Session& session, const Descriptor& blob, const std::string& from) {
  LOCKET_TRY_ASSIGN(
      HttpRequest request,
      session.Request("POST", "blobs/uploads/?mount=" + PercentEncode(blob.digest.ToText()) +
                                  "&from=" + PercentEncode(from)));
  request.body = [](uint64_t, std::span<std::byte>) { return Ok(); };  // Content-Length: 0
  const auto response = session.SendOnce(request);
  if (!response.ok() && response.error().code() == ErrorCode::kCancelled) return response.error();
  if (!response.ok() || !response->IsSuccess()) return false;
  if (response->status == 201) return true;
  // It opened an upload instead, which nobody will use. If it cannot be ended, it expires.
  auto opened = ResolveUrl(request.url, response->Header("location"));
  if (opened.ok()) opened = StayOnHttps(request.url, std::move(*opened));
  if (!opened.ok() || response->Header("location").empty()) return false;
  const HttpRequest end{.method = "DELETE", .url = *opened, .stop = session.call().stop};
  static_cast<void>(session.SendOnce(end).ok());
  return false;
}

Status UploadBlob(Session& session, const Descriptor& blob, const BodySource& source) {
  LOCKET_TRY_ASSIGN(const bool there, ProbeBlob(session, blob));
  if (there) return Ok();
  return Upload(session, blob, source).Run();
}

Result<bool> RegistryClient::AdoptBlob(const image::Reference& image, const Descriptor& blob,
                                       const std::string& mount_from, const CallOptions& call) {
  Impl::Call about{.doing = "look for blob " + blob.digest.ToText(),
                   .image = image,
                   .need = Impl::Need::kPush,
                   .options = call};
  LOCKET_TRY_ASSIGN(const bool there, impl_->OverEndpoints<bool>(about, [&](Session& session) {
    return ProbeBlob(session, blob);
  }));
  if (there || mount_from.empty()) return there;
  about.mount_from = mount_from;
  return impl_->OverEndpoints<bool>(
      about, [&](Session& session) { return MountBlob(session, blob, mount_from); });
}

Status RegistryClient::PushBlob(const image::Reference& image, const Descriptor& blob, int fd,
                                const CallOptions& call) {
  const Impl::Call about{.doing = "push blob " + blob.digest.ToText(),
                         .image = image,
                         .need = Impl::Need::kPush,
                         .options = call};
  return impl_->OverEndpoints<Unit>(about, [&](Session& session) {
    return UploadBlob(session, blob, [fd](uint64_t offset, std::span<std::byte> out) {
      return PreadFull(fd, out, offset);
    });
  });
}

}  // namespace locket::registry
