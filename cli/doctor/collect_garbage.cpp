#include "cli/doctor/collect_garbage.h"

#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include "cli/grpc_code.h"
#include "proto/snapshots.grpc.pb.h"

namespace locket::cli {
namespace {

namespace pb = ::containerd::services::snapshots::v1;

constexpr const char* kSnapshotter = "locket";  // as deploy/containerd.toml calls the plugin

Status ToStatus(const grpc::Status& status) {
  if (status.ok()) return Ok();
  return Error(CodeOf(status.error_code()), status.error_message());
}

void Prepare(grpc::ClientContext& call, std::chrono::milliseconds timeout) {
  call.set_deadline(std::chrono::system_clock::now() + timeout);
  call.AddMetadata("containerd-namespace", "k8s.io");
}

}  // namespace

Status CollectGarbage(const std::string& containerd_socket, std::chrono::milliseconds timeout) {
  const std::string doing = "ask containerd at '" + containerd_socket + "' for a clean-up";
  const auto containerd = pb::Snapshots::NewStub(
      grpc::CreateChannel("unix:" + containerd_socket, grpc::InsecureChannelCredentials()));
  const std::string key = "locket-doctor-" + std::to_string(::getpid());
  {
    grpc::ClientContext call;
    Prepare(call, timeout);
    pb::PrepareSnapshotRequest request;
    request.set_snapshotter(kSnapshotter);
    request.set_key(key);
    pb::PrepareSnapshotResponse response;
    LOCKET_TRY(ToStatus(containerd->Prepare(&call, request, &response)).While(doing));
  }
  grpc::ClientContext call;
  Prepare(call, timeout);
  pb::RemoveSnapshotRequest request;
  request.set_snapshotter(kSnapshotter);
  request.set_key(key);
  google::protobuf::Empty nothing;
  return ToStatus(containerd->Remove(&call, request, &nothing)).While(doing);
}

}  // namespace locket::cli
