// What containerd asks of `shim start`: by flags and environment up to 2.2, by a message on
// standard input (BootstrapParams) since 2.3.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "runtime-shim/config/command_line.h"

namespace locket::runtime_shim {

inline constexpr size_t kMaxStartInput = 1U << 20;

struct StartRequest {
  CommandLine line;         // as if containerd had given all of it by flags
  std::string options{};    // a serialised Any; empty: none
  bool by_message = false;  // so the answer is a BootstrapResult
  bool operator==(const StartRequest&) const = default;
};

// `line`: what the flags say, which may be nothing; `input`: all of standard input. Either form of
// the message parses as the other one: BootstrapParams is one whose instance ID and namespace are
// those of the flags, or, without flags, identifiers. What it says goes before flags and
// environment. kInvalidArgument: neither form, too long, another container than the flags' one, no
// ID or namespace at all, or the options of another runtime.
Result<StartRequest> DecodeStartRequest(const CommandLine& line, std::string_view input);

// What `start` prints: the address as it is, or a serialised BootstrapResult.
std::string EncodeStartAnswer(const StartRequest& request, const std::string& address);

}  // namespace locket::runtime_shim
