#include "snapshotter/service/snapshots_service.h"

#include <google/protobuf/timestamp.pb.h>
#include <grpcpp/grpcpp.h>

#include "proto/snapshots.grpc.pb.h"
#include "rpc/grpc_server.h"
#include "snapshotter/service/grpc_status.h"
#include "snapshotter/service/request_times.h"

namespace locket::snapshotter {
namespace {

namespace pb = ::containerd::services::snapshots::v1;

constexpr int64_t kNanosPerSecond = 1'000'000'000;
constexpr int kMinIdleThreads = 2;
constexpr int kMaxIdleThreads = 32;
constexpr int kInfosPerMessage = 100;  // containerd's own batch

Labels FromProto(const google::protobuf::Map<std::string, std::string>& labels) {
  return {labels.begin(), labels.end()};
}

void FillTimestamp(int64_t nanos, google::protobuf::Timestamp& out) {
  out.set_seconds(nanos / kNanosPerSecond);
  out.set_nanos(static_cast<int32_t>(nanos % kNanosPerSecond));
}

void FillInfo(const Snapshot& snapshot, pb::Info& info) {
  info.set_name(snapshot.name);
  info.set_parent(snapshot.parent);
  info.set_kind(static_cast<pb::Kind>(snapshot.kind));
  FillTimestamp(snapshot.created_ns, *info.mutable_created_at());
  FillTimestamp(snapshot.updated_ns, *info.mutable_updated_at());
  info.mutable_labels()->insert(snapshot.labels.begin(), snapshot.labels.end());
}

template <typename Response>
void FillMounts(const std::vector<Mount>& mounts, Response& response) {
  for (const Mount& mount : mounts) {
    auto& out = *response.add_mounts();
    out.set_type(mount.type);
    out.set_source(mount.source);
    for (const std::string& option : mount.options) out.add_options(option);
  }
}

class SnapshotsService final : public pb::Snapshots::Service {
 public:
  explicit SnapshotsService(snapshotter::Snapshots& snapshots) : snapshots_(snapshots) {}

  grpc::Status Prepare(grpc::ServerContext* context, const pb::PrepareSnapshotRequest* request,
                       pb::PrepareSnapshotResponse* response) override {
    const auto mounts =
        snapshots_.Prepare({.key = request->key(),
                            .parent = request->parent(),
                            .labels = FromProto(request->labels()),
                            .gave_up = [context] { return context->IsCancelled(); }});
    if (!mounts.ok()) return Fail("Prepare", request->key(), mounts.error());
    FillMounts(*mounts, *response);
    return grpc::Status::OK;
  }

  grpc::Status View(grpc::ServerContext* context, const pb::ViewSnapshotRequest* request,
                    pb::ViewSnapshotResponse* response) override {
    const auto mounts = snapshots_.View({.key = request->key(),
                                         .parent = request->parent(),
                                         .labels = FromProto(request->labels()),
                                         .gave_up = [context] { return context->IsCancelled(); }});
    if (!mounts.ok()) return Fail("View", request->key(), mounts.error());
    FillMounts(*mounts, *response);
    return grpc::Status::OK;
  }

  grpc::Status Mounts(grpc::ServerContext* context, const pb::MountsRequest* request,
                      pb::MountsResponse* response) override {
    const auto mounts =
        snapshots_.Mounts(request->key(), [context] { return context->IsCancelled(); });
    if (!mounts.ok()) return Fail("Mounts", request->key(), mounts.error());
    FillMounts(*mounts, *response);
    return grpc::Status::OK;
  }

  grpc::Status Commit(grpc::ServerContext*, const pb::CommitSnapshotRequest* request,
                      google::protobuf::Empty*) override {
    const auto done =
        snapshots_.Commit(request->name(), request->key(), FromProto(request->labels()));
    return done.ok() ? grpc::Status::OK : Fail("Commit", request->key(), done.error());
  }

  grpc::Status Remove(grpc::ServerContext*, const pb::RemoveSnapshotRequest* request,
                      google::protobuf::Empty*) override {
    const auto done = snapshots_.Remove(request->key());
    return done.ok() ? grpc::Status::OK : Fail("Remove", request->key(), done.error());
  }

  grpc::Status Stat(grpc::ServerContext*, const pb::StatSnapshotRequest* request,
                    pb::StatSnapshotResponse* response) override {
    const auto found = snapshots_.Stat(request->key());
    if (!found.ok()) return Fail("Stat", request->key(), found.error());
    FillInfo(*found, *response->mutable_info());
    return grpc::Status::OK;
  }

  grpc::Status Update(grpc::ServerContext*, const pb::UpdateSnapshotRequest* request,
                      pb::UpdateSnapshotResponse* response) override {
    const auto& paths = request->update_mask().paths();
    const std::vector<std::string> fields(paths.begin(), paths.end());
    const auto updated =
        snapshots_.Update(request->info().name(), FromProto(request->info().labels()), fields);
    if (!updated.ok()) return Fail("Update", request->info().name(), updated.error());
    FillInfo(*updated, *response->mutable_info());
    return grpc::Status::OK;
  }

  grpc::Status List(grpc::ServerContext*, const pb::ListSnapshotsRequest* request,
                    grpc::ServerWriter<pb::ListSnapshotsResponse>* writer) override {
    const std::vector<std::string> filters(request->filters().begin(), request->filters().end());
    const auto found = snapshots_.List(filters);
    if (!found.ok()) return Fail("List", "", found.error());
    pb::ListSnapshotsResponse message;
    for (const Snapshot& snapshot : *found) {
      FillInfo(snapshot, *message.add_info());
      if (message.info_size() < kInfosPerMessage) continue;
      if (!writer->Write(message)) return grpc::Status::CANCELLED;
      message.Clear();
    }
    if (message.info_size() > 0) writer->Write(message);
    return grpc::Status::OK;
  }

  grpc::Status Usage(grpc::ServerContext*, const pb::UsageRequest* request,
                     pb::UsageResponse* response) override {
    const auto usage = snapshots_.UsageOf(request->key());
    if (!usage.ok()) return Fail("Usage", request->key(), usage.error());
    response->set_size(static_cast<int64_t>(usage->size_bytes));
    response->set_inodes(static_cast<int64_t>(usage->inodes));
    return grpc::Status::OK;
  }

  grpc::Status Cleanup(grpc::ServerContext*, const pb::CleanupRequest*,
                       google::protobuf::Empty*) override {
    const auto done = snapshots_.Cleanup();
    return done.ok() ? grpc::Status::OK : Fail("Cleanup", "", done.error());
  }

 private:
  snapshotter::Snapshots& snapshots_;
};

class GrpcSnapshotsServer final : public SnapshotsServer {
 public:
  explicit GrpcSnapshotsServer(snapshotter::Snapshots& snapshots) : service_(snapshots) {}

  Status Start(Listener listener, const ServerExtras& extras) {
    grpc::EnableDefaultHealthCheckService(true);  // grpc.health.v1
    grpc::ServerBuilder builder;
    builder.RegisterService(&service_);
    for (grpc::Service* service : extras.services) builder.RegisterService(service);
    if (extras.metrics != nullptr) TimeRequests(builder, *extras.metrics);
    // The defaults end and start a thread for nearly every request once three run at a time.
    builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
    builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, kMinIdleThreads);
    builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, kMaxIdleThreads);
    LOCKET_TRY_ASSIGN(
        server_, rpc::GrpcServer::Start(builder, std::move(listener)).While("serve snapshots"));
    return Ok();
  }

  void Shutdown(std::chrono::milliseconds grace) override { server_->Shutdown(grace); }

 private:
  SnapshotsService service_;
  std::unique_ptr<rpc::GrpcServer> server_;  // last: its calls use the service
};

}  // namespace

Result<std::unique_ptr<SnapshotsServer>> SnapshotsServer::Start(Snapshots& snapshots,
                                                                Listener listener,
                                                                const ServerExtras& extras) {
  auto server = std::make_unique<GrpcSnapshotsServer>(snapshots);
  LOCKET_TRY(server->Start(std::move(listener), extras));
  return std::unique_ptr<SnapshotsServer>(std::move(server));
}

}  // namespace locket::snapshotter
