// Whatever stands on standard input, `start` is for an identifier in a namespace, with the flags'
// own where there are flags, and its options are ours.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "runtime-shim/command/start_request.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locket::runtime_shim;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  CommandLine flags{.action = Action::kStart};
  for (const bool with_flags : {false, true}) {
    if (with_flags) flags.namespace_name = flags.id = "pod";
    const auto request = DecodeStartRequest(flags, input);
    if (!request.ok()) {
      if (request.error().code() != locket::ErrorCode::kInvalidArgument) std::abort();
      continue;
    }
    if (!IsIdentifier(request->line.id) || !IsIdentifier(request->line.namespace_name)) {
      std::abort();
    }
    if (with_flags && request->line.id != flags.id) std::abort();
    if (!request->options.empty() &&
        request->options.find("runtimeoptions.v1.Options") == std::string::npos) {
      std::abort();
    }
    if (EncodeStartAnswer(*request, "unix:///s").empty()) std::abort();
  }
  return 0;
}
