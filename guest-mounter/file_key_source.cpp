#include "guest-mounter/file_key_source.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/file.h"
#include "image/sealed/key_packet.h"

namespace locket::guest_mounter {

Result<Secret> FileKeySource::FetchSecret(const ResourceName& name) {
  const auto it = files_.find(name.ToUri());
  if (it == files_.end()) return Error(ErrorCode::kNotFound, "no --key was given for it");
  LOCKET_TRY_ASSIGN(const UniqueFd file, OpenFile(it->second, O_RDONLY));
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return Error::FromErrno(errno, "stat");
  if (status.st_size != static_cast<off_t>(image::kKekBytes)) {
    return Error(ErrorCode::kInvalidArgument, "'" + it->second.string() + "' has " +
                                                  std::to_string(status.st_size) +
                                                  " bytes; a key has 32");
  }
  Secret kek(image::kKekBytes);
  LOCKET_TRY(ReadFull(file.get(), kek.Reveal()));
  return kek;
}

}  // namespace locket::guest_mounter
