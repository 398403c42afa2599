// The operator's side of locket-broker: resources and release policies, over HTTPS with a given CA.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attest/dialer.h"
#include "attest/release_policy.h"
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

// Errors: kPermissionDenied with the broker's reason; kNotFound; kUnavailable; kDeadlineExceeded.
class BrokerAdminClient {
 public:
  // `clock` outlives the client.
  static Result<BrokerAdminClient> Create(BrokerAdminOptions options, const Clock& clock);
  BrokerAdminClient(BrokerAdminClient&&) noexcept;
  BrokerAdminClient& operator=(BrokerAdminClient&&) = delete;
  ~BrokerAdminClient();

  // Replaces what is there.
  Status SetResource(const ResourceName& path, std::span<const std::byte> content);
  Status DeleteResource(const ResourceName& path);  // kNotFound: it was not there
  Result<std::vector<ResourceName>> ListResources();

  // Replaces the resource's policy. The resource need not exist yet.
  Status SetReleasePolicy(const ReleasePolicy& policy);
  Status DeleteReleasePolicy(const ResourceName& path);  // kNotFound: there was none
  Result<std::vector<ReleasePolicy>> ListReleasePolicies();

 private:
  struct Impl;
  explicit BrokerAdminClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace locket::attest
