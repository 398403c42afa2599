#include "cli/doctor/doctor.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "tests/cli/cli_harness.h"

namespace locket::cli {
namespace {

using ::testing::HasSubstr;

// A listening unix socket at `path`.
UniqueFd ListenUnix(const std::string& path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(::listen(fd.get(), 64), 0);
  return fd;
}

class DoctorTest : public CliTest {
 protected:
  DoctorTest() {
    host_.root = dir_.path();
    host_.search_path = "/usr/local/bin:/usr/bin";
    host_.cri_socket = "/run/c.sock";
    host_.snapshotter_socket = "/run/s.sock";
    host_.guest_image_dir = "/guest";
    host_.probe_kvm = [] { return Ok(); };
    host_.probe_cri = [](const std::string&) -> Result<std::string> {
      return std::string("containerd 1.6");
    };
    host_.probe_cri_config = [this](const std::string&) { return cri_config_; };
    host_.probe_image_space = [this](const std::string&) { return image_space_; };
    host_.probe_conversions = [this](const std::string&) { return conversions_; };
    host_.probe_network = [this] { return network_; };
    host_.probe_broker = [](const std::string&) { return Ok(); };
  }

  // A host that has everything.
  void Furnish() {
    for (const char* program :
         {"qemu-system-x86_64", "containerd-shim-locket-v2", "skopeo", "umoci"}) {
      std::filesystem::permissions(Write("usr/bin/" + std::string(program), ""),
                                   std::filesystem::perms::owner_all);
    }
    for (const char* file : {"dev/kvm", "dev/sev", "dev/vhost-vsock", "dev/loop-control",
                             "dev/mapper/control", "guest/vmlinuz", "guest/initramfs.img"}) {
      Write(file, "");
    }
    Write("guest/guest-image.json", R"({"kernel":"vmlinuz","initrd":"initramfs.img"})");
    Write("proc/filesystems", "nodev\tsysfs\n\terofs\nnodev\toverlay\n");
    Write("sys/module/kvm_intel/parameters/tdx", "Y\n");
    Write("run/.keep", "");
    snapshotter_ = ListenUnix(Path("run/s.sock"));
    host_.broker_url = "https://broker";
  }

  Check Find(const std::string& name) {
    for (const auto& check : Examine(host_)) {
      if (check.name == name) return check;
    }
    ADD_FAILURE() << "no check " << name;
    return {};
  }

  static std::string CriConfig(const std::string& snapshotter, const std::string& runtime,
                               const std::string& more = "") {
    return R"({"containerd":{"snapshotter":")" + snapshotter +
           R"(","disableSnapshotAnnotations":)" + "false" + more +
           R"(,"runtimes":{"r":{"runtimeType":")" + runtime + "\"}}}}";
  }

  DoctorHost host_;
  UniqueFd snapshotter_;
  Result<Conversions> conversions_ =
      Conversions{.enabled = true, .directory = "/v/converting", .free_bytes = 5ULL << 30};
  Status network_ = Ok();
  Result<std::vector<std::string>> image_space_ = std::vector<std::string>{"/run"};
  Result<std::string> cri_config_ = CriConfig("locket", "io.containerd.locket.v2");
};

TEST_F(DoctorTest, FindsNothingMissingOnAHostThatHasEverything) {
  Furnish();
  for (const auto& check : Examine(host_)) EXPECT_TRUE(check.ok) << check.name << check.detail;
  EXPECT_TRUE(CanRunPods(Examine(host_)));
}

TEST_F(DoctorTest, EveryMissingThingSaysWhyWhatForAndTheWayOut) {
  host_.probe_cri = [](const std::string& socket) -> Result<std::string> {
    return Error(ErrorCode::kUnavailable, "connect to containerd at '" + socket + "'");
  };
  cri_config_ = Error(ErrorCode::kUnavailable, "connect to containerd");
  conversions_ = Error(ErrorCode::kUnavailable, "no locket-snapshotter");
  network_ = Error(ErrorCode::kNotFound, "no filters");
  image_space_ = Error(ErrorCode::kUnavailable, "connect to containerd");
  const auto checks = Examine(host_);
  for (const auto& check : checks) {
    EXPECT_FALSE(check.ok) << check.name;
    EXPECT_FALSE(check.detail.empty()) << check.name;
    EXPECT_FALSE(check.needed_for.empty()) << check.name;
    EXPECT_FALSE(check.way_out.empty()) << check.name;
  }
  EXPECT_FALSE(CanRunPods(checks));
}

// Takes away each thing in turn.
TEST_F(DoctorTest, OnlyWhatPodsNeedStopsThem) {
  Furnish();
  const std::map<std::string, std::string> required = {
      {"qemu", "usr/bin/qemu-system-x86_64"},
      {"shim", "usr/bin/containerd-shim-locket-v2"},
      {"guest-image", "guest/initramfs.img"},
      {"snapshotter", "run/s.sock"}};
  for (const auto& [name, path] : required) {
    std::filesystem::rename(Path(path), Path("aside"));
    EXPECT_FALSE(Find(name).ok) << name;
    EXPECT_FALSE(CanRunPods(Examine(host_))) << name;
    std::filesystem::rename(Path("aside"), Path(path));
  }
  const std::map<std::string, std::string> optional = {
      {"kvm", "dev/kvm"},
      {"sev-snp", "dev/sev"},
      {"vhost-vsock", "dev/vhost-vsock"},
      {"device-mapper", "dev/mapper/control"},
      {"loop", "dev/loop-control"},
      {"tdx", "sys/module/kvm_intel/parameters/tdx"},
      {"skopeo", "usr/bin/skopeo"}};
  for (const auto& [name, path] : optional) {
    std::filesystem::rename(Path(path), Path("aside"));
    EXPECT_FALSE(Find(name).ok) << name;
    EXPECT_TRUE(CanRunPods(Examine(host_))) << name;
    std::filesystem::rename(Path("aside"), Path(path));
  }
}

TEST_F(DoctorTest, PodsRunWithoutANetworkWhereTheKernelCannotJoinOne) {
  Furnish();
  network_ = Error(ErrorCode::kNotFound, "redirect link 2 to 1: Object not found");
  const auto check = Find("pod-network");
  EXPECT_FALSE(check.ok);
  EXPECT_EQ(check.detail, "redirect link 2 to 1: Object not found");
  EXPECT_THAT(check.way_out, HasSubstr("modprobe tun sch_ingress cls_u32 act_mirred"));
  EXPECT_TRUE(CanRunPods(Examine(host_)));
}

TEST(PodNetworkProbeTest, DoesOnThisMachineWhatTheShimDoes) {
  const auto before = std::filesystem::read_symlink("/proc/thread-self/ns/net");
  const auto works = ProbePodNetwork();
  if (::geteuid() == 0) {
    EXPECT_TRUE(works.ok()) << works.error().message();
  } else {
    ASSERT_FALSE(works.ok());
    EXPECT_THAT(works.error().message(), HasSubstr("make a network namespace"));
  }
  EXPECT_EQ(std::filesystem::read_symlink("/proc/thread-self/ns/net"), before);
}

TEST_F(DoctorTest, ContainerdsConfigurationIsReadForWhatSealedImagesNeed) {
  Furnish();
  const std::string ours = "io.containerd.locket.v2";
  EXPECT_TRUE(Find("cri-config").ok);
  cri_config_ = CriConfig("overlayfs", ours);
  EXPECT_EQ(Find("cri-config").detail,
            "snapshotter is \"overlayfs\", which cannot take sealed layers");
  EXPECT_FALSE(CanRunPods(Examine(host_)));
  cri_config_ = CriConfig("overlayfs", ours + R"(","snapshotter":"locket)");
  EXPECT_TRUE(Find("cri-config").ok) << "the runtime has a snapshotter of its own";
  cri_config_ = CriConfig("locket", ours, R"(,"disableSnapshotAnnotations":true)");
  EXPECT_THAT(Find("cri-config").detail, HasSubstr("disable_snapshot_annotations is true"));
  cri_config_ = CriConfig("locket", "io.containerd.runc.v2");
  EXPECT_THAT(Find("cri-config").detail,
              HasSubstr("no runtime is of type io.containerd.locket.v2"));
  cri_config_ = Error(ErrorCode::kUnavailable, "nobody there");
  EXPECT_EQ(Find("cri-config").detail, "nobody there");
  for (const char* silent : {"", "[]", "{", R"({"registry":{}})"}) {
    cri_config_ = std::string(silent);
    EXPECT_TRUE(Find("cri-config").ok) << silent;
  }
}

TEST_F(DoctorTest, TheDirectoryWhereTheKubeletMeasuresImagesIsThereOrALinkIsTheWayOut) {
  Furnish();
  EXPECT_EQ(Find("image-space").detail, "/run");
  const std::string named = "/var/lib/containerd/io.containerd.snapshotter.v1.locket";
  image_space_ = std::vector<std::string>{"/run", named};
  const Check missing = Find("image-space");
  EXPECT_FALSE(missing.ok);
  EXPECT_EQ(missing.detail, "containerd tells it to look in '" + named + "', which does not exist");
  EXPECT_EQ(missing.way_out, "ln -s /var/lib/locket-snapshotter '" + named + "'");
  EXPECT_TRUE(CanRunPods(Examine(host_)));
  std::filesystem::create_directories(Path("var/lib/containerd"));
  std::filesystem::create_directory_symlink("../../../run", Path(named.substr(1)));
  EXPECT_EQ(Find("image-space").detail, "/run, " + named);
  image_space_ = std::vector<std::string>();
  EXPECT_TRUE(Find("image-space").ok);
}

TEST_F(DoctorTest, ConversionIsExaminedWhereItIsWanted) {
  Furnish();
  EXPECT_EQ(Find("conversion").detail, "convert = true; 5.0 GiB left in '/v/converting'");
  conversions_->failures = {
      {.image = "r/a:1", .problem = "layer x: no tar", .failed_ns = 1'700'000'000'000'000'000},
      {.image = "r/b:1", .problem = "HTTP 401", .failed_ns = 0}};
  const Check failed = Find("conversion");
  EXPECT_FALSE(failed.ok);
  EXPECT_EQ(failed.detail,
            "'r/a:1' at 2023-11-14T22:13:20Z: layer x: no tar; 'r/b:1' at 1970-01-01T00:00:00Z: "
            "HTTP 401");
  EXPECT_THAT(failed.way_out, HasSubstr("convert_except"));
  EXPECT_TRUE(CanRunPods(Examine(host_))) << "other images still run";
  conversions_->free_bytes = 1ULL << 30;
  EXPECT_THAT(Find("conversion").detail, HasSubstr("only 1.0 GiB left in '/v/converting'"));
  EXPECT_THAT(Find("conversion").way_out, HasSubstr("more space"));
  conversions_->enabled = false;
  EXPECT_EQ(Find("conversion").detail, "switched off: convert = false");
  EXPECT_TRUE(Find("conversion").ok);
}

TEST_F(DoctorTest, FixesSayWhatTheyDidAndWhatTheyCouldNot) {
  DoctorFixes host{.repair_snapshots = []() -> Result<std::pair<uint64_t, std::string>> {
                     return std::pair(uint64_t{3}, std::string());
                   },
                   .collect_garbage = [] { return Ok(); }};
  auto fixes = RunFixes(host);
  ASSERT_EQ(fixes.size(), 2U);
  EXPECT_EQ(fixes[0], (Fix{.name = "snapshots", .ok = true, .detail = "3 healed"}));
  EXPECT_TRUE(fixes[1].ok);
  host.repair_snapshots = []() -> Result<std::pair<uint64_t, std::string>> {
    return std::pair(uint64_t{1}, std::string("no registry"));
  };
  host.collect_garbage = []() -> Status { return Error(ErrorCode::kUnavailable, "no containerd"); };
  fixes = RunFixes(host);
  std::ostringstream text;
  PrintFixes(fixes, text);
  EXPECT_EQ(text.str(),
            "NOT FIXED snapshots      1 healed; not healed: no registry\n"
            "NOT FIXED garbage        no containerd\n");
  const auto json = nlohmann::json::parse(ChecksAsJson({}, fixes));
  EXPECT_EQ(json["fixes"][1]["detail"], "no containerd");
  EXPECT_FALSE(nlohmann::json::parse(ChecksAsJson({})).contains("fixes"));
}

TEST_F(DoctorTest, KvmThatDoesNotWorkIsNotOk) {
  Furnish();
  host_.probe_kvm = []() -> Status {
    return Error(ErrorCode::kFailedPrecondition, "does not run the guest");
  };
  EXPECT_EQ(Find("kvm").detail, "/dev/kvm exists but does not run the guest");
}

TEST_F(DoctorTest, ProgramThatCannotRunIsMissing) {
  Furnish();
  std::filesystem::permissions(Path("usr/bin/qemu-system-x86_64"),
                               std::filesystem::perms::owner_read);
  EXPECT_EQ(Find("qemu").detail, "no program 'qemu-system-x86_64' in PATH");
}

TEST_F(DoctorTest, GuestImageMustBeWhole) {
  Furnish();
  Write("guest/guest-image.json", "{");
  EXPECT_EQ(Find("guest-image").detail, "guest-image.json is not JSON");
  Write("guest/guest-image.json", R"({"kernel":"vmlinuz"})");
  EXPECT_EQ(Find("guest-image").detail, "guest-image.json does not name the initrd");
}

TEST_F(DoctorTest, TdxThatIsSwitchedOffSaysSo) {
  Write("sys/module/kvm_intel/parameters/tdx", "N\n");
  EXPECT_THAT(Find("tdx").detail, HasSubstr("says no"));
}

TEST_F(DoctorTest, PrintsForPeopleAndAsJson) {
  const std::vector<Check> checks = {{.name = "qemu",
                                      .need = Need::kPod,
                                      .needed_for = "pods",
                                      .ok = false,
                                      .detail = "none",
                                      .way_out = "install it"},
                                     {.name = "kvm",
                                      .need = Need::kFeature,
                                      .needed_for = "speed",
                                      .ok = true,
                                      .detail = "/dev/kvm",
                                      .way_out = ""}};
  std::ostringstream text;
  PrintChecks(checks, text);
  EXPECT_EQ(text.str(),
            "MISSING  qemu           none\n"
            "                        needed for: pods\n"
            "                        what to do: install it\n"
            "ok       kvm            /dev/kvm\n"
            "No pod can run here until everything marked MISSING is there.\n");
  EXPECT_EQ(nlohmann::json::parse(ChecksAsJson(checks)), nlohmann::json::parse(R"({
    "can_run_pods": false,
    "checks": [
      {"name": "qemu", "ok": false, "required": true, "needed_for": "pods", "detail": "none",
       "way_out": "install it"},
      {"name": "kvm", "ok": true, "required": false, "needed_for": "speed",
       "detail": "/dev/kvm", "way_out": ""}]})"));
}

TEST_F(DoctorTest, CommandTakesItsPlacesFromTheEnvironment) {
  cli_.environment = {{"PATH", Path("bin")},
                      {"LOCKET_CRI_SOCKET", Path("none.sock")},
                      {"LOCKET_SNAPSHOTTER_SOCKET", Path("other.sock")},
                      {"LOCKET_GUEST_IMAGE_DIR", Path("guest")},
                      {"LOCKET_BROKER_URL", "https://127.0.0.1:1"}};
  const auto doctor = cli_.Run({"doctor", "--json"});
  EXPECT_EQ(doctor.exit_code, 1);
  for (const char* place : {"none.sock", "other.sock", "guest", "connect to 127.0.0.1:1"}) {
    EXPECT_THAT(doctor.out, HasSubstr(place));
  }
  EXPECT_FALSE(nlohmann::json::parse(doctor.out)["can_run_pods"].get<bool>());
  const auto fixed = cli_.Run({"doctor", "--fix"});
  EXPECT_EQ(fixed.exit_code, 1);
  EXPECT_THAT(fixed.out, HasSubstr("NOT FIXED snapshots      cannot reach locket-snapshotter at '" +
                                   Path("other.sock")));
  EXPECT_THAT(fixed.out,
              HasSubstr("NOT FIXED garbage        ask containerd at '" + Path("none.sock")));
}

TEST(ProbeKvmTest, SaysWhatIsWrongWithAFileThatIsNoKvm) {
  const auto probed = ProbeKvm("/dev/null", std::chrono::seconds(5));
  ASSERT_FALSE(probed.ok());
  EXPECT_EQ(probed.error().message(), "has another API version");
  EXPECT_EQ(ProbeKvm("/dev/none", std::chrono::seconds(5)).error().message(),
            "cannot be opened (permission?)");
}

TEST(ProbeKvmTest, AnswersWithinItsTimeWhateverThisHostsKvmDoes) {
  const auto begun = std::chrono::steady_clock::now();
  const auto probed = ProbeKvm("/dev/kvm", std::chrono::milliseconds(2000));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(10));
  if (!probed.ok()) {
    EXPECT_FALSE(probed.error().message().empty());
  }
}

TEST_F(DoctorTest, QemuThatDoesNotTakeKvmSaysWhy) {
  const std::string qemu = Write("qemu", "#!/bin/sh\necho 'failed to set MSR' >&2\nexit 134\n");
  std::filesystem::permissions(qemu, std::filesystem::perms::owner_all);
  EXPECT_EQ(ProbeQemuKvm(qemu, std::chrono::seconds(10)).error().message(),
            "QEMU does not run with it: failed to set MSR");
  EXPECT_TRUE(ProbeQemuKvm("true", std::chrono::seconds(10)).ok());
  EXPECT_EQ(ProbeQemuKvm(Path("none"), std::chrono::seconds(10)).error().code(),
            ErrorCode::kNotFound);
}

TEST(ProbeTcpTest, ConnectsToAListenerAndNamesARefusal) {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(::bind(fd.get(), generic, size), 0);
  ASSERT_EQ(::getsockname(fd.get(), generic, &size), 0);
  const std::string url = "https://127.0.0.1:" + std::to_string(::ntohs(address.sin_port)) + "/x";
  EXPECT_THAT(ProbeTcp(url, std::chrono::seconds(5)).error().message(),
              HasSubstr("Connection refused"));
  ASSERT_EQ(::listen(fd.get(), 1), 0);
  EXPECT_TRUE(ProbeTcp(url, std::chrono::seconds(5)).ok());
}

TEST(ProbeTcpTest, RefusesWhatIsNoUrl) {
  for (const char* url : {"", "broker", "ftp://broker", "https://", "https://:1"}) {
    EXPECT_THAT(ProbeTcp(url, std::chrono::seconds(1)).error().message(),
                HasSubstr("is not https://HOST[:PORT]"))
        << url;
  }
}

}  // namespace
}  // namespace locket::cli
