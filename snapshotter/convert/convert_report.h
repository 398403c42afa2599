// What an operator is told of conversions.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace locket::snapshotter {

// Since the process started, but for the first two.
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
  std::string image;
  std::string problem;
  std::chrono::system_clock::time_point when;
};

struct ConvertReport {
  bool enabled = false;
  std::filesystem::path directory{};  // where layers are sealed
  uint64_t free_bytes = 0;            // there
  // The last one of each image that was not converted since; the latest first.
  std::vector<FailedConversion> failures{};
};

}  // namespace locket::snapshotter
