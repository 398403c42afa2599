// What an operator is told of conversions: by the metrics, and by `locket doctor`.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace locket::snapshotter {

// Counted since the process started, but for the first two, which are of now.
struct ConvertFigures {
  uint64_t layers_waiting = 0;  // for a thread
  uint64_t layers_running = 0;
  uint64_t layers_converted = 0;
  uint64_t layers_known = 0;  // they had been converted, and were still there
  uint64_t layers_failed = 0;
  uint64_t images_converted = 0;
  uint64_t images_failed = 0;
  uint64_t sealed_bytes = 0;            // of layers that were converted
  std::chrono::milliseconds busy_ms{};  // that threads had layers under way, also fetching them
};

struct FailedConversion {
  std::string image;    // its reference
  std::string problem;  // the error's message
  std::chrono::system_clock::time_point when;
};

struct ConvertReport {
  bool enabled = false;
  std::filesystem::path directory{};  // where layers are sealed
  uint64_t free_bytes = 0;            // there; 0 also if that is not known
  // The last one of each image that was not converted since; the latest first, at most 16.
  std::vector<FailedConversion> failures{};
};

}  // namespace locket::snapshotter
