// What containerd may call a snapshot and write on it, and what its keys tell.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "snapshotter/store/snapshot.h"

namespace locket::snapshotter {

// kInvalidArgument: the name is empty or longer than 16 KiB.
Status CheckName(const std::string& name);

// kInvalidArgument: a label is longer than 4,096 bytes, key and value together; that is
// containerd's own limit.
Status CheckLabels(const Labels& labels);

// Returns `old` with the changes of an Update request: `paths` name what is replaced by what
// `wanted` has ("labels" for all of them, "labels.<key>" for one); no path means all. A label whose
// value is empty afterwards is removed. kInvalidArgument: a path names anything else, or
// CheckLabels refuses the outcome; the message names the snapshot as `name`.
Result<Labels> UpdatedLabels(const Labels& old, const Labels& wanted,
                             std::span<const std::string> paths, const std::string& name);

// Whether containerd unpacks a layer into this snapshot. It does so under a key `extract-<random>
// <chain ID>`, behind the namespace and number that its metadata store puts in front.
bool IsUnpackKey(std::string_view key);

// Whether the snapshot is to be mounted on the host instead of being a container's root file
// system: `ctr images mount` and the image volumes of CRI use the path to mount at as the key, or a
// name of their own where there is no path.
bool IsForTheHost(const std::string& key);

}  // namespace locket::snapshotter
