#pragma once

#include "attest/kbs_client.h"
#include "guest-mounter/key_source.h"

namespace locket::guest_agent {

// Key encryption keys as resources of the broker.
class KbsKeySource final : public guest_mounter::KeySource {
 public:
  explicit KbsKeySource(attest::ResourceSource& broker) : broker_(broker) {}
  Result<Secret> FetchKek(const image::ResourceId& id) override {
    return broker_.GetResource(id.ToText());
  }

 private:
  attest::ResourceSource& broker_;
};

}  // namespace locket::guest_agent
