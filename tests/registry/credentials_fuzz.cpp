// Any credentials file is refused, or asked without running a program, or wrong for one registry;
// any answer of a helper is refused, or names a user.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "registry/credential_helper.h"
#include "registry/credentials.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locket;
  using namespace locket::registry;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CredentialStore store([](const std::string& name, const std::string& server) {
    if (name.empty() || server.empty()) std::abort();
    return Result<std::optional<Credentials>>(std::optional<Credentials>());
  });
  if (store.Add(text).ok()) {
    const auto found = store.Find("r.example", "a/b");
    if (found.ok() && *found && (*found)->username.empty()) std::abort();
    if (!found.ok() && found.error().code() != ErrorCode::kInvalidArgument) std::abort();
  }
  const auto answer = ParseHelperAnswer(text);
  if (answer.ok() && *answer && (*answer)->username.empty()) std::abort();
  return 0;
}
