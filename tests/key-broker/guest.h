// A guest for the broker's tests: an emulated launch, and the KBS protocol step by step, so that
// each step can go wrong.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "attest/emulator/emulated_tee.h"
#include "attest/emulator/emulated_verifier.h"
#include "attest/evidence/fake_evidence_source.h"
#include "attest/evidence/release_policy.h"
#include "attest/jose/jwe.h"
#include "attest/kbs/kbs_messages.h"
#include "tests/attest/testing.h"

namespace locket::key_broker {

inline constexpr std::string_view kInitdata =
    "algorithm = \"sha256\"\nversion = \"0.1.0\"\n[data]\n";

attest::LaunchMeasurement TestMeasurement();
attest::HostData TestHostData();  // of kInitdata

// Signs as `launch` was launched.
attest::FakeEvidenceSource SourceFor(const attest::EmulatedTee::Launch& launch);
attest::EmulatedTee::Launch TestLaunch();

// The emulated root in front of AMD's, as the broker has them with [emulated].
std::vector<std::unique_ptr<attest::Verifier>> TestVerifiers(
    attest::EmulatedGuests guests = attest::EmulatedGuests::kAllow);
// AMD's root alone.
std::vector<std::unique_ptr<attest::Verifier>> GenuineVerifiers();

// Releases `resource` to TestLaunch().
attest::ReleasePolicy TestPolicy(const std::string& resource);

}  // namespace locket::key_broker
