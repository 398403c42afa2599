// The operator's side of locket-broker: resources and release policies, over HTTPS with a given CA.
// These calls are locket's own; the KBS protocol has none for release policies.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attest/evidence/release_policy.h"
#include "attest/http/dialer.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"

namespace locket::attest {

struct BrokerAdminOptions {
  std::string url;         // https://host[:port]
  std::string ca_pem;      // the only roots trusted; certificate times are checked here
  Secret private_key_pem;  // Ed25519, PKCS #8
  Dialer dial = TcpDialer();
  std::chrono::milliseconds timeout = std::chrono::seconds(30);
};

// Each call is one connection with a fresh token, and none is repeated. Not thread-safe.
// kPermissionDenied: the broker refused; the message has its reason. kInvalidArgument: it did not
// understand the request, or its answer was malformed. kNotFound: see the calls. kUnavailable,
// kDeadlineExceeded: not reached or too slow; whether a change was made is then unknown, and the
// call may be repeated. kInternal: the broker failed; its log says why.
class BrokerAdminClient {
 public:
  // Connects to nobody yet. `clock` outlives the client. kInvalidArgument: a URL that is not https,
  // no certificate in the CA, or a key that is not an Ed25519 private key.
  static Result<BrokerAdminClient> Create(BrokerAdminOptions options, const Clock& clock);
  BrokerAdminClient(BrokerAdminClient&&) noexcept;
  BrokerAdminClient& operator=(BrokerAdminClient&&) = delete;
  ~BrokerAdminClient();

  // Stores `content` under `path`, in place of what is there. It is durable on return.
  Status SetResource(const ResourceName& path, std::span<const std::byte> content);
  Status DeleteResource(const ResourceName& path);  // kNotFound: it was not there
  Result<std::vector<ResourceName>> ListResources();

  // Stores the policy, in place of the resource's former one. The resource need not exist yet. The
  // policy holds for the next request, also of guests that have attested before.
  Status SetReleasePolicy(const ReleasePolicy& policy);
  Status DeleteReleasePolicy(const ResourceName& path);  // kNotFound: there was none
  Result<std::vector<ReleasePolicy>> ListReleasePolicies();

 private:
  struct Impl;
  explicit BrokerAdminClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace locket::attest
