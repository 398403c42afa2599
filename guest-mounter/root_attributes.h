// The attributes of a container's root directory. overlayfs shows those of the writable layer's
// directory, so that directory gets the ones that the image's topmost layer has.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "base/result.h"

namespace locket::guest_mounter {

// setxattr(2) without flags: 0, or -1 with errno.
using SetXattr = std::function<int(const std::string& path, const std::string& name,
                                   const void* value, size_t num_bytes)>;
int KernelSetXattr(const std::string& path, const std::string& name, const void* value,
                   size_t num_bytes);

// Gives directory `to` the owner, mode, times and extended attributes of directory `from`; of the
// latter not trusted.overlay.*, which are overlayfs's own.
//
// A file system may be unable to keep an attribute: tmpfs has no user.* before Linux 6.6, and ext4
// keeps one block (4096 bytes here) of a file's attributes outside its inode, on a full disk none.
// An attribute that access depends on (security.*, POSIX ACLs) is then an error, as it is when
// overlayfs copies a file up: without it the directory could be open to more than the image says.
// kResourceExhausted: there is no room for it; the message has its name and size. Any other
// attribute is left out, and a warning has their number: no name, which may be an encrypted
// layer's content, reaches the console.
//
// After an error `to` has some of the attributes.
Status CopyRootAttributes(const std::string& from, const std::string& to,
                          const SetXattr& set = KernelSetXattr);

}  // namespace locket::guest_mounter
