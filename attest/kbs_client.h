// The guest's side of the KBS protocol: attest once, then fetch resources. TLS ends here: the CA
// given is the only root, the host name is checked, and certificate times are ignored, because
// the guest's clock is the host's to lie about.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "attest/dialer.h"
#include "attest/tee.h"
#include "base/result.h"
#include "base/secret_source.h"

namespace locket::attest {

struct KbsClientOptions {
  std::string url;     // https://host[:port]
  std::string ca_pem;  // the only roots trusted
  Dialer dial;         // makes one connection an exchange
  std::string initdata_toml{};
  std::chrono::milliseconds timeout = std::chrono::seconds(30);  // for each exchange, in full
};

// Thread-safe: calls wait for one another. `evidence` outlives the client.
class KbsClient final : public SecretSource {
 public:
  // kInvalidArgument: a URL that is not https, or a CA that is no certificate.
  static Result<std::unique_ptr<KbsClient>> Create(KbsClientOptions options,
                                                   EvidenceSource& evidence);
  ~KbsClient() override;

  // The first call attests; later ones reuse the token. When the broker says that the token or the
  // session has ended, attests once more, and never twice in one call.
  Result<Secret> FetchSecret(const ResourceName& name) override;

 private:
  struct Impl;
  explicit KbsClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace locket::attest
