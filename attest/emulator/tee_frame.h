// The emulated TEE's frames on virtio port dev.locket.tee (docs/formats/guest-channels.md): u32
// length | JSON. The guest sends a request and reads one answer.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "attest/evidence/claims.h"
#include "attest/snp/snp_evidence.h"
#include "base/result.h"

namespace locket::attest {

inline constexpr size_t kMaxTeeFrameBytes = 65536;

// Guest to emulator: {"report_data":"<128 hex digits>"}. kInvalidArgument: anything else.
std::string EncodeReportRequest(const ReportData& report_data);
Result<ReportData> DecodeReportRequest(std::string_view json);

// Emulator to guest: {"report":"<base64>","certs":"<PEM>"}, or {"error":"why not"}.
std::string EncodeReportAnswer(const SnpEvidence& evidence);
std::string EncodeReportRefusal(std::string_view reason);
// kInternal: it is a refusal; the message is its reason. kInvalidArgument: neither form.
Result<SnpEvidence> DecodeReportAnswer(std::string_view json);

// Writes a whole frame to `fd`, which may block. kResourceExhausted: `json` is longer than
// kMaxTeeFrameBytes; nothing was written.
Status WriteTeeFrame(int fd, std::string_view json);
// Returns the JSON of one frame. `timeout` is for all of it.
// kUnavailable: the stream ended before a frame. kDataLoss: it ended inside one, or announced a
// frame above the limit (nothing is allocated then). kDeadlineExceeded: not there in time. After
// the last two the stream may be in the middle of a frame and cannot be used any more.
Result<std::string> ReadTeeFrame(int fd, std::chrono::milliseconds timeout);

}  // namespace locket::attest
