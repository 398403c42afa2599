// The guest's side of the KBS protocol: attest once, then fetch resources.
//
// The host relays the bytes and can do no more than cut the connection: TLS ends here, the given CA
// is the only root, and the host name is checked. Certificate times are ignored, because the
// guest's clock is set by the host. What a broker releases comes encrypted for a key that was made
// here.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "attest/evidence/evidence.h"
#include "attest/http/dialer.h"
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
  // Connects to nobody yet. kInvalidArgument: a URL that is not https, or a CA that is no
  // certificate.
  static Result<std::unique_ptr<KbsClient>> Create(KbsClientOptions options,
                                                   EvidenceSource& evidence);
  ~KbsClient() override;

  // The first call attests; later ones reuse the token. When the broker says that the token or the
  // session has ended, attests once more, and never twice in one call. After a failure the next
  // call starts where this one failed: with a new attestation, or with the token that is still
  // good. Beyond the codes of SecretSource: kInvalidArgument: the broker's answer is malformed.
  // kDataLoss: the resource was encrypted for another key or changed. kInternal: the broker failed.
  Result<Secret> FetchSecret(const ResourceName& name) override;

 private:
  struct Impl;
  explicit KbsClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace locket::attest
