// The real binary: its socket, its signals, its exit codes, and what a kill -9 leaves.
#include <algorithm>
#include <future>
#include <set>
#include <thread>

#include "tests/snapshotter/image_fixture.h"
#include "tests/snapshotter/pull/loopback_registry.h"
#include "tests/snapshotter/service/server_fixture.h"

namespace locket::snapshotter {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Bytes of sealed layers are 24 KiB; a stall in the middle has brought something.
constexpr size_t kSomeBytes = 10'000;

CommandOutput RunBinary(std::vector<std::string> flags) {
  flags.insert(flags.begin(), kBinary);
  auto output = RunCommand(flags);
  EXPECT_TRUE(output.ok());
  return std::move(output).value();
}

TEST(ProgramTest, ExitCodesAndErrorsOfOneLine) {
  EXPECT_EQ(RunBinary({"--help"}).exit_status, 0);
  EXPECT_THAT(RunBinary({"--version"}).standard_output, HasSubstr("locket-snapshotter 0."));
  const auto usage = RunBinary({"--rot"});
  EXPECT_EQ(usage.exit_status, 2);
  EXPECT_THAT(usage.standard_error, HasSubstr("locket-snapshotter: "));
  EXPECT_EQ(std::ranges::count(usage.standard_error, '\n'), 1);
  EXPECT_EQ(RunBinary({"--check-config", "--config", LOCKET_SOURCE_DIR "/deploy/snapshotter.toml"})
                .exit_status,
            0);
  const auto no_root = RunBinary({"--root", "/proc/nope", "--address", "/proc/nope.sock"});
  EXPECT_EQ(no_root.exit_status, 1);
  EXPECT_THAT(no_root.standard_error, HasSubstr("create '/proc/nope'"));
}

TEST_F(ServerTest, CheckConfigNamesTheFileThatIsWrong) {
  const std::string file = temp_.path() / "auth.json";
  ASSERT_TRUE(ReplaceFileDurably(file, "{").ok());
  const auto checked = RunBinary({"--check-config", "--credentials", file});
  EXPECT_EQ(checked.exit_status, 2);
  EXPECT_THAT(checked.standard_error, HasSubstr(file));
}

TEST_F(ServerTest, ServesOnAPrivateSocketAndLeavesCleanlyOnSigterm) {
  Configure("");
  Start();
  EXPECT_EQ(fs::status(address()).permissions(), fs::perms(0600));
  EXPECT_TRUE(Prepare({.key = "a"}).ok());
  EXPECT_EQ(Stop(SIGTERM), 0) << log_();
  EXPECT_FALSE(fs::exists(address()));
  Start();
  EXPECT_THAT(List(), SizeIs(1));
  EXPECT_EQ(Stop(SIGINT), 0);
}

TEST_F(ServerTest, ReplacesTheSocketOfAKilledServerButNotOfALivingOne) {
  Configure("");
  Start();
  Stop(SIGKILL);
  ASSERT_TRUE(fs::exists(address()));
  Start();
  const auto same_address = RunBinary({"--root", temp_.path() / "other", "--address", address()});
  EXPECT_EQ(same_address.exit_status, 1);
  EXPECT_THAT(same_address.standard_error, HasSubstr("another server listens there"));
  const auto same_root = RunBinary({"--root", root(), "--address", temp_.path() / "t.sock"});
  EXPECT_EQ(same_root.exit_status, 1);
  EXPECT_THAT(same_root.standard_error, HasSubstr("another locket-snapshotter uses this root"));
  EXPECT_THAT(List(), IsEmpty()) << "the first one still answers";
}

TEST_F(ServerTest, DoesNotReplaceAFileThatIsNoSocket) {
  ASSERT_TRUE(ReplaceFileDurably(address(), "precious").ok());
  const auto refused = RunBinary({"--root", root(), "--address", address()});
  EXPECT_EQ(refused.exit_status, 1);
  EXPECT_THAT(refused.standard_error, HasSubstr("a file that is no socket"));
  EXPECT_EQ(*ReadFile(address(), 100), "precious");
  const auto long_path = RunBinary({"--root", root(), "--address", "/" + std::string(120, 'x')});
  EXPECT_THAT(long_path.standard_error, HasSubstr("longer than 107 bytes"));
}

TEST_F(ServerTest, ErrorsReachContainerdWithTheirCodes) {
  Configure("");
  Start();
  ASSERT_TRUE(Prepare({.key = "a"}).ok());
  EXPECT_EQ(Prepare({.key = "a"}).error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(Prepare({.key = "b", .parent = "a"}).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Prepare({.key = "b", .parent = "x"}).error_code(), grpc::StatusCode::NOT_FOUND);
  ASSERT_TRUE(Commit("c", "a").ok());
  ASSERT_TRUE(Prepare({.key = "d", .parent = "c"}).ok());
  const grpc::Status removed = Remove("c");
  EXPECT_EQ(removed.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(removed.error_message(), HasSubstr("cannot remove snapshot 'c'"));
}

TEST_F(ServerTest, ListsMoreSnapshotsThanOneMessageHolds) {
  Configure("");
  Start();
  std::set<std::string> expected;
  for (int i = 0; i < 101; ++i) {
    ASSERT_TRUE(Prepare({.key = std::to_string(i)}).ok());
    expected.insert(std::to_string(i));
  }
  std::set<std::string> listed;
  for (const pb::Info& info : List()) listed.insert(info.name());
  EXPECT_EQ(listed, expected);
  EXPECT_THAT(List({"name==7", "name==8"}), SizeIs(2));
}

TEST_F(ServerTest, ADownloadCutOffByAKillIsContinued) {
  LoopbackRegistry registry;
  const TestImage image = MakeImage(registry.host() + "/app:1", "A");
  image.AddTo(registry);
  registry.StallAfter(image.layer_digests[0], kSomeBytes);
  Configure("");
  Start();
  auto pull = std::async(std::launch::async, [&] {
    return Prepare(image.Pull(0, "", "k8s.io/1/extract-1 x")).error_code();
  });
  registry.WaitForStall();
  const fs::path partial = root() / "ingest" / image.layer_digests[0].substr(7);
  // What the registry sent is in the file once the client has read it from its socket.
  while (!fs::exists(partial) || fs::file_size(partial) < kSomeBytes) std::this_thread::yield();
  Stop(SIGKILL);
  EXPECT_EQ(pull.get(), grpc::StatusCode::UNAVAILABLE);
  registry.StopStalling();

  Start();
  EXPECT_THAT(List(), IsEmpty());
  const grpc::Status pulled = Prepare(image.Pull(0, "", "k8s.io/2/extract-2 x"));
  EXPECT_EQ(pulled.error_code(), grpc::StatusCode::ALREADY_EXISTS) << pulled.error_message();
  EXPECT_EQ(registry.OffsetsAsked(image.layer_digests[0]).back(), kSomeBytes);
  EXPECT_EQ(*ReadFile(root() / "blobs/sha256" / image.layer_digests[0].substr(7), 1 << 20),
            image.layers[0]);
  EXPECT_TRUE(fs::is_empty(root() / "ingest"));
  const auto listed =
      List({"labels.\"containerd.io/snapshot.ref\"==" + image.chain_ids[0] + ",parent==\"\""});
  ASSERT_THAT(listed, SizeIs(1));
  EXPECT_EQ(listed[0].kind(), pb::COMMITTED);
}

TEST_F(ServerTest, SigtermInTheMiddleOfADownloadEndsItAtOnce) {
  LoopbackRegistry registry;
  const TestImage image = MakeImage(registry.host() + "/app:1", "A");
  image.AddTo(registry);
  registry.StallAfter(image.layer_digests[0], kSomeBytes);
  Configure("");
  Start();
  auto pull = std::async(std::launch::async, [&] {
    return Prepare(image.Pull(0, "", "k8s.io/1/extract-1 x")).error_code();
  });
  registry.WaitForStall();
  EXPECT_EQ(Stop(SIGTERM), 0) << log_();
  EXPECT_EQ(pull.get(), grpc::StatusCode::CANCELLED);
  EXPECT_FALSE(fs::is_empty(root() / "ingest")) << "what came is kept";
}

TEST_F(ServerTest, ASilentRegistryFailsThePullWithinTheConfiguredTime) {
  LoopbackRegistry registry;
  const TestImage image = MakeImage(registry.host() + "/app:1", "A");
  image.AddTo(registry);
  registry.StallAfter(image.layer_digests[0], kSomeBytes);
  Configure("[registry]\ntimeout_s = 1\n");
  Start();
  const auto before = std::chrono::steady_clock::now();
  const grpc::Status pulled = Prepare(image.Pull(0, "", "k8s.io/1/extract-1 x"));
  EXPECT_EQ(pulled.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_THAT(pulled.error_message(), HasSubstr("the registry sent nothing for 1000 ms"));
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(20));
  EXPECT_THAT(List(), IsEmpty());
}

TEST_F(ServerTest, AnAbsentRegistryFailsThePullAndSaysWhich) {
  std::string host;
  {
    const LoopbackRegistry registry;  // its port is nobody's afterwards
    host = registry.host();
  }
  const TestImage image = MakeImage(host + "/app:1", "A");
  Configure("[registry]\ntimeout_s = 5\n");
  Start();
  const grpc::Status pulled = Prepare(image.Pull(0, "", "k8s.io/1/extract-1 x"));
  EXPECT_THAT(pulled.error_code(),
              ::testing::AnyOf(grpc::StatusCode::UNAVAILABLE, grpc::StatusCode::DEADLINE_EXCEEDED));
  EXPECT_THAT(pulled.error_message(), HasSubstr(host));
  EXPECT_THAT(List(), IsEmpty());
}

TEST_F(ServerTest, SighupTakesNewCredentialsAndKeepsTheOldOnesWhenTheFileIsWrong) {
  LoopbackRegistry registry;
  registry.Follow([](const std::string& request) -> std::optional<LoopbackRegistry::Raw> {
    if (request.find("Basic dXNlcjpwYXNz") != std::string::npos) return std::nullopt;
    return LoopbackRegistry::Raw{.bytes =
                                     "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n"
                                     "WWW-Authenticate: Basic realm=\"r\"\r\n"
                                     "Connection: close\r\n\r\n"};
  });
  const TestImage image = MakeImage(registry.host() + "/app:1", "AB");
  image.AddTo(registry);
  Configure("");
  Start();
  const auto reload = [&](const std::string& says) {
    ASSERT_TRUE(process_->Kill(SIGHUP).ok());
    while (log().find(says) == std::string::npos) std::this_thread::yield();
  };
  EXPECT_EQ(Prepare(image.Pull(0, "", "k8s.io/1/extract-1 x")).error_code(),
            grpc::StatusCode::PERMISSION_DENIED);

  const std::string file = temp_.path() / "auth.json";
  ASSERT_TRUE(ReplaceFileDurably(
                  file, "{\"auths\":{\"" + registry.host() + "\":{\"auth\":\"dXNlcjpwYXNz\"}}}")
                  .ok());
  Configure("[registry]\ncredentials = \"" + file + "\"\n");
  reload("read again");
  const grpc::Status pulled = Prepare(image.Pull(0, "", "k8s.io/2/extract-2 x"));
  EXPECT_EQ(pulled.error_code(), grpc::StatusCode::ALREADY_EXISTS) << pulled.error_message();

  Configure("rot = 1\n");
  reload("going on with the old settings");
  EXPECT_THAT(log(), HasSubstr("key 'rot': unknown"));
  const grpc::Status still = Prepare(image.Pull(1, List().at(0).name(), "k8s.io/3/extract-3 x"));
  EXPECT_EQ(still.error_code(), grpc::StatusCode::ALREADY_EXISTS) << still.error_message();
  EXPECT_EQ(log().find("dXNlcjpwYXNz"), std::string::npos) << "a secret is in the log";
  EXPECT_EQ(Stop(SIGTERM), 0);
}

// As systemd does it: the socket is there first, and stays.
TEST_F(ServerTest, ServesOnASocketThatSystemdOpened) {
  if (!RunCommand({"systemd-socket-activate", "--version"}).ok()) {
    GTEST_SKIP() << "needs systemd-socket-activate of Debian package systemd";
  }
  auto started = Subprocess::Start({"systemd-socket-activate", "-l", address(), kBinary, "--root",
                                    root(), "--address", "/nonexistent/not-used.sock"});
  ASSERT_TRUE(started.ok());
  process_.emplace(std::move(started).value());
  Connect();
  EXPECT_TRUE(Prepare({.key = "a"}).ok());
  EXPECT_THAT(List(), SizeIs(1));
  EXPECT_EQ(Stop(SIGTERM), 0);
  EXPECT_TRUE(fs::exists(address())) << "it is not ours to remove";
}

// systemd-socket-activate starts the program when one of its sockets is asked for.
TEST_F(ServerTest, ServesTheKubeletOnTheSocketThatSystemdNamesSo) {
  if (!RunCommand({"systemd-socket-activate", "--version"}).ok()) {
    GTEST_SKIP() << "needs systemd-socket-activate of Debian package systemd";
  }
  const std::string images = temp_.path() / "images.sock";
  const auto log_file = OpenFile(temp_.path() / "log", O_WRONLY | O_CREAT | O_APPEND);
  auto started = Subprocess::Start(
      {"systemd-socket-activate", "-l", images, "-l", address(), "--fdname=images:any", kBinary,
       "--root", root(), "--address", "/nonexistent/not-used.sock"},
      {.stderr_fd = log_file->get()});
  ASSERT_TRUE(started.ok());
  process_.emplace(std::move(started).value());
  Connect();
  EXPECT_TRUE(Prepare({.key = "a"}).ok());
  EXPECT_THAT(log(), HasSubstr("serving the kubelet's image service address=\"" + images));
  const auto channel = grpc::CreateChannel("unix:" + images, grpc::InsecureChannelCredentials());
  EXPECT_TRUE(channel->WaitForConnected(std::chrono::system_clock::now() + kPatience));
  EXPECT_EQ(Stop(SIGTERM), 0) << log_();
  EXPECT_TRUE(fs::exists(images)) << "it is not ours to remove";
}

}  // namespace
}  // namespace locket::snapshotter
