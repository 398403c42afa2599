// verity-tree IMAGE HASHES: the hash tree of IMAGE as `veritysetup format` makes it, with a salt of
// zeros; prints the root hash. For seal-bench.
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>

#include "base/encoding.h"
#include "base/file.h"
#include "image/seal/data_area.h"
#include "verity/superblock.h"

namespace {

using namespace locket;

Result<verity::Sha256Digest> MakeTree(const char* image_path, const char* hashes_path) {
  LOCKET_TRY_ASSIGN(const UniqueFd data, OpenFile(image_path, O_RDONLY));
  LOCKET_TRY_ASSIGN(const UniqueFd hashes, OpenFile(hashes_path, O_WRONLY | O_CREAT | O_TRUNC));
  struct stat info {};
  if (::fstat(data.get(), &info) != 0) return Error::FromErrno(errno, "stat image");
  LOCKET_TRY_ASSIGN(const auto layout, verity::LayoutFor(static_cast<uint64_t>(info.st_size)));
  const verity::Salt salt{};
  verity::HashTreeBuilder tree(salt, layout);
  LOCKET_TRY(image::HashDataArea(data.get(), layout.data_size, tree, /*blob_hash=*/nullptr));
  LOCKET_TRY(
      WriteFull(hashes.get(), verity::EncodeSuperblock(verity::SuperblockFor(salt, layout))));
  return tree.Finish(
      [&](std::span<const std::byte> bytes) { return WriteFull(hashes.get(), bytes); });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: verity-tree IMAGE HASHES\n", stderr);
    return 2;
  }
  const auto root = MakeTree(argv[1], argv[2]);
  if (!root.ok()) {
    std::fprintf(stderr, "verity-tree: %s\n", root.error().message().c_str());
    return 1;
  }
  std::puts(HexEncode(*root).c_str());
  return 0;
}
