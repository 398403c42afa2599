// Indexes followed down to images, through indexes inside indexes.
#pragma once

#include <cstddef>
#include <functional>

#include "base/result.h"
#include "image/oci/image_source.h"
#include "image/oci/manifest.h"

namespace locket::image {

inline constexpr int kMaxIndexDepth = 4;           // indexes on the way to an image
inline constexpr size_t kMaxWalkDocuments = 1024;  // fetched in one walk

// The image of `index` for `platform`, as containerd chooses it: of the entries that state a
// platform the one that serves it best (PlatformRank), the first of equals. If none does, the first
// of the others that serves it: an index is looked into, of an image its config tells the platform.
// Entries that are not images (artifacts, attestations of a build) are passed over, and so are
// those that cannot be read. kNotFound: lists the platforms there are.
Result<ManifestContent> ChooseImage(ImageSource& source, const Index& index,
                                    const Platform& platform);

// What a walk meets. `entry` is what the index says of it: of the top, its own descriptor.
using VisitDocument =
    std::function<Status(const Descriptor& entry, const ManifestContent& document)>;

// Calls `visit` with `top` and each manifest and index below it, once, an index before what is in
// it. Entries of other media types and those that cannot be read are passed over.
// kInvalidArgument: nested too deeply. kResourceExhausted: too many documents.
Status WalkDocuments(ImageSource& source, const ManifestContent& top, const VisitDocument& visit);

}  // namespace locket::image
