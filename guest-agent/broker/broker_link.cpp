#include "guest-agent/broker/broker_link.h"

#include "attest/emulator/emulated_evidence_source.h"
#include "guest-agent/broker/virtio_ports.h"

namespace locket::guest_agent {
namespace {

class NoEvidence final : public attest::EvidenceSource {
 public:
  // A broker is asked for a challenge before the evidence is needed. With a name that it knows, the
  // error is the one below, which says what to do.
  std::string_view tee() const override { return attest::kSnpTee; }
  Result<attest::Evidence> GetEvidence(const attest::ReportData&) override { return NoTee(); }
  Result<attest::HostData> OwnHostData() override { return NoTee(); }

 private:
  static Error NoTee() {
    return {ErrorCode::kFailedPrecondition,
            "this guest runs in no TEE, so it cannot attest; set the shim's 'tee'"};
  }
};

}  // namespace

Result<GuestTee> FindTee() {
  LOCKET_TRY_ASSIGN(auto port, OpenPortIfPresent(kTeePort));
  if (!port) return GuestTee{.name = "none", .evidence = std::make_unique<NoEvidence>()};
  return GuestTee{.name = "emulated",
                  .evidence = std::make_unique<attest::EmulatedEvidenceSource>(std::move(*port))};
}

bool MayLackTee(std::string_view command_line) {
  while (!command_line.empty()) {
    const auto end = command_line.find_first_of(" \n");
    if (command_line.substr(0, end) == "locket.tee=none") return true;
    command_line.remove_prefix(end == std::string_view::npos ? command_line.size() : end + 1);
  }
  return false;
}

Result<std::unique_ptr<attest::KbsClient>> ConnectBroker(const GuestInitdata& initdata,
                                                         attest::EvidenceSource& evidence,
                                                         Relay& relay) {
  return attest::KbsClient::Create(
      {.url = initdata.policy.broker->url,
       .ca_pem = initdata.policy.broker->ca,
       .dial = [&relay](
                   const std::string& address,
                   std::chrono::milliseconds timeout) { return relay.Connect(address, timeout); },
       .initdata_toml = initdata.toml},
      evidence);
}

}  // namespace locket::guest_agent
