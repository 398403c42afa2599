// seal-layer TAR BLOB [--encrypt | --compress]: seals one layer and prints where the time went; for
// seal-bench.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <string_view>

#include "base/encoding.h"
#include "base/file.h"
#include "image/seal/seal_layer.h"

namespace {

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

int Fail(const locket::Error& error) {
  std::fprintf(stderr, "seal-layer: %s\n", error.message().c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace locket;
  const bool encrypt = argc == 4 && std::string_view(argv[3]) == "--encrypt";
  const bool compress = argc == 4 && std::string_view(argv[3]) == "--compress";
  if (argc != 3 && !encrypt && !compress) {
    std::fputs("usage: seal-layer TAR BLOB [--encrypt | --compress]\n", stderr);
    return 2;
  }
  const auto tar = OpenFile(argv[1], O_RDONLY);
  if (!tar.ok()) return Fail(tar.error());
  const auto read_tar = [&](std::span<std::byte> out) -> Result<size_t> {
    const ssize_t got = ::read(tar->get(), out.data(), out.size());
    if (got < 0) return Error::FromErrno(errno, "read tar");
    return static_cast<size_t>(got);
  };
  const auto start = std::chrono::steady_clock::now();
  const auto layer =
      image::SealLayer({.encrypt = encrypt, .compress = compress}, read_tar, argv[2]);
  if (!layer.ok()) return Fail(layer.error());
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  std::printf("%.2f %.2f %ld %llu %s\n", wall.count(),
              Seconds(usage.ru_utime) + Seconds(usage.ru_stime), usage.ru_maxrss,
              static_cast<unsigned long long>(layer->blob_size),
              HexEncode(layer->root_hash).c_str());
  return 0;
}
