// The emulated TEE's frames (docs/formats/guest-channels.md): u32 length | JSON.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "attest/tee.h"
#include "base/result.h"

namespace locket::attest {

inline constexpr size_t kMaxTeeFrameBytes = 65536;

std::string EncodeReportRequest(const ReportData& report_data);
Result<ReportData> DecodeReportRequest(std::string_view json);

std::string EncodeReportAnswer(const SnpEvidence& evidence);
std::string EncodeReportRefusal(std::string_view reason);
// kInternal with the other side's reason when it is a refusal.
Result<SnpEvidence> DecodeReportAnswer(std::string_view json);

// kResourceExhausted: `json` is too long for a frame.
Status WriteTeeFrame(int fd, std::string_view json);
// kUnavailable: the stream ended before a frame. kDataLoss: it ended inside one, or announced a
// frame above the limit (nothing is allocated then). kDeadlineExceeded: not there in time.
Result<std::string> ReadTeeFrame(int fd, std::chrono::milliseconds timeout);

}  // namespace locket::attest
