#include "runtime-shim/command/commands.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <google/protobuf/any.pb.h>
#include <google/protobuf/empty.pb.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "base/file.h"
#include "base/subprocess.h"
#include "base/version.h"
#include "proto/bootstrap.pb.h"
#include "proto/runtime_info.pb.h"
#include "proto/runtime_options.pb.h"
#include "proto/task.pb.h"
#include "rpc/transport.h"
#include "rpc/ttrpc_client.h"
#include "runtime-shim/hypervisor/process_record.h"

namespace locket::runtime_shim {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

namespace bootstrap = ::containerd::runtime::bootstrap::v1;
namespace v2 = ::containerd::task::v2;

class CommandsTest : public ::testing::Test {
 protected:
  CommandsTest() : dir_(TempDir::Create("/tmp", "shim-cmd").value()) {
    Write("shim.toml", "guest_image_dir = \"" + Path("nowhere") + "\"\naccelerator = \"tcg\"\n" +
                           "state_dir = \"" + Path("state") + "\"\n");
    WriteBundle("pod", {{"io.kubernetes.cri.container-type", "sandbox"}});
    WriteBundle("one", {{"io.kubernetes.cri.container-type", "container"},
                        {"io.kubernetes.cri.sandbox-id", "pod"}});
  }
  std::string Path(const std::string& name) const { return (dir_.path() / name).string(); }
  void Write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((dir_.path() / name).parent_path());
    EXPECT_TRUE(ReplaceFileDurably(dir_.path() / name, text).ok());
  }
  void WriteBundle(const std::string& id, const json& annotations) {
    Write(id + "/config.json", json{{"annotations", annotations}}.dump());
  }
  CommandLine Line(const std::string& id, Action action = Action::kStart) const {
    return {.action = action,
            .namespace_name = "k8s.io",
            .id = id,
            .containerd_address = "/run/containerd.sock",
            .bundle = Path(id)};
  }
  std::string Options() const {
    runtimeoptions::v1::Options options;
    options.set_config_path(Path("shim.toml"));
    google::protobuf::Any any;
    any.set_type_url("runtimeoptions.v1.Options");
    any.set_value(options.SerializeAsString());
    return any.SerializeAsString();
  }
  std::string Message(const std::string& id, const std::string& socket_dir) const {
    bootstrap::BootstrapParams params;
    params.set_instance_id(id);
    params.set_namespace_("k8s.io");
    params.set_containerd_grpc_address("/run/containerd.sock");
    params.set_containerd_ttrpc_address("/run/c.ttrpc");
    params.set_socket_dir(socket_dir);
    EXPECT_TRUE(params.add_extensions()->mutable_value()->ParseFromString(Options()));
    return params.SerializeAsString();
  }
  Result<std::string> Start(const std::string& id) {
    return RunStart(Line(id), Options(), [this](const auto& arguments, UniqueFd socket) -> Status {
      arguments_ = arguments;
      socket_ = std::move(socket);
      return Ok();
    });
  }
  TempDir dir_;
  std::vector<std::string> arguments_;
  UniqueFd socket_;
};

TEST_F(CommandsTest, ASandboxStartsADaemon) {
  const auto address = Start("pod");
  ASSERT_TRUE(address.ok()) << address.error().message();
  EXPECT_THAT(*address, StartsWith("unix://" + Path("state/s/")));
  EXPECT_EQ(ReadFile(Path("pod/address"), 1000).value(), *address);
  EXPECT_TRUE(socket_.valid());
  EXPECT_THAT(arguments_, Contains("serve"));
  const auto daemon = ParseCommandLine(arguments_);
  ASSERT_TRUE(daemon.ok()) << daemon.error().message();
  EXPECT_EQ(daemon->config, Path("shim.toml"));
  EXPECT_EQ(daemon->bundle, Path("pod"));
  EXPECT_EQ(daemon->id, "pod");
}

TEST_F(CommandsTest, AContainerJoinsThePodsShim) {
  const auto pod = Start("pod");
  ASSERT_TRUE(pod.ok());
  arguments_.clear();
  const auto one = Start("one");
  ASSERT_TRUE(one.ok()) << one.error().message();
  EXPECT_EQ(*one, *pod);
  EXPECT_THAT(arguments_, IsEmpty());
  EXPECT_EQ(ReadFile(Path("one/address"), 1000).value(), *pod);
}

TEST_F(CommandsTest, ADirectoryOfSocketsIsPrivateAndOneThatWasThereKeepsItsMode) {
  namespace fs = std::filesystem;
  ASSERT_TRUE(Start("pod").ok());
  EXPECT_EQ(fs::status(Path("state/s")).permissions(), fs::perms::owner_all);
  const auto shared = static_cast<fs::perms>(0755);
  fs::create_directory(Path("shared"));
  fs::permissions(Path("shared"), shared);
  CommandLine line = Line("pod");
  line.socket_dir = Path("shared");
  const mode_t before = ::umask(0);
  const auto started =
      RunStart(line, Options(), [](const auto&, UniqueFd) -> Status { return Ok(); });
  EXPECT_EQ(::umask(before), 0U);
  ASSERT_TRUE(started.ok()) << started.error().message();
  EXPECT_EQ(fs::status(Path("shared")).permissions(), shared);
  ASSERT_THAT(*started, StartsWith("unix://" + Path("shared/")));
  EXPECT_EQ(fs::status(started->substr(7)).permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(CommandsTest, AFileWhereSocketsShouldBeIsNamed) {
  Write("file", "");
  CommandLine line = Line("pod");
  line.socket_dir = Path("file");
  EXPECT_THAT(RunStart(line, Options(), nullptr).error().message(),
              HasSubstr("make '" + Path("file") + "'"));
}

// As containerd 2.3 and later start it; it says that flags and environment will go.
TEST_F(CommandsTest, AMessageAloneStartsADaemonAndIsAnsweredByOne) {
  const auto start = [&](const std::string& id, const std::string& socket_dir) {
    return RunStart({.action = Action::kStart, .bundle = Path(id)}, Message(id, socket_dir),
                    [this](const auto& arguments, UniqueFd socket) -> Status {
                      arguments_ = arguments;
                      socket_ = std::move(socket);
                      return Ok();
                    });
  };
  const auto printed = start("pod", Path("sockets"));
  ASSERT_TRUE(printed.ok()) << printed.error().message();
  bootstrap::BootstrapResult result;
  ASSERT_TRUE(result.ParseFromString(*printed));
  EXPECT_EQ(result.version(), 2);
  EXPECT_EQ(result.protocol(), "ttrpc");
  EXPECT_THAT(result.address(), StartsWith("unix://" + Path("sockets/")));
  EXPECT_EQ(ReadFile(Path("pod/address"), 1000).value(), result.address());
  const auto daemon = ParseCommandLine(arguments_);
  ASSERT_TRUE(daemon.ok()) << daemon.error().message();
  EXPECT_EQ(daemon->id, "pod");
  EXPECT_EQ(daemon->namespace_name, "k8s.io");
  EXPECT_EQ(daemon->containerd_ttrpc_address, "/run/c.ttrpc");
  EXPECT_EQ(daemon->socket_dir, Path("sockets"));
  EXPECT_EQ(start("one", Path("sockets")).value(), *printed) << "it joins";
}

TEST_F(CommandsTest, AContainerJoinsAPodThatIsOlderThanTheSocketDirectory) {
  const auto pod = Start("pod");
  ASSERT_TRUE(pod.ok());
  const auto one = RunStart(Line("one"), Message("one", Path("sockets")), nullptr);
  ASSERT_TRUE(one.ok()) << one.error().message();
  bootstrap::BootstrapResult result;
  ASSERT_TRUE(result.ParseFromString(*one));
  EXPECT_EQ(result.address(), *pod);
}

TEST_F(CommandsTest, AContainerWithoutAPodIsRefused) {
  const auto one = Start("one");
  ASSERT_FALSE(one.ok());
  EXPECT_THAT(one.error().message(), HasSubstr("pod 'pod' has no shim"));
}

TEST_F(CommandsTest, StartEndsWhatAnEarlierLifeLeft) {
  auto leftover = Subprocess::Start({"sleep", "1000"}).value();
  std::filesystem::create_directories(Path("state/pod"));
  ASSERT_TRUE(
      WriteProcessRecord(Path("state/pod"), {IdentifyProcess(leftover.pid()).value()}).ok());
  ASSERT_TRUE(Start("pod").ok());
  EXPECT_EQ(leftover.Wait().value(), 128 + SIGTERM);
  EXPECT_FALSE(std::filesystem::exists(Path("state/pod")));
}

TEST_F(CommandsTest, OptionsNameTheConfiguration) {
  EXPECT_EQ(ConfigPathFromOptions("").value(), kDefaultConfigPath);
  EXPECT_EQ(ConfigPathFromOptions(Options()).value(), Path("shim.toml"));
  google::protobuf::Any any;
  any.set_type_url("containerd.runc.v1.Options");
  const auto foreign = ConfigPathFromOptions(any.SerializeAsString());
  ASSERT_FALSE(foreign.ok());
  EXPECT_THAT(foreign.error().message(), HasSubstr("ConfigPath"));
  EXPECT_FALSE(ConfigPathFromOptions("\xff\xff").ok());
}

TEST_F(CommandsTest, InfoSaysWhatThisRuntimeIsAndRefusesWhatStartWould) {
  ::containerd::types::RuntimeInfo info;
  ASSERT_TRUE(info.ParseFromString(RunInfo(Options()).value()));
  EXPECT_EQ(info.name(), "io.containerd.locket.v2");
  EXPECT_EQ(info.version().version(), kVersion);
  EXPECT_EQ(info.options().SerializeAsString(), Options()) << "as they came";
  ASSERT_TRUE(info.ParseFromString(RunInfo("").value()));
  EXPECT_FALSE(info.has_options());
  EXPECT_EQ(RunInfo("\xff\xff").error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(CommandsTest, ABrokenConfigurationIsNamed) {
  Write("shim.toml", "surprise = 1\n");
  const auto address = Start("pod");
  ASSERT_FALSE(address.ok());
  EXPECT_THAT(address.error().message(), HasSubstr(Path("shim.toml")));
  EXPECT_THAT(address.error().message(), HasSubstr("'surprise': unknown"));
}

TEST_F(CommandsTest, DeleteEndsAVmWithoutItsShim) {
  ASSERT_TRUE(Start("pod").ok());
  auto vm = Subprocess::Start({"sleep", "1000"}).value();
  auto shim = Subprocess::Start({"sleep", "1000"}).value();
  std::filesystem::create_directories(Path("state/pod/shim"));
  ASSERT_TRUE(WriteProcessRecord(Path("state/pod"), {IdentifyProcess(vm.pid()).value()}).ok());
  ASSERT_TRUE(
      WriteProcessRecord(Path("state/pod/shim"), {IdentifyProcess(shim.pid()).value()}).ok());
  const auto printed = RunDelete(Line("pod", Action::kDelete));
  ASSERT_TRUE(printed.ok()) << printed.error().message();
  v2::DeleteResponse response;
  ASSERT_TRUE(response.ParseFromString(*printed));
  EXPECT_EQ(response.exit_status(), 137U);
  EXPECT_GT(response.exited_at().seconds(), 0);
  EXPECT_GT(vm.Wait().value(), 128);
  EXPECT_GT(shim.Wait().value(), 128);
  EXPECT_FALSE(std::filesystem::exists(Path("state/pod")));
}

TEST_F(CommandsTest, DeleteOfAContainerLeavesThePodAlone) {
  ASSERT_TRUE(Start("pod").ok());
  std::filesystem::create_directories(Path("state/pod"));
  EXPECT_TRUE(RunDelete(Line("one", Action::kDelete)).ok());
  EXPECT_TRUE(std::filesystem::exists(Path("state/pod")));
}

TEST_F(CommandsTest, DeleteRemovesNoDirectoryOfAnotherName) {
  std::filesystem::create_directories(Path("precious"));
  Write("pod/locket-state-dir", Path("precious"));
  EXPECT_TRUE(RunDelete(Line("pod", Action::kDelete)).ok());
  EXPECT_TRUE(std::filesystem::exists(Path("precious")));
}

// The program itself, as containerd runs it.
class ProgramTest : public CommandsTest {
 protected:
  static std::vector<std::string> Argv(const std::string& id, const std::string& bundle,
                                       const std::string& action) {
    return {std::string(LOCKET_BINARY_DIR) + "/bin/containerd-shim-locket-v2",
            "-namespace",
            "k8s.io",
            "-address",
            "/run/none.sock",
            "-publish-binary",
            "/bin/true",
            "-id",
            id,
            "-bundle",
            bundle,
            action};
  }
};

TEST_F(ProgramTest, ServesFromStartToShutdown) {
  ASSERT_EQ(::mkfifo(Path("pod/log").c_str(), 0600), 0);
  const UniqueFd log(::open(Path("pod/log").c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  const auto started = RunCommand(Argv("pod", Path("pod"), "start"), {.input = Options()});
  ASSERT_TRUE(started.ok()) << started.error().message();
  ASSERT_EQ(started->exit_status, 0) << started->standard_error;
  EXPECT_EQ(started->standard_error, "");
  ASSERT_THAT(started->standard_output, StartsWith("unix://"));
  auto socket = rpc::ConnectUnix(started->standard_output.substr(7));
  ASSERT_TRUE(socket.ok()) << socket.error().message();
  auto client = rpc::TtrpcClient::Create(std::move(socket).value()).value();
  const auto call = [&](const char* method, const auto& request, auto* response) {
    return client->Call("containerd.task.v2.Task", method, request, response,
                        {.timeout = seconds(30)});
  };
  v2::ConnectRequest connect;
  connect.set_id("pod");
  v2::ConnectResponse connected;
  ASSERT_TRUE(call("Connect", connect, &connected).ok());
  const auto shim = IdentifyProcess(static_cast<pid_t>(connected.shim_pid()));
  ASSERT_TRUE(shim.ok());

  rlimit own{};
  ASSERT_EQ(::prlimit(shim->pid, RLIMIT_NOFILE, nullptr, &own), 0);
  EXPECT_EQ(own.rlim_cur, own.rlim_max) << "a pod may have hundreds of layers";

  v2::CreateTaskRequest create;
  create.set_id("pod");
  create.set_bundle(Path("pod"));
  v2::CreateTaskResponse created;
  const auto failed = call("Create", create, &created);
  ASSERT_FALSE(failed.ok());
  EXPECT_THAT(failed.error().message(), HasSubstr(Path("nowhere"))) << "the guest image is missing";
  google::protobuf::Empty empty;
  v2::ExecProcessRequest exec;
  exec.set_id("pod");
  exec.set_exec_id("e");
  EXPECT_EQ(call("Exec", exec, &empty).error().code(), ErrorCode::kNotFound);
  const auto update = call("Update", v2::UpdateTaskRequest(), &empty);
  EXPECT_EQ(update.error().code(), ErrorCode::kUnimplemented) << "not done is not said to be done";
  v2::DeleteResponse deleted;
  v2::DeleteRequest remove;
  remove.set_id("pod");
  EXPECT_EQ(call("Delete", remove, &deleted).error().code(), ErrorCode::kNotFound);

  // Its answer may be cut off by the end it asks for.
  (void)call("Shutdown", v2::ShutdownRequest(), &empty);
  const auto until = std::chrono::steady_clock::now() + seconds(30);
  while (IdentifyProcess(shim->pid).ok() && std::chrono::steady_clock::now() < until) {
    std::this_thread::yield();
  }
  EXPECT_FALSE(IdentifyProcess(shim->pid).ok()) << "the shim lives on";
  EXPECT_FALSE(std::filesystem::exists(started->standard_output.substr(7)));
  EXPECT_FALSE(std::filesystem::exists(Path("state/pod")));
  std::string text(65536, '\0');
  text.resize(
      static_cast<size_t>(std::max<ssize_t>(::read(log.get(), text.data(), text.size()), 0)));
  EXPECT_THAT(text, HasSubstr("serving"));
  EXPECT_THAT(text, HasSubstr("the shim ends"));
}

TEST_F(ProgramTest, AFailedStartSaysWhyInOneLine) {
  const auto started = RunCommand(Argv("one", Path("one"), "start"), {.input = Options()});
  ASSERT_TRUE(started.ok());
  EXPECT_EQ(started->exit_status, 1);
  EXPECT_THAT(started->standard_error,
              StartsWith("containerd-shim-locket-v2: pod 'pod' has no shim"));
}

TEST_F(ProgramTest, AWrongCommandLineIsAnotherStatus) {
  const auto wrong = RunCommand(Argv("one", Path("one"), "stop"));
  ASSERT_TRUE(wrong.ok());
  EXPECT_EQ(wrong->exit_status, 2);
  const auto help = RunCommand({Argv("", "", "")[0], "--help"});
  ASSERT_TRUE(help.ok());
  EXPECT_EQ(help->exit_status, 0);
  EXPECT_THAT(help->standard_output, HasSubstr("start|delete"));
}

}  // namespace
}  // namespace locket::runtime_shim
