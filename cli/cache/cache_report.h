// What `locket cache` prints.
#pragma once

#include <iosfwd>
#include <vector>

#include "cli/cache/cache_client.h"

namespace locket::cli {

const char* Word(BlobState state);

void PrintBlobs(const std::vector<CachedBlob>& blobs, std::ostream& out);
void PrintBlobsAsJson(const std::vector<CachedBlob>& blobs, std::ostream& out);

// Whether all that is needed is there and right, by now.
bool AllSound(const std::vector<VerifyStep>& finished);
// Those that were damaged, and a summary.
void PrintVerified(const std::vector<VerifyStep>& finished, std::ostream& out);
void PrintVerifiedAsJson(const std::vector<VerifyStep>& finished, std::ostream& out);

}  // namespace locket::cli
