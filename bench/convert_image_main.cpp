// convert-image LAYOUT:TAG ROOT: what the snapshotter does with an ordinary image that it is to
// convert, its registry being an OCI layout; prints where the time went; for convert-bench.
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "image/local/local_image.h"
#include "snapshotter/convert/converter.h"

namespace {

using namespace locket;

constexpr size_t kPieceBytes = 1U << 20;

class LayoutFetcher final : public snapshotter::Fetcher {
 public:
  explicit LayoutFetcher(image::ImageSource& layout) : layout_(layout) {}

  Result<std::string> FetchManifest(const std::string&, const image::Digest&,
                                    const std::stop_token&) override {
    LOCKET_TRY_ASSIGN(auto manifest, layout_.GetManifest());
    return std::move(manifest.bytes);
  }

  Status FetchBlob(const std::string&, const image::Descriptor& blob, int fd,
                   const std::stop_token&) override {
    LOCKET_TRY_ASSIGN(const auto stream, layout_.OpenBlob(blob));
    std::vector<std::byte> piece(kPieceBytes);
    while (true) {
      LOCKET_TRY_ASSIGN(const size_t got, stream->Read(piece));
      if (got == 0) return Ok();
      LOCKET_TRY(WriteFull(fd, std::span(piece).first(got)));
    }
  }

 private:
  image::ImageSource& layout_;
};

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

Result<std::string> Convert(const std::string& layout, const std::string& directory) {
  LOCKET_TRY_ASSIGN(const auto location, image::ParseImageLocation("oci:" + layout));
  LOCKET_TRY_ASSIGN(const auto source, image::OpenLocalSource(location));
  LOCKET_TRY_ASSIGN(const auto content, source->GetManifest());
  LOCKET_TRY_ASSIGN(auto manifest, image::DecodeManifest(content.bytes));
  LOCKET_TRY_ASSIGN(const auto root, snapshotter::RootDirectory::Open(directory));
  LayoutFetcher fetcher(*source);
  snapshotter::BlobCache blobs(root, fetcher);
  const SystemClock clock;
  LOCKET_TRY_ASSIGN(const auto converter,
                    snapshotter::Converter::Open({.root = root, .blobs = blobs, .clock = clock}));
  const auto start = std::chrono::steady_clock::now();
  LOCKET_TRY_ASSIGN(const auto converted,
                    converter->Convert({.reference = layout,
                                        .manifest_digest = content.descriptor.digest,
                                        .manifest = std::move(manifest)},
                                       /*gave_up=*/{}));
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  uint64_t bytes = 0;
  for (const auto& layer : converted->manifest.layers) bytes += layer.size;
  char line[64];
  std::snprintf(line, sizeof line, "%.3f %.3f %ld ", wall.count(),
                Seconds(usage.ru_utime) + Seconds(usage.ru_stime), usage.ru_maxrss);
  return line + std::to_string(bytes) + " " + converted->manifest_digest.ToText();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: convert-image LAYOUT:TAG ROOT\n", stderr);
    return 2;
  }
  const auto done = Convert(argv[1], argv[2]);
  if (!done.ok()) {
    std::fprintf(stderr, "convert-image: %s\n", done.error().message().c_str());
    return 1;
  }
  std::printf("%s\n", done->c_str());
  return 0;
}
