// The real locket-snapshotter in a process of its own, and containerd's place at its socket.
#pragma once

#include <fcntl.h>
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/subprocess.h"
#include "proto/snapshots.grpc.pb.h"
#include "snapshotter/snapshots/snapshots.h"

namespace locket::snapshotter {

namespace pb = ::containerd::services::snapshots::v1;

inline constexpr const char* kBinary = LOCKET_BINARY_DIR "/bin/locket-snapshotter";
inline constexpr std::chrono::seconds kPatience{60};

class ServerTest : public ::testing::Test {
 protected:
  std::filesystem::path root() const { return temp_.path() / "root"; }
  std::string address() const { return temp_.path() / "s.sock"; }
  std::string log() const { return *ReadFile(temp_.path() / "log", 16 << 20); }

  void Configure(const std::string& toml) {
    ASSERT_TRUE(ReplaceFileDurably(temp_.path() / "config.toml", toml).ok());
  }

  void Start() {
    const auto log = OpenFile(temp_.path() / "log", O_WRONLY | O_CREAT | O_APPEND);
    ASSERT_TRUE(log.ok());
    auto started = Subprocess::Start({kBinary, "--config", temp_.path() / "config.toml", "--root",
                                      root(), "--address", address(), "--log-level", "debug"},
                                     {.stderr_fd = log->get(), .environment = environment_});
    ASSERT_TRUE(started.ok()) << started.error().message();
    process_.emplace(std::move(started).value());
    Connect();
  }

  void Connect() {
    // A channel of its own each time: a shared one would wait out its back-off after a restart.
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 50);
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 200);
    const auto channel = grpc::CreateCustomChannel("unix:" + address(),
                                                   grpc::InsecureChannelCredentials(), arguments);
    ASSERT_TRUE(channel->WaitForConnected(std::chrono::system_clock::now() + kPatience)) << log_();
    client_ = pb::Snapshots::NewStub(channel);
  }

  int Stop(int signal) {
    EXPECT_TRUE(process_->Kill(signal).ok());
    const auto status = process_->Wait(kPatience);
    EXPECT_TRUE(status.ok()) << "it did not end";
    return status.ok() ? *status : -1;
  }

  grpc::Status Prepare(const CreateRequest& request) {
    pb::PrepareSnapshotResponse response;
    return Prepare(request, response);
  }
  grpc::Status Prepare(const CreateRequest& request, pb::PrepareSnapshotResponse& response) {
    pb::PrepareSnapshotRequest message;
    message.set_key(request.key);
    message.set_parent(request.parent);
    message.mutable_labels()->insert(request.labels.begin(), request.labels.end());
    grpc::ClientContext context;
    return client_->Prepare(&context, message, &response);
  }
  grpc::Status Commit(const std::string& name, const std::string& key) {
    pb::CommitSnapshotRequest message;
    message.set_name(name);
    message.set_key(key);
    grpc::ClientContext context;
    google::protobuf::Empty nothing;
    return client_->Commit(&context, message, &nothing);
  }
  grpc::Status Remove(const std::string& key) {
    pb::RemoveSnapshotRequest message;
    message.set_key(key);
    grpc::ClientContext context;
    google::protobuf::Empty nothing;
    return client_->Remove(&context, message, &nothing);
  }
  std::vector<pb::Info> List(const std::vector<std::string>& filters = {}) {
    pb::ListSnapshotsRequest message;
    for (const std::string& filter : filters) message.add_filters(filter);
    grpc::ClientContext context;
    const auto reader = client_->List(&context, message);
    std::vector<pb::Info> infos;
    pb::ListSnapshotsResponse response;
    while (reader->Read(&response)) {
      infos.insert(infos.end(), response.info().begin(), response.info().end());
    }
    EXPECT_TRUE(reader->Finish().ok());
    return infos;
  }

  std::string log_() const { return "the server wrote:\n" + log(); }

  TempDir temp_ =
      std::move(TempDir::Create(std::filesystem::temp_directory_path(), "snap-")).value();
  std::optional<Subprocess> process_;
  std::unique_ptr<pb::Snapshots::Stub> client_;
  std::vector<std::string> environment_{};  // of the server, besides ours
};

}  // namespace locket::snapshotter
