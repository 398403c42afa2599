// locket-tee-emulator: stands where firmware and TEE hardware stand. Measures what QEMU is about to
// boot, starts it as its child, and signs reports for it until it ends. Protects nothing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "attest/emulated_tee.h"
#include "base/result.h"

namespace locket::attest {

struct EmulatorInit {
  std::filesystem::path directory;
};

struct EmulatorLaunch {
  std::filesystem::path directory;
  std::filesystem::path socket;  // QEMU's chardev for port dev.locket.tee connects here
  HostData host_data;
  uint64_t policy = kSnpPolicyReserved;
  std::vector<std::string> qemu;  // argv
};

struct EmulatorHelp {
  std::string text;
};

using EmulatorCommand = std::variant<EmulatorInit, EmulatorLaunch, EmulatorHelp>;

// `arguments` without the program's name. kInvalidArgument: a usage error.
Result<EmulatorCommand> ParseEmulatorArguments(const std::vector<std::string>& arguments);

// Blocks SIGTERM, SIGINT and SIGCHLD in the calling thread for good; passes the first two on to
// QEMU. The value is QEMU's exit status as a shell counts it. QEMU dies with this process, however
// that ends; the socket is gone afterwards.
Result<int> RunEmulator(const EmulatorLaunch& launch);

}  // namespace locket::attest
