// The kubelet's side of device plugins: its Registration service in a directory of the test's, and
// its calls to what registered.
#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proto/device_plugin.grpc.pb.h"
#include "rpc/grpc_server.h"

namespace locket::device_plugin {

inline constexpr std::chrono::seconds kPatience{60};

inline std::chrono::system_clock::time_point Deadline() {
  return std::chrono::system_clock::now() + kPatience;
}

class FakeKubelet final : public ::v1beta1::Registration::Service {
 public:
  enum class Mood { kAccepts, kRefuses, kHangs };

  explicit FakeKubelet(std::filesystem::path directory) : directory_(std::move(directory)) {}
  ~FakeKubelet() override { Stop(); }

  std::filesystem::path socket() const { return directory_ / "kubelet.sock"; }

  // As the real one does, it first removes whatever is in its directory.
  void Start(Mood mood = Mood::kAccepts) {
    std::filesystem::create_directories(directory_);
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
      std::filesystem::remove(entry.path());
    }
    {
      const std::lock_guard lock(mutex_);
      mood_ = mood;
      stopped_ = false;
      seen_.clear();
    }
    auto listener = Listener::Listen(socket());
    ASSERT_TRUE(listener.ok()) << listener.error().message();
    grpc::ServerBuilder builder;
    builder.RegisterService(this);
    auto server = rpc::GrpcServer::Start(builder, std::move(listener).value());
    ASSERT_TRUE(server.ok()) << server.error().message();
    server_ = std::move(server).value();
  }

  void Stop() {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
      changed_.notify_all();
    }
    server_.reset();
  }

  void SetMood(Mood mood) {
    const std::lock_guard lock(mutex_);
    mood_ = mood;
    changed_.notify_all();
  }

  // The `nth` attempt to register `resource` since Start, waiting for it.
  ::v1beta1::RegisterRequest Attempt(const std::string& resource, size_t nth = 1) {
    std::unique_lock lock(mutex_);
    const bool there =
        changed_.wait_for(lock, kPatience, [&] { return seen_[resource].size() >= nth; });
    EXPECT_TRUE(there) << "attempt " << nth << " to register " << resource;
    return there ? seen_[resource][nth - 1] : ::v1beta1::RegisterRequest();
  }

  size_t num_attempts(const std::string& resource) {
    const std::lock_guard lock(mutex_);
    return seen_[resource].size();
  }

  grpc::Status Register(grpc::ServerContext* context, const ::v1beta1::RegisterRequest* request,
                        ::v1beta1::Empty*) override {
    std::unique_lock lock(mutex_);
    seen_[request->resource_name()].push_back(*request);
    changed_.notify_all();
    while (mood_ == Mood::kHangs && !stopped_ && !context->IsCancelled()) {
      changed_.wait_for(lock, std::chrono::milliseconds(10));
    }
    if (mood_ != Mood::kAccepts) return {grpc::StatusCode::UNKNOWN, "no room for it"};
    return grpc::Status::OK;
  }

 private:
  const std::filesystem::path directory_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Mood mood_ = Mood::kAccepts;
  bool stopped_ = false;
  std::map<std::string, std::vector<::v1beta1::RegisterRequest>> seen_;
  std::unique_ptr<rpc::GrpcServer> server_;
};

inline std::unique_ptr<::v1beta1::DevicePlugin::Stub> ConnectTo(
    const std::filesystem::path& socket) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  const auto channel = grpc::CreateCustomChannel("unix:" + socket.string(),
                                                 grpc::InsecureChannelCredentials(), arguments);
  EXPECT_TRUE(channel->WaitForConnected(Deadline())) << socket;
  return ::v1beta1::DevicePlugin::NewStub(channel);
}

// A ListAndWatch that goes on.
class Watcher {
 public:
  explicit Watcher(const std::filesystem::path& socket) : stub_(ConnectTo(socket)) {
    context_.set_deadline(Deadline());
    reader_ = stub_->ListAndWatch(&context_, {});
  }
  ~Watcher() { context_.TryCancel(); }

  // How many are healthy, and how many are not; nothing: the stream ended.
  std::optional<std::pair<int, int>> Next() {
    if (!reader_->Read(&list_)) return std::nullopt;
    std::pair<int, int> count{0, 0};
    for (const auto& device : list_.devices()) {
      EXPECT_TRUE(device.health() == "Healthy" || device.health() == "Unhealthy");
      ++(device.health() == "Healthy" ? count.first : count.second);
    }
    return count;
  }
  const ::v1beta1::ListAndWatchResponse& list() const { return list_; }
  grpc::Status Finish() { return reader_->Finish(); }
  void Cancel() { context_.TryCancel(); }

 private:
  std::unique_ptr<::v1beta1::DevicePlugin::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<::v1beta1::ListAndWatchResponse>> reader_;
  ::v1beta1::ListAndWatchResponse list_;
};

}  // namespace locket::device_plugin
