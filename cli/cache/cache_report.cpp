#include "cli/cache/cache_report.h"

#include <algorithm>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/progress.h"
#include "cli/utc_time.h"

namespace locket::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kDigestColumn = 73;  // "sha256:", 64 digits, a gap
constexpr int kSizeColumn = 12;
constexpr int kTimeColumn = 22;

std::string Holders(const CachedBlob& blob) {
  std::string text;
  const auto add = [&](const std::string& holder) { text += (text.empty() ? "" : ", ") + holder; };
  if (blob.pinned) add("pin");
  if (blob.held) add("VM");
  if (blob.num_snapshots > 0) {
    add(std::to_string(blob.num_snapshots) +
        (blob.num_snapshots == 1 ? " snapshot of" : " snapshots of"));
    for (const std::string& image : blob.images) text += " " + image;
  }
  return text.empty() ? "-" : text;
}

bool IsHeld(const CachedBlob& blob) { return blob.pinned || blob.held || blob.num_snapshots > 0; }

const char* JsonWord(BlobState state) {
  switch (state) {
    case BlobState::kGood:
      return "good";
    case BlobState::kFetchedAgain:
      return "fetched_again";
    case BlobState::kRemoved:
      return "removed";
    case BlobState::kBusy:
      return "busy";
    case BlobState::kGone:
      return "gone";
    case BlobState::kReading:
      return "reading";
  }
  return "unknown";
}

void Dump(const Json& json, std::ostream& out) {
  out << json.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
}

}  // namespace

const char* Word(BlobState state) {
  switch (state) {
    case BlobState::kReading:
      return "reading";
    case BlobState::kGood:
      return "good";
    case BlobState::kFetchedAgain:
      return "damaged, fetched again";
    case BlobState::kRemoved:
      return "damaged, removed";
    case BlobState::kBusy:
      return "damaged, but it is being pulled: verify again";
    case BlobState::kGone:
      return "gone";
  }
  return "unknown";
}

void PrintBlobs(const std::vector<CachedBlob>& blobs, std::ostream& out) {
  out << std::left << std::setw(kDigestColumn) << "DIGEST" << std::setw(kSizeColumn) << "SIZE"
      << std::setw(kTimeColumn) << "LAST USED"
      << "HELD BY\n";
  uint64_t total = 0;
  uint64_t unheld = 0;
  for (const CachedBlob& blob : blobs) {
    out << std::setw(kDigestColumn) << blob.digest << std::setw(kSizeColumn)
        << HumanBytes(blob.size_bytes) << std::setw(kTimeColumn) << UtcTime(blob.last_used_ns)
        << Holders(blob) << "\n";
    total += blob.size_bytes;
    if (!IsHeld(blob)) unheld += blob.size_bytes;
  }
  out << blobs.size() << " blobs, " << HumanBytes(total) << "; nothing needs " << HumanBytes(unheld)
      << " of it\n";
}

void PrintBlobsAsJson(const std::vector<CachedBlob>& blobs, std::ostream& out) {
  Json list = Json::array();
  for (const CachedBlob& blob : blobs) {
    list.push_back({{"digest", blob.digest},
                    {"size_bytes", blob.size_bytes},
                    {"last_used", UtcTime(blob.last_used_ns)},
                    {"pinned", blob.pinned},
                    {"held_by_vm", blob.held},
                    {"num_snapshots", blob.num_snapshots},
                    {"images", blob.images}});
  }
  Dump(list, out);
}

bool AllSound(const std::vector<VerifyStep>& finished) {
  return std::ranges::none_of(finished, [](const VerifyStep& step) {
    return step.state == BlobState::kBusy ||
           (step.state == BlobState::kRemoved && !step.problem.empty());
  });
}

void PrintVerified(const std::vector<VerifyStep>& finished, std::ostream& out) {
  uint64_t bytes = 0;
  size_t damaged = 0;
  for (const VerifyStep& step : finished) {
    bytes += step.size_bytes;
    if (step.state == BlobState::kGood || step.state == BlobState::kGone) continue;
    ++damaged;
    out << step.digest << ": " << Word(step.state)
        << (step.problem.empty() ? "" : "; fetching it again failed: " + step.problem) << "\n";
  }
  out << "read " << finished.size() << " blobs, " << HumanBytes(bytes) << ": " << damaged
      << " damaged\n";
}

void PrintVerifiedAsJson(const std::vector<VerifyStep>& finished, std::ostream& out) {
  Json list = Json::array();
  for (const VerifyStep& step : finished) {
    list.push_back({{"digest", step.digest},
                    {"size_bytes", step.size_bytes},
                    {"state", JsonWord(step.state)},
                    {"problem", step.problem}});
  }
  Dump(list, out);
}

}  // namespace locket::cli
