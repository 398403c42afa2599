// verity-tree IMAGE HASHES: the hash tree of IMAGE as `veritysetup format` makes it, with a salt of
// zeros; prints the root hash. For seal-bench.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <vector>

#include "base/encoding.h"
#include "base/file.h"
#include "verity/hash_tree.h"
#include "verity/superblock.h"

namespace {

using namespace locket;
constexpr uint64_t kChunk = uint64_t{1} << 20;

Result<verity::Sha256Digest> MakeTree(const char* image_path, const char* hashes_path) {
  LOCKET_TRY_ASSIGN(const UniqueFd image, OpenFile(image_path, O_RDONLY));
  LOCKET_TRY_ASSIGN(const UniqueFd hashes, OpenFile(hashes_path, O_WRONLY | O_CREAT | O_TRUNC));
  struct stat info {};
  if (::fstat(image.get(), &info) != 0) return Error::FromErrno(errno, "stat image");
  LOCKET_TRY_ASSIGN(const auto layout, verity::LayoutFor(static_cast<uint64_t>(info.st_size)));
  const verity::Salt salt{};
  verity::HashTreeBuilder tree(salt);
  std::vector<std::byte> chunk(std::min(kChunk, layout.data_size));
  for (uint64_t offset = 0; offset < layout.data_size; offset += chunk.size()) {
    chunk.resize(std::min(kChunk, layout.data_size - offset));
    LOCKET_TRY(PreadFull(image.get(), chunk, offset));
    tree.Append(chunk);
  }
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
