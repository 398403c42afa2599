#include "snapshotter/containerd/containerd_client.h"

#include <grpcpp/grpcpp.h>

#include <chrono>

#include "proto/containers.grpc.pb.h"
#include "proto/content.grpc.pb.h"
#include "proto/images.grpc.pb.h"

namespace locket::snapshotter {
namespace {

namespace containers = ::containerd::services::containers::v1;
namespace content = ::containerd::services::content::v1;
namespace images = ::containerd::services::images::v1;

constexpr int kMaxMessageBytes = 16 << 20;  // containerd's and the kubelet's own bound
constexpr int kMaxBackoffMs = 1000;         // until containerd, restarted, is tried again
constexpr const char* kCriMetadata = "io.cri-containerd.container.metadata";

class ContainerdClient final : public Containerd {
 public:
  ContainerdClient(const std::filesystem::path& socket, std::chrono::milliseconds patience)
      : socket_(socket.string()),
        patience_(patience),
        channel_(ConnectToContainerd(socket)),
        containers_(containers::Containers::NewStub(channel_)),
        content_(content::Content::NewStub(channel_)),
        images_(images::Images::NewStub(channel_)) {}

  Result<ContainerRecord> GetContainer(const std::string& ns, const std::string& id) override {
    containers::GetContainerRequest request;
    request.set_id(id);
    containers::GetContainerResponse response;
    grpc::ClientContext context;
    Prepare(context, ns);
    LOCKET_TRY(Check(containers_->Get(&context, request, &response), "container '" + id + "'"));
    const auto& container = response.container();
    const auto metadata = container.extensions().find(kCriMetadata);
    return ContainerRecord{
        .image = container.image(),
        .snapshot_key = container.snapshot_key(),
        .cri_metadata = metadata == container.extensions().end() ? "" : metadata->second.value()};
  }

  Result<image::Digest> GetImageTarget(const std::string& ns, const std::string& name) override {
    const std::string what = "image '" + name + "'";
    images::GetImageRequest request;
    request.set_name(name);
    images::GetImageResponse response;
    grpc::ClientContext context;
    Prepare(context, ns);
    LOCKET_TRY(Check(images_->Get(&context, request, &response), what));
    return image::Digest::FromText(response.image().target().digest()).While(what);
  }

  Result<std::string> ReadContent(const std::string& ns, const image::Digest& digest,
                                  size_t max_bytes) override {
    const std::string what = "content " + digest.ToText();
    content::ReadContentRequest request;
    request.set_digest(digest.ToText());
    grpc::ClientContext context;
    Prepare(context, ns);
    const auto reader = content_->Read(&context, request);
    std::string bytes;
    content::ReadContentResponse response;
    while (reader->Read(&response)) {
      if (response.data().size() > max_bytes - bytes.size()) {
        context.TryCancel();
        return Error(ErrorCode::kInvalidArgument,
                     what + " is larger than " + std::to_string(max_bytes) + " bytes");
      }
      bytes += response.data();
    }
    LOCKET_TRY(Check(reader->Finish(), what));
    if (image::Digest::Of(bytes) == digest) return bytes;
    return Error(ErrorCode::kDataLoss, what + ": containerd's bytes are not the digest's");
  }

 private:
  void Prepare(grpc::ClientContext& context, const std::string& ns) const {
    context.AddMetadata("containerd-namespace", ns);
    context.set_deadline(std::chrono::system_clock::now() + patience_);
    // Else a call made just after containerd's restart fails for the back-off's sake.
    context.set_wait_for_ready(true);
  }

  Status Check(const grpc::Status& status, const std::string& what) const {
    if (status.ok()) return Ok();
    const std::string message =
        "ask containerd at '" + socket_ + "' for " + what + ": " + status.error_message();
    switch (status.error_code()) {
      case grpc::StatusCode::NOT_FOUND:
        return Error(ErrorCode::kNotFound, message);
      case grpc::StatusCode::DEADLINE_EXCEEDED:
      case grpc::StatusCode::UNAVAILABLE:
        return Error(ErrorCode::kUnavailable,
                     message +
                         " (key 'cri.containerd' of the snapshotter's configuration names "
                         "containerd's socket)");
      default:
        return Error(ErrorCode::kInternal, message);
    }
  }

  const std::string socket_;
  const std::chrono::milliseconds patience_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<containers::Containers::Stub> containers_;
  const std::unique_ptr<content::Content::Stub> content_;
  const std::unique_ptr<images::Images::Stub> images_;
};

}  // namespace

std::shared_ptr<grpc::Channel> ConnectToContainerd(const std::filesystem::path& socket) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kMaxBackoffMs);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kMaxBackoffMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kMaxBackoffMs);
  return grpc::CreateCustomChannel("unix:" + socket.string(), grpc::InsecureChannelCredentials(),
                                   arguments);
}

std::unique_ptr<Containerd> MakeContainerdClient(const std::filesystem::path& socket,
                                                 std::chrono::milliseconds patience) {
  return std::make_unique<ContainerdClient>(socket, patience);
}

}  // namespace locket::snapshotter
