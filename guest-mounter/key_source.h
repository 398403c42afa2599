// Where key encryption keys come from: a broker that believes this guest.
#pragma once

#include "base/result.h"
#include "base/secret.h"
#include "image/sealed/key_packet.h"

namespace locket::guest_mounter {

class KeySource {
 public:
  virtual ~KeySource() = default;

  // kPermissionDenied: the broker refuses, its reason stands in the message. kUnavailable: it could
  // not be reached.
  virtual Result<Secret> FetchKek(const image::ResourceId& id) = 0;
};

}  // namespace locket::guest_mounter
