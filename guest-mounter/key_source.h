// Where key encryption keys come from. In a guest that is a broker, which gives a key to a guest
// whose attestation report it accepts (guest-agent: KbsKeySource); for locket-mounter it is files.
#pragma once

#include "base/result.h"
#include "base/secret.h"
#include "image/sealed/key_packet.h"

namespace locket::guest_mounter {

class KeySource {
 public:
  virtual ~KeySource() = default;

  // Returns the key that wraps the layer keys of packets with `id`. It may take as long as a broker
  // does, and is asked again each time: an image's keys are not kept after it is open. Called by
  // one thread at a time. kPermissionDenied: the broker refuses, and the message has its reason;
  // the release policy or the guest has to change. kUnavailable: the broker was not reached, and
  // may be later.
  virtual Result<Secret> FetchKek(const image::ResourceId& id) = 0;
};

}  // namespace locket::guest_mounter
