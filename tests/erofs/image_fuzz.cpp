// Any bytes are refused, or read through to the last file without leaving them.
#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <vector>

#include "erofs/image_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locket;
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto image = erofs::ImageReader::Open(
      [&](uint64_t offset, std::span<std::byte> out) -> Status {
        std::ranges::copy(bytes.subspan(offset, out.size()), out.begin());
        return Ok();
      },
      size);
  if (!image.ok()) return 0;
  std::set<uint64_t> seen;
  std::vector<uint64_t> todo{image->root()};
  while (!todo.empty() && seen.size() < 1000) {
    const uint64_t nid = todo.back();
    todo.pop_back();
    if (!seen.insert(nid).second) continue;
    const auto inode = image->Stat(nid);
    if (!inode.ok()) continue;
    const auto xattrs = image->Xattrs(*inode);
    if (xattrs.ok()) erofs::IsOpaque(*xattrs);
    if (S_ISDIR(inode->mode)) {
      const auto names = image->List(*inode);
      for (size_t i = 0; names.ok() && i < names->size(); ++i) todo.push_back((*names)[i].nid);
    } else if (S_ISLNK(inode->mode)) {
      static_cast<void>(image->Target(*inode).ok());
    } else if (S_ISREG(inode->mode)) {
      static_cast<void>(image->Read(*inode, [](auto) { return Ok(); }).ok());
    }
  }
  return 0;
}
