// The emulated TEE: measurement, reports, frames, and the program around QEMU's place.
#include "attest/emulator/emulated_tee.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "attest/emulator/emulated_evidence_source.h"
#include "attest/emulator/emulator.h"
#include "attest/emulator/tee_frame.h"
#include "attest/snp/snp_verify.h"
#include "base/encoding.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "tests/attest/testing.h"

namespace locket::attest {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;
using Pipe = std::array<UniqueFd, 2>;

const std::string kEmulator = std::string(LOCKET_BINARY_DIR) + "/bin/locket-tee-emulator";
const std::string kHostData(64, 'a');
// docs/formats/guest-channels.md, worked out in Python for "kernel", "initrd", "console=ttyS0".
constexpr auto kMeasurement =
    "4a2ee71af377373a0d967a1efa257479bd01696d8c1be1a5d0fb5282459b1eb43ab19b07705acd2ad19c5d476db248"
    "88";

Pipe SocketPair() {
  std::array<int, 2> fds{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

class EmulatedTeeTest : public ::testing::Test {
 protected:
  EmulatedTeeTest() : directory_(TempDir::Create("/tmp", "emulated").value()) {
    std::ofstream(Path("kernel")) << "kernel";
    std::ofstream(Path("initrd")) << "initrd";
  }
  std::string Path(const std::string& name) const { return directory_.path() / name; }
  std::vector<std::string> Boot(std::vector<std::string> program) const {
    for (const std::string& argument :
         {std::string("-kernel"), Path("kernel"), std::string("-initrd"), Path("initrd"),
          std::string("-append"), std::string("console=ttyS0")}) {
      program.push_back(argument);
    }
    return program;
  }
  TempDir directory_;
};

TEST_F(EmulatedTeeTest, MeasuresKernelInitrdAndCommandLine) {
  const auto measured = MeasureQemuArguments(Boot({"qemu"}));
  ASSERT_TRUE(measured.ok()) << measured.error().message();
  EXPECT_EQ(HexEncode(*measured), kMeasurement);
  std::ofstream(Path("initrd")) << "Initrd";
  EXPECT_NE(HexEncode(MeasureQemuArguments(Boot({"qemu"})).value()), kMeasurement);
}

TEST_F(EmulatedTeeTest, RefusesArgumentsThatLeaveWhatBootsInDoubt) {
  const auto refusal = [](const std::vector<std::string>& argv) {
    return MeasureQemuArguments(argv).error().message();
  };
  EXPECT_THAT(refusal({"qemu", "-kernel", "k"}), HasSubstr("-initrd stands 0 times"));
  EXPECT_THAT(refusal(Boot({"qemu", "--kernel", "other"})), HasSubstr("-kernel stands 2 times"));
  EXPECT_THAT(refusal({"qemu", "-kernel"}), HasSubstr("nothing stands after -kernel"));
  EXPECT_THAT(refusal({"q", "-kernel", "/absent", "-initrd", "x", "-append", ""}),
              HasSubstr("/absent"));
}

TEST_F(EmulatedTeeTest, KeepsTheRootThatIsThere) {
  const auto again = CreateTestRoot(TestRootDirectory());
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code(), ErrorCode::kAlreadyExists);
  for (const char* name : {"ark.key", "ask.key", "vcek.key"}) {
    struct stat found {};
    ASSERT_EQ(::stat((TestRootDirectory() / name).c_str(), &found), 0) << name;
    EXPECT_EQ(found.st_mode & 0777U, 0600U) << name;
  }
}

TEST_F(EmulatedTeeTest, ReportsPassTheProductionVerifier) {
  EmulatedTee::Launch launch{.measurement = {}, .host_data = {}};
  launch.measurement.fill(std::byte{7});
  launch.host_data.fill(std::byte{8});
  const auto tee = EmulatedTee::Open(TestRootDirectory(), launch);
  ASSERT_TRUE(tee.ok()) << tee.error().message();
  ReportData report_data{};
  report_data.fill(std::byte{9});
  const auto verified = VerifySnp(tee->Report(report_data).value(), std::array{TestSnpRoot()},
                                  std::chrono::system_clock::now());
  ASSERT_TRUE(verified.ok()) << verified.error().message();
  EXPECT_EQ(verified->measurement, launch.measurement);
  EXPECT_EQ(verified->host_data, launch.host_data);
  EXPECT_EQ(verified->report_data, report_data);
  EXPECT_EQ(verified->policy, kSnpPolicyReserved);
}

TEST(TeeFrameTest, OutOfBoundsIsRefusedBeforeItIsRead) {
  const Pipe pipe = SocketPair();
  ASSERT_TRUE(WriteFull(pipe[0].get(), AsBytes(std::string_view("\x01\x00\x01\x00", 4))).ok());
  const auto read = ReadTeeFrame(pipe[1].get(), 5s);
  EXPECT_EQ(read.error().code(), ErrorCode::kDataLoss);
  EXPECT_THAT(read.error().message(), HasSubstr("65537"));
  EXPECT_EQ(WriteTeeFrame(pipe[0].get(), std::string(65537, 'x')).error().code(),
            ErrorCode::kResourceExhausted);
}

TEST(TeeFrameTest, SaysWhereTheStreamEnded) {
  Pipe pipe = SocketPair();
  ASSERT_TRUE(WriteFull(pipe[0].get(), AsBytes(std::string_view("\x05\x00\x00\x00{", 5))).ok());
  pipe[0].reset();
  EXPECT_EQ(ReadTeeFrame(pipe[1].get(), 5s).error().code(), ErrorCode::kDataLoss);
  EXPECT_EQ(ReadTeeFrame(pipe[1].get(), 5s).error().code(), ErrorCode::kUnavailable);
}

TEST(EvidenceSourceTest, GivesThePortUpAfterAFailure) {
  Pipe pipe = SocketPair();
  EmulatedEvidenceSource source(std::move(pipe[1]), 50ms);
  EXPECT_EQ(source.GetEvidence({}).error().code(), ErrorCode::kDeadlineExceeded);
  const auto later = source.GetEvidence({});
  EXPECT_EQ(later.error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(later.error().message(), HasSubstr("given up"));
}

TEST(EvidenceSourceTest, PassesTheEmulatorsReasonOn) {
  Pipe pipe = SocketPair();
  ASSERT_TRUE(WriteTeeFrame(pipe[0].get(), EncodeReportRefusal("out of ink")).ok());
  EmulatedEvidenceSource source(std::move(pipe[1]));
  EXPECT_THAT(source.GetEvidence({}).error().message(), HasSubstr("out of ink"));
}

TEST(EvidenceSourceTest, HostDataIsTheOwnReports) {
  SnpReport report;
  report.host_data.fill(std::byte{9});
  report.signature_r.fill(std::byte{1});
  report.signature_s.fill(std::byte{1});
  Pipe pipe = SocketPair();
  ASSERT_TRUE(WriteTeeFrame(pipe[0].get(), EncodeReportAnswer({.report = EncodeSnpReport(report),
                                                               .certificates = ""}))
                  .ok());
  EmulatedEvidenceSource source(std::move(pipe[1]));
  const auto host_data = source.OwnHostData();
  ASSERT_TRUE(host_data.ok()) << host_data.error().message();
  EXPECT_EQ(*host_data, report.host_data);
}

// The program, with a shell where QEMU would be.
class EmulatorProgramTest : public EmulatedTeeTest {
 protected:
  std::vector<std::string> Launch(const std::string& script) const {
    std::vector<std::string> argv{kEmulator,           "launch",   "--dir",
                                  TestRootDirectory(), "--socket", Path("socket"),
                                  "--host-data",       kHostData,  "--"};
    for (auto& argument : Boot({"sh", "-c", script})) argv.push_back(argument);
    return argv;
  }
  // Connects as QEMU's chardev does; the child has begun when this succeeds, as it makes `ready`.
  UniqueFd Connect() const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    Path("socket").copy(address.sun_path, sizeof address.sun_path - 1);
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  // The script opens this FIFO when it runs, and holds it until it ends.
  std::string Fifo() const {
    const std::string path = Path("fifo");
    EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
    return path;
  }
};

TEST_F(EmulatorProgramTest, ExitsAsQemuDoes) {
  const auto done = RunCommand(Launch("exit 7"));
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(done->exit_status, 7);
  EXPECT_THAT(done->standard_error, HasSubstr("protect nothing"));
  EXPECT_FALSE(std::filesystem::exists(Path("socket")));
  EXPECT_EQ(RunCommand(Launch("kill -9 $$"))->exit_status, 137);
}

TEST_F(EmulatorProgramTest, AnswersReportRequests) {
  const std::string fifo = Fifo();
  auto emulator = Subprocess::Start(Launch("echo up > " + fifo + "; read x < " + fifo));
  ASSERT_TRUE(emulator.ok());
  EXPECT_EQ(ReadFile(fifo, 16).value(), "up\n");
  EmulatedEvidenceSource source(Connect());
  ReportData report_data{};
  report_data.fill(std::byte{3});
  for (int i = 0; i < 3; ++i) {
    const auto evidence = source.GetEvidence(report_data);
    ASSERT_TRUE(evidence.ok()) << evidence.error().message();
    const auto verified = VerifySnp(DecodeSnpEvidence(evidence->primary).value(),
                                    std::array{TestSnpRoot()}, std::chrono::system_clock::now());
    ASSERT_TRUE(verified.ok()) << verified.error().message();
    EXPECT_EQ(HexEncode(verified->measurement), kMeasurement);
    EXPECT_EQ(HexEncode(verified->host_data), kHostData);
    EXPECT_EQ(verified->report_data, report_data);
  }
  EXPECT_EQ(source.tee(), "snp");
  EXPECT_EQ(HexEncode(source.OwnHostData().value()), kHostData);
  const UniqueFd raw = Connect();
  ASSERT_TRUE(WriteTeeFrame(raw.get(), "garbage").ok());
  EXPECT_THAT(ReadTeeFrame(raw.get(), 10s).value(), HasSubstr("not JSON"));
  std::ofstream(fifo) << "end\n";
  EXPECT_EQ(emulator->Wait(30s).value(), 0);
}

TEST_F(EmulatorProgramTest, PassesSigtermOn) {
  const std::string fifo = Fifo();
  auto emulator = Subprocess::Start(Launch("trap 'exit 9' TERM; echo up > " + fifo +
                                           "; while :; do read x < " + fifo + "; done"));
  ASSERT_TRUE(emulator.ok());
  EXPECT_EQ(ReadFile(fifo, 16).value(), "up\n");
  ASSERT_TRUE(emulator->Kill(SIGTERM).ok());
  EXPECT_EQ(emulator->Wait(30s).value(), 9);
}

TEST_F(EmulatorProgramTest, TakesQemuWithItHoweverItDies) {
  const std::string fifo = Fifo();
  auto emulator = Subprocess::Start(Launch("exec 3> " + fifo + "; echo up >&3; exec sleep 1000"));
  ASSERT_TRUE(emulator.ok());
  const auto reader = OpenFile(fifo, O_RDONLY);
  std::array<std::byte, 3> up{};
  ASSERT_TRUE(ReadFull(reader->get(), up).ok());
  ASSERT_TRUE(emulator->Kill(SIGKILL).ok());
  EXPECT_EQ(emulator->Wait(30s).value(), 137);
  // Its end of the FIFO closes when it is gone, and this read ends then.
  std::byte none{};
  EXPECT_EQ(::read(reader->get(), &none, 1), 0);
}

TEST_F(EmulatorProgramTest, NamesWhatIsWrong) {
  const auto run = [](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), kEmulator);
    return RunCommand(arguments).value();
  };
  const std::vector<std::pair<std::vector<std::string>, std::string>> usage{
      {{}, "no command"},
      {{"fly"}, "unknown command 'fly'"},
      {{"init"}, "'--dir' is missing"},
      {{"init", "--dir"}, "'--dir' needs a value"},
      {{"init", "--dir", "a", "--dir", "b"}, "'--dir' stands twice"},
      {{"launch", "--dir", "a", "--socket", "s", "--host-data", kHostData}, "after '--'"},
      {{"launch", "--dir", "a", "--socket", "s", "--host-data", "xyz", "--", "q"}, "--host-data"},
      {{"launch", "--dir", "a", "--socket", "s", "--host-data", kHostData, "--policy", "0xq", "--",
        "q"},
       "--policy"}};
  for (const auto& [arguments, reason] : usage) {
    const auto done = run(arguments);
    EXPECT_EQ(done.exit_status, 2) << reason;
    EXPECT_THAT(done.standard_error, HasSubstr("locket-tee-emulator: "));
    EXPECT_THAT(done.standard_error, HasSubstr(reason));
  }
  auto absent = Launch("");
  absent.at(9) = "/absent/qemu";
  EXPECT_THAT(RunCommand(absent)->standard_error, HasSubstr("start '/absent/qemu'"));
  EXPECT_EQ(run({"--version"}).standard_output, "locket-tee-emulator " LOCKET_VERSION "\n");
  EXPECT_THAT(run({"--help"}).standard_output, HasSubstr("PROTECTS NOTHING"));
}

}  // namespace
}  // namespace locket::attest
