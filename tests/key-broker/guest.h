// A guest for the broker's tests: an emulated launch, and the KBS protocol step by step, so that
// each step can go wrong.
#pragma once

#include <chrono>
#include <string>

#include "attest/emulated_tee.h"
#include "attest/jwe.h"
#include "attest/kbs_messages.h"
#include "attest/release_policy.h"
#include "attest/tee.h"
#include "tests/attest/testing.h"

namespace locket::key_broker {

inline constexpr std::string_view kInitdata =
    "algorithm = \"sha256\"\nversion = \"0.1.0\"\n[data]\n";

attest::LaunchMeasurement TestMeasurement();
attest::HostData TestHostData();  // of kInitdata

// Signs as `launch` was launched.
attest::FakeEvidenceSource SourceFor(const attest::EmulatedTee::Launch& launch);
attest::EmulatedTee::Launch TestLaunch();

// Releases `resource` to TestLaunch().
attest::ReleasePolicy TestPolicy(const std::string& resource);

}  // namespace locket::key_broker
