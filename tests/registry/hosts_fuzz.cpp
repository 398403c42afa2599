// Any hosts.toml is refused, or ends in the server itself; any credentials file is refused or read.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "registry/credentials.h"
#include "registry/hosts.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locket::registry;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto endpoints = ParseHostsToml(text, "r.example", "/d");
  if (endpoints.ok() && (endpoints->empty() || endpoints->back().is_mirror)) std::abort();
  CredentialStore store;
  if (store.Add(text).ok()) static_cast<void>(store.Find("r.example", "a/b"));
  return 0;
}
