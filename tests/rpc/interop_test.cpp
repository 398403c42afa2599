// containerd's own Go ttrpc on one end, ours on the other, talking containerd.task.v2.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <future>

#include "base/encoding.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "google/protobuf/empty.pb.h"
#include "proto/task.pb.h"
#include "rpc/transport.h"
#include "rpc/ttrpc_client.h"
#include "rpc/ttrpc_server.h"

namespace locket::rpc {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr std::string_view kTask = "containerd.task.v2.Task";
constexpr const char* kGoSources = "/usr/share/gocode/src/github.com/containerd";

class InteropTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"ttrpc/server.go", "containerd/runtime/v2/task/shim.pb.go"}) {
      if (std::filesystem::exists(std::filesystem::path(kGoSources) / name)) continue;
      GTEST_SKIP() << "no " << kGoSources << "/" << name
                   << ": install golang-github-containerd-{containerd,ttrpc}-dev";
    }
    if (!RunCommand({"go", "version"}).ok()) GTEST_SKIP() << "no go: install golang-go";
    auto dir = TempDir::Create("/tmp", "locket-interop");
    ASSERT_TRUE(dir.ok()) << dir.error().message();
    dir_.emplace(*std::move(dir));
    // Each test its own binary, as ctest may run them side by side; the cache does the work once.
    const auto built =
        RunCommand({"env", "GO111MODULE=off", "GOPATH=/usr/share/gocode", "GOFLAGS=-p=2",
                    "GOCACHE=" LOCKET_BINARY_DIR "/go-cache", "go", "build", "-o", program(),
                    LOCKET_SOURCE_DIR "/tests/rpc/interop/main.go"},
                   {.timeout = 15min});
    ASSERT_TRUE(built.ok()) << built.error().message();
    ASSERT_EQ(built->exit_status, 0) << built->standard_error;
  }

  std::string program() const { return dir_->path() / "interop"; }
  std::string socket() const { return dir_->path() / "sock"; }

  std::optional<TempDir> dir_;
};

// The test's side of the Task server that `interop call` checks.
TtrpcMethods TaskMethods() {
  TtrpcMethods methods;
  methods.Add<containerd::task::v2::StateRequest, containerd::task::v2::StateResponse>(
      kTask, "State", [](const CallContext& context, const auto& request, auto* response) {
        const std::string& id = request.id();
        response->set_id(id.starts_with("big:") ? std::string(std::stoul(id.substr(4)), 'x') : id);
        response->set_exec_id(request.exec_id());
        response->set_pid(7);
        response->mutable_exited_at()->set_seconds(1700000000);
        response->mutable_exited_at()->set_nanos(5);
        const auto color = context.metadata.find("color");
        if (color != context.metadata.end()) response->set_bundle(color->second);
        return Ok();
      });
  methods.Add<containerd::task::v2::KillRequest, google::protobuf::Empty>(
      kTask, "Kill", [](const CallContext&, const auto& request, auto*) {
        return Status(Error(ErrorCode::kNotFound, "signal " + std::to_string(request.signal())));
      });
  return methods;
}

TEST_F(InteropTest, ContainerdsClientTalksToOurServer) {
  TtrpcMethods methods = TaskMethods();
  std::promise<void> leave;
  auto left = leave.get_future().share();
  std::promise<CallContext> waiting;
  methods.AddRaw(kTask, "Wait", [&](const CallContext& context, std::string_view) {
    waiting.set_value(context);
    left.wait();
    return Result<std::string>("");
  });
  const auto listening = ListenUnix(socket());
  ASSERT_TRUE(listening.ok()) << listening.error().message();
  const auto server = TtrpcServer::Create(methods);
  auto loop = std::async(std::launch::async, [&] { return server->AcceptLoop(listening->get()); });
  const auto run = RunCommand({program(), "call", socket()});
  leave.set_value();
  server->Stop();
  EXPECT_TRUE(loop.get().ok());
  ASSERT_TRUE(run.ok()) << run.error().message();
  EXPECT_EQ(run->exit_status, 0) << run->standard_error;
  EXPECT_EQ(run->standard_output,
            "passed: state\npassed: errors\npassed: timeout\npassed: many\npassed: state again\n");
  EXPECT_TRUE(waiting.get_future().get().deadline) << "Go sent its timeout";
}

// `interop serve`, until the object dies: its standard input ends then.
class GoServer {
 public:
  GoServer(const std::string& program, const std::string& socket) {
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    EXPECT_EQ(::pipe2(in.data(), O_CLOEXEC), 0);
    EXPECT_EQ(::pipe2(out.data(), O_CLOEXEC), 0);
    const UniqueFd child_in(in[0]);
    const UniqueFd child_out(out[1]);
    input_.reset(in[1]);
    const UniqueFd output(out[0]);
    auto child = Subprocess::Start({program, "serve", socket},
                                   {.stdin_fd = child_in.get(), .stdout_fd = child_out.get()});
    EXPECT_TRUE(child.ok());
    if (child.ok()) child_.emplace(*std::move(child));
    std::string ready(6, '\0');
    EXPECT_TRUE(ReadFull(output.get(), std::as_writable_bytes(std::span(ready))).ok());
    EXPECT_EQ(ready, "ready\n");
  }
  ~GoServer() {
    input_.reset();
    EXPECT_TRUE(child_ && *child_->Wait() == 0) << "it did not end as it should";
  }

 private:
  UniqueFd input_;
  std::optional<Subprocess> child_;
};

class OurClientTest : public InteropTest {
 protected:
  void SetUp() override {
    InteropTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    server_.emplace(program(), socket());
    auto stream = ConnectUnix(socket());
    ASSERT_TRUE(stream.ok()) << stream.error().message();
    auto client = TtrpcClient::Create(*std::move(stream));
    ASSERT_TRUE(client.ok());
    client_ = *std::move(client);
  }

  Result<containerd::task::v2::StateResponse> State(const std::string& id,
                                                    const CallOptions& options = {}) {
    containerd::task::v2::StateRequest request;
    request.set_id(id);
    request.set_exec_id("e1");
    containerd::task::v2::StateResponse response;
    LOCKET_TRY(client_->Call(kTask, "State", request, &response, options));
    return response;
  }

  Status Kill(uint32_t signal) {
    containerd::task::v2::KillRequest request;
    request.set_signal(signal);
    google::protobuf::Empty response;
    return client_->Call(kTask, "Kill", request, &response);
  }

  std::optional<GoServer> server_;
  std::unique_ptr<TtrpcClient> client_;
};

TEST_F(OurClientTest, TalksToContainerdsServer) {
  const auto state = State("c1", {.metadata = {{"color", "green"}}});
  ASSERT_TRUE(state.ok()) << state.error().message();
  EXPECT_EQ(state->id(), "c1");
  EXPECT_EQ(state->exec_id(), "e1");
  EXPECT_EQ(state->bundle(), "green") << "metadata crossed";
  EXPECT_EQ(state->pid(), 7U);
  EXPECT_EQ(state->exited_at().seconds(), 1700000000);
  EXPECT_EQ(state->exited_at().nanos(), 5);

  EXPECT_EQ(Kill(5).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(Kill(16).error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(Kill(9).error().message(), HasSubstr("signal 9"));

  google::protobuf::Empty empty;
  EXPECT_EQ(client_->Call(kTask, "NoSuch", empty, &empty).error().code(),
            ErrorCode::kUnimplemented);

  const auto big = State("big:5000000");
  ASSERT_FALSE(big.ok());
  EXPECT_EQ(big.error().code(), ErrorCode::kResourceExhausted);

  containerd::task::v2::WaitRequest wait;
  containerd::task::v2::WaitResponse waited;
  EXPECT_EQ(client_->Call(kTask, "Wait", wait, &waited, {.timeout = 50ms}).error().code(),
            ErrorCode::kDeadlineExceeded);

  std::vector<std::future<std::string>> calls;
  for (int i = 0; i < 64; ++i) {
    calls.push_back(std::async(std::launch::async, [this, i] {
      const auto one = State(std::to_string(i));
      return one.ok() ? one->id() : one.error().message();
    }));
  }
  for (size_t i = 0; i < calls.size(); ++i) EXPECT_EQ(calls[i].get(), std::to_string(i));
  client_.reset();
}

}  // namespace
}  // namespace locket::rpc
