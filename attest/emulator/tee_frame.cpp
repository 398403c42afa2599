#include "attest/emulator/tee_frame.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "attest/common/json.h"
#include "base/encoding.h"
#include "base/file.h"

namespace locket::attest {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

Status WaitReadable(int fd, SteadyTime deadline) {
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return Error(ErrorCode::kDeadlineExceeded, "no answer in time");
    pollfd poll_fd{.fd = fd, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&poll_fd, 1, static_cast<int>(std::min<int64_t>(left.count(), 60000)));
    if (ready > 0) return Ok();
    if (ready < 0 && errno != EINTR) return Error::FromErrno(errno, "poll");
  }
}

// kUnavailable only when the stream ends before the first byte of a frame.
Status ReadSome(int fd, std::span<std::byte> out, SteadyTime deadline, bool in_frame) {
  size_t done = 0;
  while (done < out.size()) {
    LOCKET_TRY(WaitReadable(fd, deadline));
    const ssize_t got = ::read(fd, out.data() + done, out.size() - done);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return Error::FromErrno(errno, "read");
    if (got == 0 && done == 0 && !in_frame) {
      return Error(ErrorCode::kUnavailable, "the other side closed the stream");
    }
    if (got == 0) return Error(ErrorCode::kDataLoss, "the stream ended inside a frame");
    done += static_cast<size_t>(got);
  }
  return Ok();
}

}  // namespace

std::string EncodeReportRequest(const ReportData& report_data) {
  return DumpJson({{"report_data", HexEncode(report_data)}});
}

Result<ReportData> DecodeReportRequest(std::string_view json) {
  LOCKET_TRY_ASSIGN(const auto object, ParseJsonObject(json, kMaxTeeFrameBytes));
  LOCKET_TRY_ASSIGN(const auto hex, JsonText(object, "report_data"));
  LOCKET_TRY_ASSIGN(const auto bytes, HexDecode(hex).While("'report_data'"));
  ReportData report_data{};
  if (bytes.size() != report_data.size()) {
    return Error(ErrorCode::kInvalidArgument,
                 "'report_data' has " + std::to_string(bytes.size()) + " bytes, not 64");
  }
  std::copy(bytes.begin(), bytes.end(), report_data.begin());
  return report_data;
}

std::string EncodeReportAnswer(const SnpEvidence& evidence) {
  return DumpJson({{"report", Base64Encode(evidence.report)}, {"certs", evidence.certificates}});
}

std::string EncodeReportRefusal(std::string_view reason) { return DumpJson({{"error", reason}}); }

Result<SnpEvidence> DecodeReportAnswer(std::string_view json) {
  LOCKET_TRY_ASSIGN(const auto object, ParseJsonObject(json, kMaxTeeFrameBytes));
  if (object.contains("error")) {
    LOCKET_TRY_ASSIGN(const auto reason, JsonText(object, "error"));
    return Error(ErrorCode::kInternal, reason);
  }
  LOCKET_TRY_ASSIGN(const auto report, JsonText(object, "report"));
  SnpEvidence evidence;
  LOCKET_TRY_ASSIGN(evidence.report, Base64Decode(report).While("'report'"));
  LOCKET_TRY_ASSIGN(evidence.certificates, JsonText(object, "certs"));
  return evidence;
}

Status WriteTeeFrame(int fd, std::string_view json) {
  if (json.size() > kMaxTeeFrameBytes) {
    return Error(ErrorCode::kResourceExhausted,
                 "a frame of " + std::to_string(json.size()) + " bytes");
  }
  std::string frame;
  for (unsigned shift = 0; shift < 32; shift += 8) {
    frame += static_cast<char>(json.size() >> shift & 0xFFU);
  }
  frame += json;
  return WriteFull(fd, AsBytes(frame));
}

Result<std::string> ReadTeeFrame(int fd, std::chrono::milliseconds timeout) {
  const SteadyTime deadline = std::chrono::steady_clock::now() + timeout;
  std::array<std::byte, 4> header{};
  LOCKET_TRY(ReadSome(fd, header, deadline, /*in_frame=*/false));
  size_t size = 0;
  for (size_t i = header.size(); i-- > 0;) size = size << 8U | std::to_integer<size_t>(header[i]);
  if (size > kMaxTeeFrameBytes) {
    return Error(ErrorCode::kDataLoss, "a frame of " + std::to_string(size) + " bytes announced");
  }
  std::string json(size, '\0');
  LOCKET_TRY(ReadSome(fd, std::as_writable_bytes(std::span<char>(json)), deadline,
                      /*in_frame=*/true));
  return json;
}

}  // namespace locket::attest
