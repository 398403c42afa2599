// A response is read the same way whether it arrives at once or has ended; a prefix of a response
// is never refused for being a prefix.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "attest/http/http_message.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locket::attest;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto ended = ParseHttpResponse(text, /*ended=*/true);
  const auto open = ParseHttpResponse(text, /*ended=*/false);
  if (open.ok() && open->has_value()) {
    if (!ended.ok() || !ended->has_value() || (*ended)->body != (*open)->body) std::abort();
    if ((*open)->body.size() > kMaxHttpBodyBytes) std::abort();
  }
  if (ended.ok() && ended->has_value()) {
    if (!ParseHttpResponse(text.substr(0, size / 2), /*ended=*/false).ok()) std::abort();
  }
  (void)ParseHttpsUrl(text);
  return 0;
}
