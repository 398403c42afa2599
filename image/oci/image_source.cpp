#include "image/oci/image_source.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"

namespace locket::image {

Result<std::string> ReadBlob(ImageSource& source, const Descriptor& blob, size_t max_bytes) {
  if (blob.size > max_bytes) {
    return Error(ErrorCode::kResourceExhausted, "read blob " + blob.digest.ToText() +
                                                    ": larger than " + std::to_string(max_bytes) +
                                                    " bytes");
  }
  LOCKET_TRY_ASSIGN(const auto stream, source.OpenBlob(blob));
  std::string content(blob.size, '\0');
  const auto out = std::as_writable_bytes(std::span(content));
  for (size_t done = 0; done < content.size();) {
    LOCKET_TRY_ASSIGN(const size_t n, stream->Read(out.subspan(done)));
    if (n == 0) {
      return Error(ErrorCode::kDataLoss, "read blob " + blob.digest.ToText() + ": cut short");
    }
    done += n;
  }
  std::byte extra{};
  LOCKET_TRY_ASSIGN(const size_t more, stream->Read(std::span(&extra, 1)));  // and the digest check
  if (more == 0) return content;
  return Error(ErrorCode::kDataLoss, "read blob " + blob.digest.ToText() + ": too long");
}

Status ImageTarget::TakeBlob(const Descriptor& blob, const std::filesystem::path& path) {
  LOCKET_TRY_ASSIGN(const UniqueFd fd, OpenFile(path, O_RDONLY));
  // The descriptor keeps the bytes; nothing is left if we die here.
  ::unlink(path.c_str());
  return PutBlob(blob, fd.get());
}

}  // namespace locket::image
