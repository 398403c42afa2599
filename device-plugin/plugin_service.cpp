#include "device-plugin/plugin_service.h"

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <utility>

#include "proto/device_plugin.grpc.pb.h"
#include "rpc/grpc_server.h"

namespace locket::device_plugin {
namespace {

namespace pb = ::v1beta1;

// How soon a watcher that went away is noticed while nothing changes.
constexpr std::chrono::seconds kLookForCancel{1};

grpc::Status Refused(const Error& error) {
  return {error.code() == ErrorCode::kInvalidArgument ? grpc::StatusCode::INVALID_ARGUMENT
                                                      : grpc::StatusCode::FAILED_PRECONDITION,
          error.message()};
}

pb::ListAndWatchResponse Message(const std::vector<Device>& devices) {
  pb::ListAndWatchResponse message;
  for (const Device& device : devices) {
    auto& added = *message.add_devices();
    added.set_id(device.id);
    added.set_health(device.healthy ? "Healthy" : "Unhealthy");
  }
  return message;
}

// GetPreferredAllocation stays unimplemented, and the options say so: one key is as good as
// another.
class PluginService final : public pb::DevicePlugin::Service {
 public:
  explicit PluginService(const DeviceList& devices) : devices_(devices) {}

  grpc::Status GetDevicePluginOptions(grpc::ServerContext*, const pb::Empty*,
                                      pb::DevicePluginOptions*) override {
    return grpc::Status::OK;
  }

  grpc::Status ListAndWatch(grpc::ServerContext* context, const pb::Empty*,
                            grpc::ServerWriter<pb::ListAndWatchResponse>* writer) override {
    uint64_t seen = 0;
    while (!context->IsCancelled() && !stop_) {
      const auto version = devices_.Next(seen, kLookForCancel, stop_);
      if (!version) continue;
      if (!writer->Write(Message(version->devices))) break;
      seen = version->number;
    }
    return grpc::Status::OK;
  }

  // The guest gets its TEE by its pod's runtime class, so there is nothing to hand to a container.
  grpc::Status Allocate(grpc::ServerContext*, const pb::AllocateRequest* request,
                        pb::AllocateResponse* response) override {
    for (const auto& container : request->container_requests()) {
      for (const std::string& id : container.devices_ids()) {
        if (const Status known = devices_.Check(id); !known.ok()) return Refused(known.error());
      }
      response->add_container_responses();
    }
    return grpc::Status::OK;
  }

  grpc::Status PreStartContainer(grpc::ServerContext*, const pb::PreStartContainerRequest*,
                                 pb::PreStartContainerResponse*) override {
    return grpc::Status::OK;
  }

  // Ends what waits.
  void Stop() {
    stop_ = true;
    devices_.Wake();
  }

 private:
  const DeviceList& devices_;
  std::atomic<bool> stop_ = false;
};

class RunningPluginServer final : public PluginServer {
 public:
  explicit RunningPluginServer(const DeviceList& devices) : service_(devices) {}
  RunningPluginServer(const RunningPluginServer&) = delete;
  ~RunningPluginServer() override { service_.Stop(); }

  Status Serve(Listener listener) {
    grpc::ServerBuilder builder;
    builder.RegisterService(&service_);
    LOCKET_TRY_ASSIGN(server_, rpc::GrpcServer::Start(builder, std::move(listener)));
    return Ok();
  }

 private:
  PluginService service_;
  std::unique_ptr<rpc::GrpcServer> server_;  // last: its calls use the service
};

}  // namespace

Result<std::unique_ptr<PluginServer>> PluginServer::Start(const DeviceList& devices,
                                                          Listener listener) {
  auto server = std::make_unique<RunningPluginServer>(devices);
  LOCKET_TRY(server->Serve(std::move(listener)));
  return std::unique_ptr<PluginServer>(std::move(server));
}

}  // namespace locket::device_plugin
