#include "attest/kbs/broker_admin_client.h"

#include "attest/common/json.h"
#include "attest/http/https_client.h"
#include "attest/kbs/admin_token.h"
#include "attest/kbs/kbs_messages.h"
#include "base/encoding.h"

namespace locket::attest {
namespace {

Error Refusal(const HttpResponse& response) {
  const auto problem = DecodeProblem(response.body);
  if (!problem.ok()) {
    return {ErrorCode::kInternal,
            "it answered " + std::to_string(response.status) + " without saying why"};
  }
  ErrorCode code = ErrorCode::kPermissionDenied;
  if (problem->name == kResourceNotFound) code = ErrorCode::kNotFound;
  if (problem->name == kInvalidRequest || problem->name == kInvalidRequestPath) {
    code = ErrorCode::kInvalidArgument;
  }
  if (response.status >= 500) code = ErrorCode::kInternal;
  return {code, "refused: " + problem->detail};
}

}  // namespace

struct BrokerAdminClient::Impl {
  HttpsClient http;
  Secret private_key_pem;
  std::string url;
  const Clock& clock;

  Result<std::string> Call(const std::string& method, const std::string& path,
                           std::span<const std::byte> body) const {
    LOCKET_TRY_ASSIGN(const auto token,
                      MakeAdminToken(AsText(private_key_pem.Reveal()), clock.Now()));
    LOCKET_TRY_ASSIGN(auto response,
                      http.Exchange({.method = method,
                                     .path = path,
                                     .headers = {{"Authorization", "Bearer " + token}},
                                     .body = body}));
    if (response.status == 200) return std::move(response.body);
    return Refusal(response).While("broker '" + url + "'");
  }

  Result<nlohmann::json> List(const std::string& path) const {
    LOCKET_TRY_ASSIGN(const auto body, Call("GET", path, {}));
    LOCKET_TRY_ASSIGN(auto list, ParseJson(body, kMaxHttpBodyBytes).While("broker '" + url + "'"));
    if (list.is_array()) return list;
    return Error(ErrorCode::kInternal, "broker '" + url + "': its answer is no list");
  }
};

BrokerAdminClient::BrokerAdminClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
BrokerAdminClient::BrokerAdminClient(BrokerAdminClient&&) noexcept = default;
BrokerAdminClient::~BrokerAdminClient() = default;

Result<BrokerAdminClient> BrokerAdminClient::Create(BrokerAdminOptions options,
                                                    const Clock& clock) {
  // Says now that the key is no good, not at the first call.
  LOCKET_TRY(MakeAdminToken(AsText(options.private_key_pem.Reveal()), clock.Now()));
  LOCKET_TRY_ASSIGN(auto http, HttpsClient::Create({.url = options.url,
                                                    .ca_pem = options.ca_pem,
                                                    .dial = options.dial,
                                                    .timeout = options.timeout,
                                                    .times = CertificateTimes::kCheck}));
  return BrokerAdminClient(
      std::make_unique<Impl>(Impl{.http = std::move(http),
                                  .private_key_pem = std::move(options.private_key_pem),
                                  .url = options.url,
                                  .clock = clock}));
}

Status BrokerAdminClient::SetResource(const ResourceName& path,
                                      std::span<const std::byte> content) {
  LOCKET_TRY(impl_->Call("POST", "/kbs/v0/resource/" + path.ToPath(), content));
  return Ok();
}

Status BrokerAdminClient::DeleteResource(const ResourceName& path) {
  LOCKET_TRY(impl_->Call("DELETE", "/kbs/v0/resource/" + path.ToPath(), {}));
  return Ok();
}

Result<std::vector<ResourceName>> BrokerAdminClient::ListResources() {
  LOCKET_TRY_ASSIGN(const auto list, impl_->List("/kbs/v0/resources"));
  std::vector<ResourceName> out;
  for (const auto& item : list) {
    LOCKET_TRY_ASSIGN(auto path,
                      ResourceName::FromPath(item.is_string() ? item.get<std::string>() : ""));
    out.push_back(std::move(path));
  }
  return out;
}

Status BrokerAdminClient::SetReleasePolicy(const ReleasePolicy& policy) {
  LOCKET_TRY(impl_->Call("POST", "/kbs/v0/release-policy", AsBytes(EncodeReleasePolicy(policy))));
  return Ok();
}

Status BrokerAdminClient::DeleteReleasePolicy(const ResourceName& path) {
  LOCKET_TRY(impl_->Call("DELETE", "/kbs/v0/release-policy/" + path.ToPath(), {}));
  return Ok();
}

Result<std::vector<ReleasePolicy>> BrokerAdminClient::ListReleasePolicies() {
  LOCKET_TRY_ASSIGN(const auto list, impl_->List("/kbs/v0/release-policy"));
  std::vector<ReleasePolicy> out;
  for (const auto& item : list) {
    LOCKET_TRY_ASSIGN(auto policy, DecodeReleasePolicy(DumpJson(item)));
    out.push_back(std::move(policy));
  }
  return out;
}

}  // namespace locket::attest
