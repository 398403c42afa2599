// Parts of the agent too small for a file of tests each.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "attest/snp_report.h"
#include "base/file.h"
#include "device/fake_block_devices.h"
#include "guest-agent/broker_link.h"
#include "guest-agent/crun_runtime.h"
#include "guest-agent/exit_notices.h"
#include "guest-agent/guest_initdata.h"
#include "guest-agent/module_list.h"
#include "guest-agent/virtio_ports.h"
#include "initdata/initdata.h"

namespace locket::guest_agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(ModuleListTest, ReadsOrderAndKind) {
  const auto list = ParseModuleList("required a.ko\noptional b-c.ko\nrequired d.ko x=1 y=2\n");
  ASSERT_TRUE(list.ok());
  EXPECT_THAT(*list,
              ElementsAre(ModuleEntry{.file = "a.ko", .required = true},
                          ModuleEntry{.file = "b-c.ko", .required = false},
                          ModuleEntry{.file = "d.ko", .required = true, .parameters = "x=1 y=2"}));
  EXPECT_THAT(*ParseModuleList(""), IsEmpty());
}

TEST(ModuleListTest, RefusesOtherLinesByName) {
  for (const char* line : {"a.ko", "required", "maybe a.ko", "required ../a.ko", "required a.so",
                           "required a.ko b.ko", "required  a.ko"}) {
    const auto list = ParseModuleList(line);
    ASSERT_FALSE(list.ok()) << line;
    EXPECT_THAT(list.error().message(), HasSubstr(line));
  }
}

TEST(ModuleListTest, AnAbsentRequiredModuleEndsTheBootAnOptionalOneDoesNot) {
  const auto directory = TempDir::Create(::testing::TempDir(), "modules");
  ASSERT_TRUE(directory.ok());
  const auto modules = directory->path() / "modules.list";
  std::ofstream(modules) << "optional absent.ko\n";
  EXPECT_TRUE(LoadModules(modules).ok());
  std::ofstream(modules) << "required absent.ko\n";
  const Status loaded = LoadModules(modules);
  ASSERT_FALSE(loaded.ok());
  EXPECT_THAT(loaded.error().message(), HasSubstr("absent.ko"));
}

class ExitNoticesTest : public ::testing::Test {
 protected:
  ExitNoticesTest() {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    writer_.reset(ends[1]);
    notices_ = std::make_unique<ExitNotices>(UniqueFd(ends[0]));
  }
  ~ExitNoticesTest() override { writer_.reset(); }

  void Report(pid_t pid, int wait_status) {
    const ExitRecord record{.pid = pid, .wait_status = wait_status};
    EXPECT_TRUE(WriteFull(writer_.get(), std::as_bytes(std::span(&record, 1))).ok());
  }

  UniqueFd writer_;
  std::unique_ptr<ExitNotices> notices_;
};

TEST_F(ExitNoticesTest, StatusesAreCountedAsAShellDoes) {
  Report(10, W_EXITCODE(3, 0));
  Report(11, W_EXITCODE(0, SIGKILL));
  EXPECT_EQ(notices_->Await(11, 0)->exit_status, 128 + SIGKILL);
  EXPECT_EQ(notices_->Await(10, 0)->exit_status, 3);
}

TEST_F(ExitNoticesTest, ANoticeThatComesLaterIsWaitedFor) {
  std::thread later([this] { Report(10, 0); });
  EXPECT_EQ(notices_->Await(10, 0)->exit_status, 0);
  later.join();
}

TEST_F(ExitNoticesTest, AnEarlierProcessOfTheSameNumberDoesNotCount) {
  Report(10, W_EXITCODE(1, 0));
  Report(99, 0);
  ASSERT_TRUE(notices_->Await(99, 0).ok());  // both are in
  const auto mark = notices_->Now();
  Report(10, W_EXITCODE(2, 0));
  EXPECT_EQ(notices_->Await(10, mark)->exit_status, 2);
}

TEST_F(ExitNoticesTest, TheEndOfTheRecordsEndsTheWait) {
  writer_.reset();
  const auto notice = notices_->Await(10, 0);
  ASSERT_FALSE(notice.ok());
  EXPECT_EQ(notice.error().code(), ErrorCode::kUnavailable);
}

constexpr std::string_view kToml =
    "algorithm = \"sha256\"\nversion = \"0.1.0\"\n[data]\n\"locket.toml\" = '''\n[image]\n"
    "allowed_digests = []\n'''\n";

class InitdataDiskTest : public ::testing::Test {
 protected:
  void Plug(std::string_view content) {
    const auto path = directory_.path() / "disk";
    std::ofstream(path, std::ios::binary) << content;
    disks_.Plug("locket-initdata", {.path = path.string(), .size_bytes = content.size()});
  }
  Result<std::optional<GuestInitdata>> Read(const HostData& host_data = std::nullopt) {
    disks_.OnAwait([this](std::chrono::milliseconds at_most) { clock_.Advance(at_most); });
    return ReadInitdataDisk(disks_, clock_, std::chrono::milliseconds(500), host_data);
  }

  TempDir directory_ = std::move(TempDir::Create(::testing::TempDir(), "initdata").value());
  device::FakeBlockDevices disks_;
  FakeClock clock_;
};

TEST_F(InitdataDiskTest, IsReadAndDigested) {
  const auto disk = initdata::EncodeInitdataDevice(kToml);
  ASSERT_TRUE(disk.ok());
  Plug({reinterpret_cast<const char*>(disk->data()), disk->size()});
  const auto initdata = Read();
  ASSERT_TRUE(initdata.ok()) << initdata.error().message();
  ASSERT_TRUE(initdata->has_value());
  EXPECT_EQ((*initdata)->toml, kToml);
  EXPECT_EQ((*initdata)->digest, image::Digest::Of(kToml).ToText());
  EXPECT_FALSE((*initdata)->policy.allow_keyed);
}

TEST_F(InitdataDiskTest, NoDiskIsNoInitdata) {
  const auto initdata = Read();
  ASSERT_TRUE(initdata.ok());
  EXPECT_FALSE(initdata->has_value());
}

TEST_F(InitdataDiskTest, ADiskWithSomethingElseIsAnError) {
  Plug(std::string(1024, 'x'));
  const auto initdata = Read();
  ASSERT_FALSE(initdata.ok());
  EXPECT_THAT(initdata.error().message(), HasSubstr("initdata disk"));
}

std::string Named(const char* algorithm) {
  return "algorithm = \"" + std::string(algorithm) +
         std::string(kToml).substr(kToml.find("\"\nversion"));
}

TEST_F(InitdataDiskTest, OnlyTheLaunchThatNamesItMayUseIt) {
  for (const auto& [name, algorithm] :
       {std::pair{"sha256", initdata::InitdataAlgorithm::kSha256},
        std::pair{"sha384", initdata::InitdataAlgorithm::kSha384},
        std::pair{"sha512", initdata::InitdataAlgorithm::kSha512}}) {
    const std::string toml = Named(name);
    auto host_data = initdata::HostDataFor(algorithm, toml);
    const auto accepted = AcceptInitdata(toml, host_data);
    ASSERT_TRUE(accepted.ok()) << accepted.error().message();
    EXPECT_THAT(accepted->digest, ::testing::StartsWith(std::string(name) + ":"));
    host_data[31] ^= std::byte{1};
    const auto refused = AcceptInitdata(toml, host_data);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied);
    EXPECT_THAT(refused.error().message(), HasSubstr("initdata does not belong to this launch"));
  }
}

TEST_F(InitdataDiskTest, NothingIsDecodedThatTheLaunchDoesNotName) {
  const std::string no_toml = "= [[[";
  const auto other = AcceptInitdata(no_toml, std::array<std::byte, 32>{});
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().code(), ErrorCode::kPermissionDenied) << other.error().message();
  const auto named =
      AcceptInitdata(no_toml, initdata::HostDataFor(initdata::InitdataAlgorithm::kSha256, no_toml));
  ASSERT_FALSE(named.ok());
  EXPECT_THAT(named.error().message(), HasSubstr("not TOML"));
}

TEST_F(InitdataDiskTest, TheAlgorithmIsTheOneThatTheDocumentNames) {
  const std::string toml = Named("sha256");
  const auto initdata =
      AcceptInitdata(toml, initdata::HostDataFor(initdata::InitdataAlgorithm::kSha512, toml));
  ASSERT_FALSE(initdata.ok());
  EXPECT_EQ(initdata.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(initdata.error().message(), HasSubstr("another algorithm than it names"));
}

TEST_F(InitdataDiskTest, ADiskThatTheHostWithholdsIsMissed) {
  EXPECT_TRUE(Read(std::array<std::byte, 32>{}).ok()) << "launched without";
  const auto withheld = Read(initdata::HostDataFor(initdata::InitdataAlgorithm::kSha256, kToml));
  ASSERT_FALSE(withheld.ok());
  EXPECT_EQ(withheld.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(withheld.error().message(), HasSubstr("there is none"));
}

TEST(BrokerLinkTest, HostDataIsTheOwnReports) {
  attest::SnpReport report;
  report.host_data.fill(std::byte{9});
  report.signature_r.fill(std::byte{1});
  report.signature_s.fill(std::byte{1});
  attest::FakeEvidenceSource source([&](const attest::ReportData&) -> Result<attest::Evidence> {
    return attest::Evidence{.tee = "snp",
                            .snp = {.report = attest::EncodeSnpReport(report), .certificates = ""}};
  });
  const auto host_data = OwnHostData(source);
  ASSERT_TRUE(host_data.ok()) << host_data.error().message();
  EXPECT_EQ(*host_data, report.host_data);
}

TEST(CrunCommandTest, PutsOurOptionsBeforeTheVerb) {
  EXPECT_THAT(CrunCommand({.program = "crun", .state = "/s"}, "/l", {"start", "id"}),
              ElementsAre("crun", "--root", "/s", "--log", "/l", "--log-format=text",
                          "--cgroup-manager=cgroupfs", "start", "id"));
}

TEST(VirtioPortsTest, AllAreNamedOnceEveryOneIs) {
  const auto ports = TempDir::Create(::testing::TempDir(), "ports");
  ASSERT_TRUE(ports.ok());
  EXPECT_FALSE(AllPortsNamed(ports->path())) << "none are announced yet";
  for (const char* port : {"vport1p1", "vport1p2"}) {
    std::filesystem::create_directory(ports->path() / port);
  }
  std::ofstream(ports->path() / "vport1p1/name") << "dev.locket.agent\n";
  EXPECT_FALSE(AllPortsNamed(ports->path()));
  std::ofstream(ports->path() / "vport1p2/name") << "dev.locket.relay\n";
  EXPECT_TRUE(AllPortsNamed(ports->path()));
}

}  // namespace
}  // namespace locket::guest_agent
