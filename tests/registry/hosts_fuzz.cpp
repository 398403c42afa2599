// Any hosts.toml is refused, or ends in the server itself; each endpoint has a URL or a problem.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "registry/hosts.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locket::registry;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto endpoints = ParseHostsToml(text, "r.example", "/d");
  if (endpoints.ok() && (endpoints->empty() || endpoints->back().is_mirror)) std::abort();
  if (!endpoints.ok()) return 0;
  for (const auto& endpoint : *endpoints) {
    if (endpoint.problem.empty() != ParseUrl(endpoint.base_url).ok()) std::abort();
  }
  return 0;
}
