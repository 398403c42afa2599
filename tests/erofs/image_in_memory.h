// Images in memory, and looking into them without mounting.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "base/encoding.h"
#include "erofs/image_reader.h"
#include "tests/erofs/build_image.h"

namespace locket::erofs {

// An image in memory, so that tests can damage it.
struct Bytes {
  std::string image;

  explicit Bytes(const std::string& tar, Compression compression = Compression::kNone,
                 const LowerDirectories* lower = nullptr) {
    Image built;
    built.compression = compression;
    built.lower = lower;
    const auto done = built.Build(SourceOf(tar));
    EXPECT_TRUE(done.ok()) << done.error().message();
    image = ReadFile(built.path, 64U << 20).value();
  }

  Result<ImageReader> Open() const {
    return ImageReader::Open(
        [this](uint64_t offset, std::span<std::byte> out) -> Status {
          EXPECT_LE(offset + out.size(), image.size());
          std::ranges::copy(AsBytes(image).subspan(offset, out.size()), out.begin());
          return Ok();
        },
        image.size());
  }

  void Put(size_t at, std::string_view bytes) { image.replace(at, bytes.size(), bytes); }
};

inline Result<Inode> Find(const ImageReader& image, const std::vector<std::string>& path) {
  LOCKET_TRY_ASSIGN(Inode at, image.Stat(image.root()));
  for (const auto& name : path) {
    LOCKET_TRY_ASSIGN(const auto names, image.List(at));
    const auto found = std::ranges::find(names, name, &NamedNode::name);
    if (found == names.end()) return Error(ErrorCode::kNotFound, "no '" + name + "'");
    LOCKET_TRY_ASSIGN(at, image.Stat(found->nid));
  }
  return at;
}

inline std::string Content(const ImageReader& image, const Inode& file) {
  std::string content;
  const auto read = image.Read(file, [&](std::span<const std::byte> piece) {
    content.append(AsText(piece));
    return Ok();
  });
  EXPECT_TRUE(read.ok()) << read.error().message();
  return content;
}

}  // namespace locket::erofs
