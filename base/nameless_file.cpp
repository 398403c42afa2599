#include "base/nameless_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace locket {

Result<UniqueFd> OpenNamelessFile(const std::filesystem::path& directory) {
  // Not by O_TMPFILE, which overlayfs has from Linux 6.3 on only: that is /tmp in most containers.
  std::string name = (directory / ".locket-XXXXXX").string();
  UniqueFd fd(::mkostemp(name.data(), O_CLOEXEC));
  if (!fd.valid()) return Error::FromErrno(errno, "create '" + name + "'");
  if (::unlink(name.c_str()) != 0) return Error::FromErrno(errno, "unlink '" + name + "'");
  return fd;
}

}  // namespace locket
