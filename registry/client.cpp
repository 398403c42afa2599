#include "registry/client.h"

#include <algorithm>
#include <utility>

#include "image/oci/media_type.h"
#include "registry/client_impl.h"

namespace locket::registry {
namespace {

using image::Descriptor;
using image::Digest;
using image::ManifestContent;
using image::Reference;

std::string AcceptHeader() {
  return "Accept: " + std::string(image::kOciManifest) + ", " + std::string(image::kOciIndex) +
         ", " + std::string(image::kDockerManifest) + ", " + std::string(image::kDockerIndex);
}

// Without parameters.
std::string ContentType(const HttpResponse& response) {
  std::string type = response.Header("content-type");
  type.resize(std::min(type.find(';'), type.size()));
  while (type.ends_with(' ')) type.pop_back();
  return type;
}

Error Mismatch(const std::string& what, const std::string& got, const std::string& wanted) {
  return {ErrorCode::kDataLoss, what + " is " + got + ", not " + wanted};
}

Status CheckDigest(const Reference& reference, const HttpResponse& response, const Digest& digest) {
  if (reference.digest && *reference.digest != digest) {
    return Mismatch("the content", digest.ToText(), reference.digest->ToText());
  }
  if (reference.digest) return Ok();  // what else the registry calls it is its own affair
  const std::string stated = response.Header("docker-content-digest");
  if (stated.starts_with("sha256:") && stated != digest.ToText()) {
    return Mismatch("the content", digest.ToText(), stated + " as the registry says");
  }
  return Ok();
}

Result<ManifestContent> GetManifest(Session& session, const Reference& reference) {
  LOCKET_TRY_ASSIGN(HttpRequest request, session.Request("GET", "manifests/" + reference.Target()));
  request.headers.push_back(AcceptHeader());
  request.max_body_bytes = image::kMaxManifestBytes;
  LOCKET_TRY_ASSIGN(HttpResponse response, session.Send(request));
  if (!response.IsSuccess()) return session.Unexpected(response);
  const Digest digest = Digest::Of(response.body);
  LOCKET_TRY(CheckDigest(reference, response, digest));
  LOCKET_TRY_ASSIGN(const std::string media_type, image::DetectMediaType(response.body));
  const std::string stated = ContentType(response);
  const bool known = image::IsManifest(stated) || image::IsIndex(stated);
  // One document, two meanings (CVE-2021-41190).
  if (known && stated != media_type) return Mismatch("the document", media_type, stated);
  return ManifestContent{
      .descriptor = {.media_type = media_type, .digest = digest, .size = response.body.size()},
      .bytes = std::move(response.body)};
}

BodySource SourceOf(std::string_view bytes) {
  return [bytes](uint64_t offset, std::span<std::byte> out) {
    const auto part = std::as_bytes(std::span(bytes)).subspan(offset, out.size());
    std::ranges::copy(part, out.begin());
    return Ok();
  };
}

Result<Descriptor> PutManifest(Session& session, const Reference& reference,
                               std::string_view media_type, std::string_view bytes) {
  const Descriptor descriptor = image::DescriptorOf(media_type, bytes);
  if (reference.digest && *reference.digest != descriptor.digest) {
    return Mismatch("the manifest", descriptor.digest.ToText(), reference.digest->ToText());
  }
  const std::string target = reference.tag.empty() ? descriptor.digest.ToText() : reference.tag;
  LOCKET_TRY_ASSIGN(HttpRequest request, session.Request("PUT", "manifests/" + target));
  request.headers.push_back("Content-Type: " + std::string(media_type));
  request.body = SourceOf(bytes);
  request.body_size = bytes.size();
  LOCKET_TRY_ASSIGN(const HttpResponse response, session.Send(request));
  // 201 says the specification; 200 and 202 say registries.
  if (!response.IsSuccess()) return session.Unexpected(response);
  LOCKET_TRY(CheckDigest({.registry = {}, .repository = {}}, response, descriptor.digest));
  return descriptor;
}

// The ways in which an endpoint may be reached, best first. Whoever writes TLS settings for an http
// URL means https where it is to be had, as for containerd. Which client certificate a server takes
// it says by refusing others.
std::vector<Endpoint> WaysTo(const Endpoint& endpoint) {
  constexpr std::string_view kHttp = "http://";
  std::vector<Endpoint> ways;
  const auto base = ParseUrl(endpoint.base_url);
  const bool plain = base.ok() && base->scheme == "http";
  if (plain && base->port != 80 && endpoint.tls != TlsSettings{}) {
    Endpoint secure = endpoint;
    secure.base_url = "https://" + secure.base_url.substr(kHttp.size());
    ways = WaysTo(secure);
  }
  if (plain || endpoint.tls.client_pairs.empty()) {
    ways.push_back(endpoint);
    return ways;
  }
  for (const auto& pair : endpoint.tls.client_pairs) {
    ways.push_back(endpoint);
    ways.back().tls.client_pairs = {pair};
  }
  return ways;
}

}  // namespace

Session RegistryClient::Impl::MakeSession(const Call& call, Endpoint endpoint, int max_attempts) {
  const auto base = ParseUrl(endpoint.base_url);  // else the endpoint has a `problem`
  std::vector<std::string> login_hosts;
  if (!endpoint.is_mirror) login_hosts.push_back(call.image.registry);
  if (base.ok() && IsProxyFor(*base, call.image.registry)) login_hosts.push_back(HostPort(*base));
  if (login_hosts.empty()) login_hosts.push_back(call.image.registry);
  AuthScope scope{
      .endpoint = std::move(endpoint),
      .base = base.ok() ? *base : Url{.scheme = {}, .host = {}, .port = 0, .path = {}, .text = {}},
      .login_hosts = std::move(login_hosts),
      .need = {.repository = call.image.repository,
               .actions = call.need == Need::kPush ? "pull,push" : "pull",
               .mount_from = call.mount_from}};
  return {{.http = http_,
           .authorizer = authorizer_,
           .retry = options_.retry,
           .image = call.image,
           .call = call.options,
           .max_attempts = max_attempts},
          std::move(scope)};
}

Result<std::vector<Session>> RegistryClient::Impl::SessionsFor(const Call& call) {
  LOCKET_TRY_ASSIGN(const auto all, EndpointsFor(options_.certs_directory, call.image.registry));
  std::vector<Endpoint> endpoints;
  for (const auto& endpoint : all) {
    const bool can = call.need == Need::kPush      ? endpoint.can_push
                     : call.need == Need::kResolve ? endpoint.can_resolve
                                                   : endpoint.can_pull;
    if (!can) continue;
    std::ranges::move(WaysTo(endpoint), std::back_inserter(endpoints));
    // An image whose parts are at two servers is at neither.
    if (call.need == Need::kPush) break;
  }
  std::vector<Session> sessions;
  for (auto& endpoint : endpoints) {
    // While there is another endpoint, that one is the second attempt.
    const bool is_last = sessions.size() + 1 == endpoints.size();
    sessions.push_back(
        MakeSession(call, std::move(endpoint), is_last ? options_.retry.max_attempts : 1));
  }
  if (!sessions.empty()) return sessions;
  return Error(ErrorCode::kFailedPrecondition,
               call.doing + " of '" + call.image.ToText() + "': no host in hosts.toml of '" +
                   call.image.registry + "' has the capability for it");
}

std::string RegistryClient::Impl::Place(const Session& session) {
  const AuthScope& scope = session.scope();
  if (!scope.endpoint.problem.empty()) return "at " + scope.endpoint.base_url;
  return "at " + Origin(scope.base);
}

RegistryClient::RegistryClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RegistryClient::~RegistryClient() = default;

Result<std::unique_ptr<RegistryClient>> RegistryClient::Create(ClientOptions options) {
  if (options.retry.max_attempts < 1) {
    return Error(ErrorCode::kInvalidArgument, "registry client: at least one attempt is needed");
  }
  return std::unique_ptr<RegistryClient>(
      new RegistryClient(std::make_unique<Impl>(std::move(options))));
}

Result<ManifestContent> RegistryClient::FetchManifest(const Reference& image,
                                                      const CallOptions& call) {
  // A tag is resolved, a digest pulled: a mirror may be trusted with the second only.
  const auto need = image.digest ? Impl::Need::kPull : Impl::Need::kResolve;
  return impl_->OverEndpoints<ManifestContent>(
      {.doing = "fetch manifest", .image = image, .need = need, .options = call},
      [&](Session& session) { return GetManifest(session, image); });
}

Status RegistryClient::FetchBlob(const Reference& image, const Descriptor& blob,
                                 const BlobSink& sink, const CallOptions& call) {
  BlobTransfer transfer{.blob = blob, .sink = sink};
  return impl_->OverEndpoints<Unit>(
      {.doing = "fetch blob " + blob.digest.ToText(),
       .image = image,
       .need = Impl::Need::kPull,
       .options = call},
      [&](Session& session) { return TransferBlob(session, transfer); },
      // What the sink has taken cannot be taken back, so wrong bytes end it.
      [&] { return transfer.sink_failed || transfer.done == blob.size; });
}

Status RegistryClient::PushBlobBytes(const Reference& image, const Descriptor& blob,
                                     std::string_view bytes, const CallOptions& call) {
  if (bytes.size() != blob.size) {
    return Error(ErrorCode::kInvalidArgument,
                 "push blob " + blob.digest.ToText() + ": not of the stated size");
  }
  return impl_->OverEndpoints<Unit>(
      {.doing = "push blob " + blob.digest.ToText(),
       .image = image,
       .need = Impl::Need::kPush,
       .options = call},
      [&](Session& session) { return UploadBlob(session, blob, SourceOf(bytes)); });
}

Result<Descriptor> RegistryClient::PushManifest(const Reference& image, std::string_view media_type,
                                                std::string_view bytes, const CallOptions& call) {
  return impl_->OverEndpoints<Descriptor>(
      {.doing = "push manifest", .image = image, .need = Impl::Need::kPush, .options = call},
      [&](Session& session) { return PutManifest(session, image, media_type, bytes); });
}

}  // namespace locket::registry
