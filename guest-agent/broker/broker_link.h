// This guest's way to its broker: evidence from the TEE, bytes through the relay.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "attest/kbs_client.h"
#include "attest/tee.h"
#include "base/result.h"
#include "guest-agent/broker/relay.h"
#include "guest-agent/policy/guest_initdata.h"

namespace locket::guest_agent {

// The TEE this guest runs in, and its name for GetInfo.
struct GuestTee {
  std::string name;                                  // "emulated" or "none"
  std::unique_ptr<attest::EvidenceSource> evidence;  // never null; without a TEE it only refuses
};

// Looks for the emulated TEE's port.
Result<GuestTee> FindTee();

// Whether a launch may go without a TEE: only if its kernel command line, which every TEE measures,
// has the word `locket.tee=none`. Else a host could take a TEE away from a guest to have its own
// initdata taken for the tenant's.
bool MayLackTee(std::string_view command_line);

// The host_data of this guest's own report. kFailedPrecondition: no TEE.
Result<std::array<std::byte, 32>> OwnHostData(attest::EvidenceSource& evidence);

// A client for the broker in `initdata`; it connects when first asked. `evidence` and `relay`
// outlive it.
Result<std::unique_ptr<attest::KbsClient>> ConnectBroker(const GuestInitdata& initdata,
                                                         attest::EvidenceSource& evidence,
                                                         Relay& relay);

}  // namespace locket::guest_agent
