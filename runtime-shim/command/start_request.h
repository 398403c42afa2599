// What containerd asks of `shim start`: by flags and environment up to 2.2, by a message on
// standard input (BootstrapParams) since 2.3.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "runtime-shim/config/command_line.h"

namespace locket::runtime_shim {

inline constexpr size_t kMaxStartInput = 1U << 20;

// Both forms, reduced to one.
struct StartRequest {
  CommandLine line;         // as if containerd had given all of it by flags
  std::string options{};    // a serialised Any; empty: none
  bool by_message = false;  // so the answer is a BootstrapResult
  bool operator==(const StartRequest&) const = default;
};

// Returns what containerd asks for. `line`: what the flags say, which may be nothing. `input`: all
// of standard input: up to containerd 2.2 the runtime options, since 2.3 BootstrapParams.
//
// Protobuf lets either message parse as the other one. So `input` counts as BootstrapParams if its
// instance ID and namespace are those of the flags or, without flags, are identifiers. What
// BootstrapParams say takes precedence over flags and environment.
//
// kInvalidArgument: `input` has neither form, is longer than kMaxStartInput, or is about another
// container than the flags; there is no ID or no namespace at all; or the options are those of
// another runtime.
Result<StartRequest> DecodeStartRequest(const CommandLine& line, std::string_view input);

// Returns what `start` prints: the address as it is, or a serialised BootstrapResult with it.
std::string EncodeStartAnswer(const StartRequest& request, const std::string& address);

}  // namespace locket::runtime_shim
