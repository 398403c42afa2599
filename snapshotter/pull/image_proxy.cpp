#include "snapshotter/pull/image_proxy.h"

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <strings.h>

#include <atomic>
#include <cstring>
#include <mutex>
#include <string>
#include <utility>

#include "base/log.h"
#include "proto/cri.pb.h"
#include "rpc/grpc_server.h"
#include "snapshotter/containerd/containerd_client.h"

namespace locket::snapshotter {
namespace {

namespace cri = ::runtime::v1;

constexpr int kMaxMessageBytes = 16 << 20;  // the kubelet's own bound

// The same message in all versions of CRI so far.
bool IsPull(const std::string& method) { return method.ends_with(".ImageService/PullImage"); }

void Wipe(std::string& text) {
  if (!text.empty()) ::explicit_bzero(text.data(), text.size());
}

Result<std::optional<registry::Credentials>> CredentialsOf(const cri::PullImageRequest& request) {
  const auto& auth = request.auth();
  return CredentialsFrom({.username = auth.username(),
                          .password = auth.password(),
                          .auth = auth.auth(),
                          .server_address = auth.server_address(),
                          .identity_token = auth.identity_token()},
                         request.image().image());
}

Status Remember(const grpc::ByteBuffer& message, PullSecrets& secrets) {
  grpc::Slice bytes;
  cri::PullImageRequest request;
  if (!message.DumpToSingleSlice(&bytes).ok() ||
      !request.ParseFromArray(bytes.begin(), static_cast<int>(bytes.size()))) {
    return Error(ErrorCode::kInvalidArgument, "not a PullImageRequest");
  }
  auto credentials = CredentialsOf(request);
  if (request.has_auth()) {
    auto& auth = *request.mutable_auth();
    for (auto* text : {auth.mutable_password(), auth.mutable_auth(), auth.mutable_identity_token(),
                       auth.mutable_registry_token()}) {
      Wipe(*text);
    }
  }
  if (!credentials.ok()) return std::move(credentials).error();
  if (!*credentials) return Ok();
  return secrets.Remember(request.image().image(), std::move(**credentials));
}

// What gRPC adds by itself.
bool IsReserved(grpc::string_ref name) {
  return name.starts_with(":") || name.starts_with("grpc-") || name == "user-agent" ||
         name == "content-type" || name == "te" || name == "host";
}

// One call on its way to containerd and back, message by message, so that streams pass, too. Lives
// until both its ends are done.
class ForwardedCall final : public grpc::ServerGenericBidiReactor {
 public:
  ForwardedCall(grpc::GenericCallbackServerContext& context, grpc::GenericStub& containerd,
                PullSecrets& secrets)
      : context_(context), secrets_(secrets), outward_(*this) {
    for (const auto& [name, value] : context.client_metadata()) {
      if (IsReserved(name)) continue;
      outward_.context.AddMetadata({name.data(), name.size()}, {value.data(), value.size()});
    }
    outward_.context.set_deadline(context.deadline());
    containerd.PrepareBidiStreamingCall(&outward_.context, context.method(), {}, &outward_);
    // Messages come from the other end's callbacks: without it OnDone could overtake one.
    outward_.AddHold();
    outward_.StartRead(&answer_);
    outward_.StartCall();
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    if (ok && IsPull(context_.method())) Note();
    const std::lock_guard lock(mutex_);
    if (outward_ended_) return;
    if (ok) {
      outward_.StartWrite(&request_);
    } else {
      outward_.StartWritesDone();
    }
  }
  void OnWriteDone(bool /*ok*/) override { outward_.StartRead(&answer_); }
  void OnCancel() override { outward_.context.TryCancel(); }
  void OnDone() override { EndIsDone(); }

 private:
  struct Outward final : grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
    explicit Outward(ForwardedCall& owner) : call(owner) {}
    void OnWriteDone(bool ok) override {
      if (ok) call.StartRead(&call.request_);
    }
    void OnReadDone(bool ok) override {
      if (ok) {
        call.StartWrite(&call.answer_);
      } else {
        call.OutwardEnded();
      }
    }
    void OnDone(const grpc::Status& status) override {
      for (const auto& [name, value] : context.GetServerTrailingMetadata()) {
        if (!IsReserved(name)) {
          call.context_.AddTrailingMetadata({name.data(), name.size()},
                                            {value.data(), value.size()});
        }
      }
      call.Finish(status);
      call.EndIsDone();
    }

    ForwardedCall& call;
    grpc::ClientContext context;
  };

  // No message comes any more, so none is sent either; the status follows.
  void OutwardEnded() {
    {
      const std::lock_guard lock(mutex_);
      outward_ended_ = true;
    }
    outward_.RemoveHold();
  }

  // containerd judges the request; here it only matters that nobody wonders where the secret went.
  void Note() {
    const auto noted = Remember(request_, secrets_);
    if (!noted.ok()) {
      log::Warning("pull secret not understood: going on without", {log::Field(noted.error())});
    }
  }

  void EndIsDone() {
    if (--ends_ == 0) delete this;
  }

  grpc::GenericCallbackServerContext& context_;
  PullSecrets& secrets_;
  std::mutex mutex_;
  bool outward_ended_ = false;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer answer_;
  std::atomic<int> ends_ = 2;
  Outward outward_;
};

class ForwardingService final : public grpc::CallbackGenericService {
 public:
  ForwardingService(const std::shared_ptr<grpc::Channel>& containerd, PullSecrets& secrets)
      : containerd_(containerd), secrets_(secrets) {}

  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    return new ForwardedCall(*context, containerd_, secrets_);
  }

 private:
  grpc::GenericStub containerd_;
  PullSecrets& secrets_;
};

class GrpcProxy final : public ImageProxy {
 public:
  GrpcProxy(const std::filesystem::path& containerd, PullSecrets& secrets)
      : service_(ConnectToContainerd(containerd), secrets) {}

  Status Start(Listener listener) {
    grpc::ServerBuilder builder;
    builder.RegisterCallbackGenericService(&service_);
    builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
    builder.SetMaxSendMessageSize(kMaxMessageBytes);
    LOCKET_TRY_ASSIGN(
        server_, rpc::GrpcServer::Start(builder, std::move(listener)).While("serve CRI's images"));
    return Ok();
  }

  void Shutdown(std::chrono::milliseconds grace) override { server_->Shutdown(grace); }

 private:
  ForwardingService service_;
  std::unique_ptr<rpc::GrpcServer> server_;  // last: its calls use the service
};

}  // namespace

Result<std::unique_ptr<ImageProxy>> ImageProxy::Start(Listener listener,
                                                      const std::filesystem::path& containerd,
                                                      PullSecrets& secrets) {
  auto proxy = std::make_unique<GrpcProxy>(containerd, secrets);
  LOCKET_TRY(proxy->Start(std::move(listener)));
  return std::unique_ptr<ImageProxy>(std::move(proxy));
}

}  // namespace locket::snapshotter
