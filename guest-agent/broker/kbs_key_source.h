// Adapts the broker's client to what guest-mounter asks for.
#pragma once

#include "attest/kbs_client.h"
#include "guest-mounter/key_source.h"

namespace locket::guest_agent {

// Gives the mounter key encryption keys: resources of the broker, by their names. `broker` outlives
// the object. Errors of FetchKek are those of GetResource.
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
