// The last step before a tree is written: whiteouts become what overlayfs understands, and
// directories that the tar does not name get what they have in the layers below.
#pragma once

#include "base/result.h"
#include "erofs/lower_directories.h"
#include "erofs/tree.h"
#include "erofs/xattr_table.h"

namespace locket::erofs {

// A whiteout becomes a character device 0:0, where its name is a directory of this layer an opaque
// directory; opaque directories get the xattr that overlayfs reads. Where overlayfs would show the
// device instead of obeying it, because nothing of a lower layer shows through in its directory,
// there is none. AUFS's own files (`.wh..wh.*`) are gone. `lower` is null if the layers below are
// not known.
Status Materialize(Tree& tree, XattrTable& xattrs, const LowerDirectories* lower);

}  // namespace locket::erofs
