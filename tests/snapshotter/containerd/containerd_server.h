// A FakeContainerd behind containerd's own services, on a unix socket.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "proto/containers.grpc.pb.h"
#include "proto/content.grpc.pb.h"
#include "proto/images.grpc.pb.h"
#include "snapshotter/service/grpc_status.h"
#include "tests/snapshotter/containerd/fake_containerd.h"

namespace locket::snapshotter {

class ContainerdServer {
 public:
  ContainerdServer(FakeContainerd& fake, const std::string& socket)
      : containers_(fake), images_(fake), content_(fake) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + socket, grpc::InsecureServerCredentials());
    builder.RegisterService(&containers_);
    builder.RegisterService(&images_);
    builder.RegisterService(&content_);
    server_ = builder.BuildAndStart();
  }

 private:
  static std::string Namespace(const grpc::ServerContext& context) {
    const auto found = context.client_metadata().find("containerd-namespace");
    return found == context.client_metadata().end()
               ? ""
               : std::string(found->second.data(), found->second.size());
  }
  static grpc::Status Refuse(const Error& error) { return {ToGrpc(error.code()), error.message()}; }

  struct Containers final : containerd::services::containers::v1::Containers::Service {
    explicit Containers(FakeContainerd& known) : fake(known) {}
    grpc::Status Get(
        grpc::ServerContext* context,
        const containerd::services::containers::v1::GetContainerRequest* request,
        containerd::services::containers::v1::GetContainerResponse* response) override {
      const auto found = fake.GetContainer(Namespace(*context), request->id());
      if (!found.ok()) return Refuse(found.error());
      auto& container = *response->mutable_container();
      container.set_id(request->id());
      container.set_image(found->image);
      container.set_snapshot_key(found->snapshot_key);
      if (!found->cri_metadata.empty()) {
        (*container.mutable_extensions())["io.cri-containerd.container.metadata"].set_value(
            found->cri_metadata);
      }
      return grpc::Status::OK;
    }
    FakeContainerd& fake;
  };

  struct Images final : containerd::services::images::v1::Images::Service {
    explicit Images(FakeContainerd& known) : fake(known) {}
    grpc::Status Get(grpc::ServerContext* context,
                     const containerd::services::images::v1::GetImageRequest* request,
                     containerd::services::images::v1::GetImageResponse* response) override {
      const auto found = fake.GetImageTarget(Namespace(*context), request->name());
      if (!found.ok()) return Refuse(found.error());
      response->mutable_image()->set_name(request->name());
      response->mutable_image()->mutable_target()->set_digest(found->ToText());
      return grpc::Status::OK;
    }
    FakeContainerd& fake;
  };

  // In pieces, as containerd sends it.
  struct Content final : containerd::services::content::v1::Content::Service {
    explicit Content(FakeContainerd& known) : fake(known) {}
    grpc::Status Read(grpc::ServerContext* context,
                      const containerd::services::content::v1::ReadContentRequest* request,
                      grpc::ServerWriter<containerd::services::content::v1::ReadContentResponse>*
                          writer) override {
      const auto digest = image::Digest::FromText(request->digest());
      if (!digest.ok()) return Refuse(digest.error());
      const auto bytes = fake.RawContent(Namespace(*context), *digest);
      if (!bytes.ok()) return Refuse(bytes.error());
      containerd::services::content::v1::ReadContentResponse response;
      for (size_t at = 0; at < bytes->size(); at += kPiece) {
        response.set_offset(static_cast<int64_t>(at));
        response.set_data(bytes->substr(at, kPiece));
        if (!writer->Write(response)) break;
      }
      return grpc::Status::OK;
    }
    static constexpr size_t kPiece = 1000;
    FakeContainerd& fake;
  };

  Containers containers_;
  Images images_;
  Content content_;
  std::unique_ptr<grpc::Server> server_;  // last: its calls use the services
};

}  // namespace locket::snapshotter
