// This guest's way to its broker: evidence from the TEE, bytes through the relay.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "attest/evidence/evidence.h"
#include "attest/kbs/kbs_client.h"
#include "base/result.h"
#include "guest-agent/broker/relay.h"
#include "guest-agent/policy/guest_initdata.h"

namespace locket::guest_agent {

// The TEE this guest runs in.
struct GuestTee {
  std::string name;                                  // "emulated" or "none"
  std::unique_ptr<attest::EvidenceSource> evidence;  // never null; without a TEE it only refuses
};

// Looks for the emulated TEE's port, and returns the TEE that it finds. Without a TEE it returns
// one named "none" whose evidence is an error. Another error: there is a port and it cannot be
// used.
Result<GuestTee> FindTee();

// Returns whether this launch may be without a TEE: only if the kernel command line, which every
// TEE measures, has the word `locket.tee=none`. Otherwise a host could take the TEE away from a
// guest and pass its own initdata off as the tenant's.
bool MayLackTee(std::string_view command_line);

// Returns a client of the broker in the policy of `initdata`, which must have one. The client
// connects and attests when it is first asked for a resource. `evidence` and `relay` outlive it.
// kInvalidArgument: the broker's URL or certificate is malformed.
Result<std::unique_ptr<attest::KbsClient>> ConnectBroker(const GuestInitdata& initdata,
                                                         attest::EvidenceSource& evidence,
                                                         Relay& relay);

}  // namespace locket::guest_agent
