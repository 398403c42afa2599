// The emulated TEE's frames and messages, from either end.
#include "attest/emulator/tee_frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>

#include "attest/emulator/emulated_evidence_source.h"
#include "attest/snp/snp_report.h"
#include "base/encoding.h"
#include "base/file.h"

namespace locket::attest {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

struct Pipe {
  UniqueFd near;
  UniqueFd far;
};
Pipe MakePipe() {
  std::array<int, 2> fds{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
  return {.near = UniqueFd(fds[0]), .far = UniqueFd(fds[1])};
}
void Send(const UniqueFd& fd, std::string_view bytes) {
  ASSERT_TRUE(WriteFull(fd.get(), AsBytes(bytes)).ok());
}

TEST(TeeFrameFormTest, IsALittleEndianLengthAndThatManyBytes) {
  const Pipe pipe = MakePipe();
  ASSERT_TRUE(WriteTeeFrame(pipe.near.get(), "{\"a\":1}").ok());
  std::array<std::byte, 11> bytes{};
  ASSERT_TRUE(ReadFull(pipe.far.get(), bytes).ok());
  EXPECT_EQ(AsText(bytes), std::string_view("\x07\0\0\0{\"a\":1}", 11));
}

TEST(TeeFrameFormTest, FramesOfAnySizeUpToTheLimitComeBack) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{255}, size_t{256}, kMaxTeeFrameBytes}) {
    const Pipe pipe = MakePipe();
    const std::string frame(size, 'f');
    std::thread writer([&] { EXPECT_TRUE(WriteTeeFrame(pipe.near.get(), frame).ok()); });
    EXPECT_EQ(ReadTeeFrame(pipe.far.get(), 30s).value(), frame) << size;
    writer.join();
  }
}

TEST(TeeFrameFormTest, SeveralInOneReadStayApart) {
  const Pipe pipe = MakePipe();
  Send(pipe.near, std::string_view("\x01\0\0\0a\x02\0\0\0bc", 11));
  EXPECT_EQ(ReadTeeFrame(pipe.far.get(), 5s).value(), "a");
  EXPECT_EQ(ReadTeeFrame(pipe.far.get(), 5s).value(), "bc");
}

TEST(TeeFrameFormTest, ALengthAboveTheLimitIsRefusedWithoutReadingOn) {
  for (const std::string_view header :
       {std::string_view("\x01\x00\x01\x00", 4), std::string_view("\x00\x00\x00\x80", 4),
        std::string_view("\xff\xff\xff\xff", 4)}) {
    const Pipe pipe = MakePipe();
    Send(pipe.near, header);
    const auto refused = ReadTeeFrame(pipe.far.get(), 5s);
    EXPECT_EQ(refused.error().code(), ErrorCode::kDataLoss);
    EXPECT_THAT(refused.error().message(), HasSubstr("bytes announced"));
  }
}

// Wherever the stream ends inside a frame, something is lost; between two frames, nothing is.
TEST(TeeFrameFormTest, AnEndInsideAFrameIsALoss) {
  const std::string_view frame("\x03\0\0\0abc", 7);
  for (size_t size = 0; size < frame.size(); ++size) {
    Pipe pipe = MakePipe();
    Send(pipe.near, frame.substr(0, size));
    pipe.near.reset();
    const auto cut = ReadTeeFrame(pipe.far.get(), 5s);
    EXPECT_EQ(cut.error().code(), size == 0 ? ErrorCode::kUnavailable : ErrorCode::kDataLoss)
        << size;
  }
}

TEST(TeeFrameFormTest, TheDeadlineIsForTheWholeFrameNotForEachByte) {
  const std::string_view frame("\x03\0\0\0abc", 7);
  for (size_t size = 0; size < frame.size(); ++size) {
    const Pipe pipe = MakePipe();
    Send(pipe.near, frame.substr(0, size));
    const auto late = ReadTeeFrame(pipe.far.get(), 5ms);
    EXPECT_EQ(late.error().code(), ErrorCode::kDeadlineExceeded) << size;
  }
}

TEST(TeeFrameFormTest, WritingToAClosedPortFails) {
  Pipe pipe = MakePipe();
  pipe.far.reset();
  ::signal(SIGPIPE, SIG_IGN);
  EXPECT_FALSE(WriteTeeFrame(pipe.near.get(), "x").ok());
}

TEST(TeeMessageTest, ARequestIs64BytesInHex) {
  ReportData report_data{};
  for (size_t i = 0; i < report_data.size(); ++i) report_data[i] = static_cast<std::byte>(i);
  const std::string text = EncodeReportRequest(report_data);
  EXPECT_EQ(text, "{\"report_data\":\"" + HexEncode(report_data) + "\"}");
  EXPECT_EQ(DecodeReportRequest(text).value(), report_data);
  const std::string hex(128, 'a');
  const std::pair<std::string, const char*> table[] = {
      {"", "not JSON"},
      {"[]", "not a JSON object"},
      {"{}", "'report_data' is missing"},
      {R"({"report_data":7})", "'report_data' is not text"},
      {R"({"report_data":""})", "'report_data' has 0 bytes, not 64"},
      {R"({"report_data":")" + hex.substr(2) + "\"}", "'report_data' has 63 bytes, not 64"},
      {R"({"report_data":")" + hex + "00\"}", "'report_data' has 65 bytes, not 64"},
      {R"({"report_data":")" + hex.substr(1) + "\"}", "'report_data': "},
      {R"({"report_data":")" + hex.substr(1) + "G\"}", "'report_data': "}};
  for (const auto& [json, reason] : table) {
    const auto refused = DecodeReportRequest(json);
    ASSERT_FALSE(refused.ok()) << json;
    EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument) << json;
    EXPECT_THAT(refused.error().message(), HasSubstr(reason)) << json;
  }
}

TEST(TeeMessageTest, AnAnswerIsEvidenceOrAReason) {
  const SnpEvidence evidence{.report = {std::byte{1}, std::byte{2}}, .certificates = "PEM"};
  EXPECT_EQ(EncodeReportAnswer(evidence), R"({"certs":"PEM","report":"AQI="})");
  const auto back = DecodeReportAnswer(EncodeReportAnswer(evidence));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->report, evidence.report);
  EXPECT_EQ(back->certificates, evidence.certificates);
  EXPECT_EQ(EncodeReportRefusal("why"), R"({"error":"why"})");
  const auto refused = DecodeReportAnswer(R"({"error":"why","report":"AQI=","certs":"PEM"})");
  EXPECT_EQ(refused.error().code(), ErrorCode::kInternal) << "a reason goes before evidence";
  EXPECT_EQ(refused.error().message(), "why");
  const std::pair<const char*, const char*> table[] = {
      {"{}", "'report' is missing"},
      {R"({"error":7})", "'error' is not text"},
      {R"({"report":"AQI="})", "'certs' is missing"},
      {R"({"report":"A","certs":""})", "'report': "},
      {R"({"report":[],"certs":""})", "'report' is not text"},
      {R"({"report":"","certs":1})", "'certs' is not text"}};
  for (const auto& [json, reason] : table) {
    EXPECT_EQ(DecodeReportAnswer(json).error().code(), ErrorCode::kInvalidArgument) << json;
    EXPECT_THAT(DecodeReportAnswer(json).error().message(), HasSubstr(reason)) << json;
  }
}

// --- The guest's end.

class EvidenceSourceAnswersTest : public ::testing::Test {
 protected:
  // What the source makes of this answer, and of a good one behind it.
  std::pair<Result<Evidence>, Result<Evidence>> Ask(std::string_view frame) {
    const Pipe pipe = MakePipe();
    Send(pipe.near, frame);
    EXPECT_TRUE(
        WriteTeeFrame(pipe.near.get(), EncodeReportAnswer({.report = {}, .certificates = "PEM"}))
            .ok());
    EmulatedEvidenceSource source(UniqueFd(::dup(pipe.far.get())), 100ms);
    auto first = source.GetEvidence({});
    return {std::move(first), source.GetEvidence({})};
  }
};

TEST_F(EvidenceSourceAnswersTest, ARefusalLeavesThePortInStep) {
  const auto [first, second] = Ask(std::string_view("\x0f\0\0\0{\"error\":\"ink\"}", 19));
  EXPECT_EQ(first.error().code(), ErrorCode::kInternal);
  EXPECT_EQ(first.error().message(), "emulated TEE: ink");
  ASSERT_TRUE(second.ok()) << second.error().message();
  EXPECT_EQ(second->primary, R"({"attestation_report":"","cert_chain":"PEM"})");
}

TEST_F(EvidenceSourceAnswersTest, AnAnswerThatIsNoneLeavesItInStepToo) {
  const auto [first, second] = Ask(std::string_view("\x02\0\0\0{}", 6));
  EXPECT_EQ(first.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(second.ok());
}

TEST_F(EvidenceSourceAnswersTest, AFrameOutOfBoundsEndsThePort) {
  const auto [first, second] = Ask(std::string_view("\xff\xff\xff\xff", 4));
  EXPECT_EQ(first.error().code(), ErrorCode::kDataLoss);
  EXPECT_EQ(second.error().code(), ErrorCode::kFailedPrecondition);
}

TEST(EvidenceSourceTest, AsksForTheReportDataItWasGiven) {
  const Pipe pipe = MakePipe();
  ReportData report_data{};
  report_data.fill(std::byte{0x5A});
  EmulatedEvidenceSource source(UniqueFd(::dup(pipe.far.get())), 100ms);
  ASSERT_TRUE(
      WriteTeeFrame(pipe.near.get(), EncodeReportAnswer({.report = {}, .certificates = ""})).ok());
  ASSERT_TRUE(source.GetEvidence(report_data).ok());
  EXPECT_EQ(ReadTeeFrame(pipe.near.get(), 5s).value(), EncodeReportRequest(report_data));
}

TEST(EvidenceSourceTest, OwnHostDataOfAReportThatIsNoneIsRefused) {
  const Pipe pipe = MakePipe();
  EmulatedEvidenceSource source(UniqueFd(::dup(pipe.far.get())), 100ms);
  ASSERT_TRUE(
      WriteTeeFrame(pipe.near.get(), EncodeReportAnswer({.report = {}, .certificates = ""})).ok());
  EXPECT_THAT(source.OwnHostData().error().message(), HasSubstr("0 bytes, not 1184"));
}

}  // namespace
}  // namespace locket::attest
