// Any resolv.conf is refused, or gives what a guest takes: addresses, and words in bounded number.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "runtime-shim/host/resolv_conf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locket::runtime_shim;
  const auto config = ParseResolvConf({reinterpret_cast<const char*>(data), size});
  if (!config.ok()) return 0;
  if (config->nameservers.size() > kMaxNameservers || config->searches.size() > kMaxSearches ||
      config->options.size() > kMaxResolverOptions) {
    std::abort();
  }
  for (const auto& address : config->nameservers) {
    if (address.size() != 4 && address.size() != 16) std::abort();
  }
  for (const auto* words : {&config->searches, &config->options}) {
    for (const auto& word : *words) {
      if (word.empty() || word.find_first_of(" \t\n") != std::string::npos) std::abort();
    }
  }
  return 0;
}
