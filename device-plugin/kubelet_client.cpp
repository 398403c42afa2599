#include "device-plugin/kubelet_client.h"

#include <grpcpp/grpcpp.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>

#include "base/unique_fd.h"
#include "proto/device_plugin.grpc.pb.h"

namespace locket::device_plugin {
namespace {

namespace pb = ::v1beta1;

constexpr const char* kVersion = "v1beta1";

// Of its own each time: a shared one would wait out its back-off after the kubelet's restart.
std::shared_ptr<grpc::Channel> Connect(const std::filesystem::path& socket) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel("unix:" + socket.string(), grpc::InsecureChannelCredentials(),
                                   arguments);
}

pb::RegisterRequest Message(const Registration& registration) {
  pb::RegisterRequest request;
  request.set_version(kVersion);
  request.set_endpoint(registration.endpoint);
  request.set_resource_name(registration.resource);
  request.mutable_options();
  return request;
}

Status Outcome(const grpc::Status& status, std::chrono::milliseconds timeout) {
  switch (status.error_code()) {
    case grpc::StatusCode::OK:
      return Ok();
    case grpc::StatusCode::UNAVAILABLE:
      return Error(ErrorCode::kUnavailable,
                   "nobody listens on its socket: " + status.error_message());
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return Error(ErrorCode::kDeadlineExceeded,
                   "no answer for " + std::to_string(timeout.count()) +
                       " ms: see the kubelet's log (register_timeout_s)");
    case grpc::StatusCode::UNIMPLEMENTED:
      return Error(ErrorCode::kFailedPrecondition,
                   "the kubelet does not speak the device plugin API v1beta1: it takes Kubernetes "
                   "1.10 or later");
    default:
      return Error(ErrorCode::kFailedPrecondition,
                   "the kubelet refuses it: " + status.error_message() +
                       " (see the kubelet's log; the resource's name is `resource` in the "
                       "configuration)");
  }
}

}  // namespace

Status Register(const Registration& registration, int stop_fd) {
  const UniqueFd done(::eventfd(0, EFD_CLOEXEC));
  if (!done.valid()) return Error::FromErrno(errno, "eventfd");
  const auto stub = pb::Registration::NewStub(Connect(registration.kubelet));
  const pb::RegisterRequest request = Message(registration);
  pb::Empty response;
  grpc::Status status;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + registration.timeout);
  stub->async()->Register(&context, &request, &response, [&](grpc::Status result) {
    status = std::move(result);
    ::eventfd_write(done.get(), 1);
  });
  std::array<pollfd, 2> waiting{pollfd{.fd = done.get(), .events = POLLIN, .revents = 0},
                                pollfd{.fd = stop_fd, .events = POLLIN, .revents = 0}};
  while (::poll(waiting.data(), waiting.size(), -1) < 0 && errno == EINTR) {
  }
  const bool given_up = waiting[0].revents == 0;
  if (given_up) context.TryCancel();
  eventfd_t ignored = 0;
  ::eventfd_read(done.get(), &ignored);  // the call is over when this returns
  if (given_up && !status.ok()) return Error(ErrorCode::kCancelled, "given up");
  return Outcome(status, registration.timeout);
}

}  // namespace locket::device_plugin
