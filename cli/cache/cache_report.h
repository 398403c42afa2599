// What `locket cache` prints.
#pragma once

#include <iosfwd>
#include <vector>

#include "cli/cache/cache_client.h"

namespace locket::cli {

// Returns the state for people: "damaged, fetched again".
const char* Word(BlobState state);

void PrintBlobs(const std::vector<CachedBlob>& blobs, std::ostream& out);
void PrintBlobsAsJson(const std::vector<CachedBlob>& blobs, std::ostream& out);

// Returns whether every blob that is needed is now there and undamaged: none is busy, and none was
// removed with a problem.
bool AllSound(const std::vector<VerifyStep>& finished);
// Prints the blobs that were damaged, and a summary.
void PrintVerified(const std::vector<VerifyStep>& finished, std::ostream& out);
void PrintVerifiedAsJson(const std::vector<VerifyStep>& finished, std::ostream& out);

}  // namespace locket::cli
