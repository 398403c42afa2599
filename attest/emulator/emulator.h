// locket-tee-emulator: takes the place of firmware and TEE hardware on machines without a TEE. It
// measures what QEMU is about to boot, starts QEMU as its child, and signs reports for the guest
// until QEMU ends. Protects nothing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "attest/emulator/emulated_tee.h"
#include "base/result.h"

namespace locket::attest {

// `locket-tee-emulator init --dir DIR`: make a test root.
struct EmulatorInit {
  std::filesystem::path directory;
};

// `locket-tee-emulator launch ... -- qemu-system-x86_64 ARGS...`.
struct EmulatorLaunch {
  std::filesystem::path directory;
  std::filesystem::path socket;  // QEMU's chardev for port dev.locket.tee connects here
  HostData host_data;
  uint64_t policy = kSnpPolicyReserved;
  std::vector<std::string> qemu;  // argv
};

// --help or --version: print this and end.
struct EmulatorHelp {
  std::string text;
};

using EmulatorCommand = std::variant<EmulatorInit, EmulatorLaunch, EmulatorHelp>;

// Reads the command line, without the program's name. What is behind "--" is QEMU's and is not
// looked at. kInvalidArgument: a usage error; the message says what to change.
Result<EmulatorCommand> ParseEmulatorArguments(const std::vector<std::string>& arguments);

// Runs QEMU to its end and returns its exit status as a shell counts it: 128 plus the signal's
// number if a signal ended it. Blocks SIGTERM, SIGINT and SIGCHLD in the calling thread for good,
// and passes the first two on to QEMU. QEMU is killed when this process dies, even by SIGKILL. On
// any return the socket is removed and no QEMU is left.
// kInvalidArgument: what boots cannot be measured, or the socket's path is too long.
Result<int> RunEmulator(const EmulatorLaunch& launch);

}  // namespace locket::attest
