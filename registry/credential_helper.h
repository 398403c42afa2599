// docker's credential helpers: programs `docker-credential-NAME` that keep the passwords elsewhere.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "registry/credentials.h"

namespace locket::registry {

struct HelperOptions {
  std::filesystem::path directory{};  // where the program is; empty: in PATH
  std::chrono::milliseconds timeout = std::chrono::seconds(20);
};

// Who we are to `server`, from `docker-credential-<name> get`. Nothing: the helper does not know.
// kFailedPrecondition: it is not installed, fails, does not end or answers nonsense.
Result<std::optional<Credentials>> AskCredentialHelper(const std::string& name,
                                                       const std::string& server,
                                                       const HelperOptions& options = {});

// What a helper printed. Nothing: it knows the server, but has neither name nor password.
// kInvalidArgument: not what the protocol says. Exposed for fuzzing.
Result<std::optional<Credentials>> ParseHelperAnswer(std::string_view json);

}  // namespace locket::registry
