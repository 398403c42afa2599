// The administrator's half of Broker.
#include "attest/common/json.h"
#include "attest/kbs/admin_token.h"
#include "attest/kbs/kbs_messages.h"
#include "base/encoding.h"
#include "key-broker/admin_routes.h"
#include "key-broker/broker.h"
#include "key-broker/problems.h"

namespace locket::key_broker {
namespace {

constexpr std::string_view kResource = "/kbs/v0/resource/";
constexpr std::string_view kResources = "/kbs/v0/resources";
constexpr std::string_view kPolicies = "/kbs/v0/release-policy";
constexpr std::string_view kPolicy = "/kbs/v0/release-policy/";

struct AdminRoute {
  std::string action;    // for the audit log
  std::string resource;  // the path's last part, as it was written
};

std::optional<AdminRoute> RouteOf(const Request& request) {
  const std::string& path = request.path;
  const auto tail = [&](std::string_view prefix) { return path.substr(prefix.size()); };
  if (request.method == "GET" && path == kResources) return AdminRoute{"list-resources", ""};
  if (request.method == "GET" && path == kPolicies) return AdminRoute{"list-policies", ""};
  if (request.method == "POST" && path == kPolicies) return AdminRoute{"set-policy", ""};
  if (path.starts_with(kResource)) {
    if (request.method == "POST") return AdminRoute{"set-resource", tail(kResource)};
    if (request.method == "DELETE") return AdminRoute{"delete-resource", tail(kResource)};
  }
  if (path.starts_with(kPolicy) && request.method == "DELETE") {
    return AdminRoute{"delete-policy", tail(kPolicy)};
  }
  return std::nullopt;
}

Response Done() { return {.body = "{}"}; }

}  // namespace

bool IsAdministration(const Request& request) { return RouteOf(request).has_value(); }

Status Broker::CheckAdmin(const Request& request) const {
  if (!options_.admin_public_pem) {
    return Error(ErrorCode::kPermissionDenied,
                 "this broker has no administrator: admin.public_key is not configured");
  }
  constexpr std::string_view kBearer = "Bearer ";
  if (!request.authorization.starts_with(kBearer)) {
    return Error(ErrorCode::kPermissionDenied, "an administrator's token is missing");
  }
  return attest::CheckAdminToken(request.authorization.substr(kBearer.size()),
                                 *options_.admin_public_pem, clock_.Now());
}

Broker::Answer Broker::ListPolicies() {
  auto out = nlohmann::json::array();
  LOCKET_TRY_ASSIGN(const auto names, store_.List(Table::kPolicy));
  for (const auto& name : names) {
    const auto stored = store_.Get(Table::kPolicy, name);
    if (!stored.ok() && stored.error().code() == ErrorCode::kNotFound) continue;  // just deleted
    if (!stored.ok()) return stored.error();
    LOCKET_TRY_ASSIGN(auto policy, attest::ParseJsonObject(AsText(stored->Reveal())));
    out.push_back(std::move(policy));
  }
  return Response{.body = DumpJson(out)};
}

Broker::Answer Broker::AdminCall(const Request& request) {
  const auto route = RouteOf(request);
  if (route->action == "list-policies") return ListPolicies();
  if (route->action == "list-resources") {
    LOCKET_TRY_ASSIGN(const auto names, store_.List(Table::kResource));
    return Response{.body = DumpJson(names)};
  }
  if (route->action == "set-policy") {
    LOCKET_TRY_ASSIGN(const auto policy,
                      attest::DecodeReleasePolicy(AsText(request.body.Reveal())));
    LOCKET_TRY(attest::CheckReleasePolicy(policy).While("release policy"));
    LOCKET_TRY(store_.Put(Table::kPolicy, policy.resource.ToPath(),
                          AsBytes(attest::EncodeReleasePolicy(policy))));
    return Done();
  }
  LOCKET_TRY_ASSIGN(const auto path, ResourceName::FromPath(route->resource));
  if (route->action == "set-resource") {
    if (request.body.Reveal().empty()) {
      return Error(ErrorCode::kInvalidArgument, "the resource is empty");
    }
    LOCKET_TRY(store_.Put(Table::kResource, path.ToPath(), request.body.Reveal()));
    return Done();
  }
  LOCKET_TRY(store_.Delete(route->action == "delete-resource" ? Table::kResource : Table::kPolicy,
                           path.ToPath()));
  return Done();
}

Response Broker::Administer(const Request& request) {
  const auto route = RouteOf(request);
  if (!route) return NoSuchPath(request.path);
  const auto admin = CheckAdmin(request);
  AuditEntry entry{.action = route->action,
                   .allowed = admin.ok(),
                   .resource = route->resource,
                   .reason = {},
                   .peer = request.peer};
  if (!admin.ok()) {
    NoteRefusal(std::move(entry), admin.error());
    return Refuse(attest::kAdminAuthError, admin.error());
  }
  // Before it happens: a change nobody wrote down must not be.
  const auto written = audit_.Record(entry);
  if (!written.ok()) return Broken(written.error());
  auto answer = AdminCall(request);
  if (answer.ok()) return *std::move(answer);
  switch (answer.error().code()) {
    case ErrorCode::kInvalidArgument:
      return Refuse(attest::kInvalidRequest, answer.error());
    case ErrorCode::kNotFound:
      return Refuse(attest::kResourceNotFound, answer.error());
    default:
      return Broken(answer.error());
  }
}

}  // namespace locket::key_broker
