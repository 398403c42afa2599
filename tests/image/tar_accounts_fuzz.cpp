// Any bytes, in any pieces: the same answer, and what is kept is bounded.
#include <cstdint>
#include <cstdlib>

#include "image/tar_accounts.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  locket::image::TarAccountsWatcher whole;
  whole.Feed(bytes);
  locket::image::TarAccountsWatcher pieces;
  const size_t step = size == 0 ? 1 : data[0] % 97 + 1;
  for (size_t at = 0; at < size; at += step)
    pieces.Feed(bytes.subspan(at, std::min(step, size - at)));
  if (!(whole.found() == pieces.found())) std::abort();
  locket::image::ImageAccounts image;
  image.AddLayer(whole.found());
  for (const char* user : {"", "root", "0:root"}) {
    const auto resolved = image.Resolve(user);
    if (resolved.ok() && resolved->find(':') == std::string::npos) std::abort();
  }
  return 0;
}
