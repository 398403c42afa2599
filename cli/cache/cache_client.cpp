#include "cli/cache/cache_client.h"

#include <grpcpp/grpcpp.h>

#include "cli/grpc_code.h"
#include "proto/cache.grpc.pb.h"

namespace locket::cli {
namespace {

namespace pb = ::locket::snapshotter::v1;

constexpr std::chrono::seconds kTimeout{60};

BlobState StateOf(pb::VerifyProgress::State state) {
  switch (state) {
    case pb::VerifyProgress::GOOD:
      return BlobState::kGood;
    case pb::VerifyProgress::FETCHED_AGAIN:
      return BlobState::kFetchedAgain;
    case pb::VerifyProgress::REMOVED:
      return BlobState::kRemoved;
    case pb::VerifyProgress::BUSY:
      return BlobState::kBusy;
    case pb::VerifyProgress::GONE:
      return BlobState::kGone;
    default:
      return BlobState::kReading;
  }
}

}  // namespace

class CacheClient::Impl {
 public:
  explicit Impl(const std::string& socket)
      : socket_(socket),
        stub_(pb::Cache::NewStub(
            grpc::CreateChannel("unix:" + socket, grpc::InsecureChannelCredentials()))) {}

  pb::Cache::Stub& stub() { return *stub_; }

  Error Explain(const grpc::Status& status) const {
    const std::string at = "locket-snapshotter at '" + socket_ + "'";
    switch (status.error_code()) {
      case grpc::StatusCode::UNAVAILABLE:
        return {ErrorCode::kUnavailable,
                "cannot reach " + at + ": start it, or give its socket as --snapshotter-socket (" +
                    status.error_message() + ")"};
      case grpc::StatusCode::DEADLINE_EXCEEDED:
        return {ErrorCode::kDeadlineExceeded, at + " does not answer"};
      case grpc::StatusCode::UNIMPLEMENTED:
        return {ErrorCode::kUnimplemented,
                at + " does not know this request: its version differs from this program's"};
      default:
        return {CodeOf(status.error_code()), status.error_message()};
    }
  }

 private:
  const std::string socket_;
  const std::unique_ptr<pb::Cache::Stub> stub_;
};

CacheClient::CacheClient(const std::string& socket) : impl_(std::make_unique<Impl>(socket)) {}
CacheClient::~CacheClient() = default;

Result<std::vector<CachedBlob>> CacheClient::List() {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kTimeout);
  const auto reader = impl_->stub().List(&context, pb::ListRequest());
  std::vector<CachedBlob> blobs;
  for (pb::Blob blob; reader->Read(&blob);) {
    blobs.push_back({.digest = blob.digest(),
                     .size_bytes = blob.size_bytes(),
                     .last_used_ns = blob.last_used_ns(),
                     .pinned = blob.pinned(),
                     .held = blob.held(),
                     .num_snapshots = blob.num_snapshots(),
                     .images = {blob.images().begin(), blob.images().end()}});
  }
  const grpc::Status status = reader->Finish();
  if (!status.ok()) return impl_->Explain(status);
  return blobs;
}

Result<Collected> CacheClient::Collect(uint64_t keep_bytes) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kTimeout);
  pb::CollectRequest request;
  request.set_keep_bytes(keep_bytes);
  pb::CollectResponse response;
  const grpc::Status status = impl_->stub().Collect(&context, request, &response);
  if (!status.ok()) return impl_->Explain(status);
  return Collected{.removed_blobs = response.removed_blobs(),
                   .removed_bytes = response.removed_bytes(),
                   .bytes_left = response.bytes_left()};
}

Status CacheClient::Verify(const std::vector<std::string>& digests,
                           const std::function<void(const VerifyStep&)>& on_step) {
  grpc::ClientContext context;
  pb::VerifyRequest request;
  for (const std::string& digest : digests) request.add_digests(digest);
  const auto reader = impl_->stub().Verify(&context, request);
  for (pb::VerifyProgress step; reader->Read(&step);) {
    on_step({.digest = step.digest(),
             .size_bytes = step.size_bytes(),
             .done_bytes = step.done_bytes(),
             .state = StateOf(step.state()),
             .problem = step.problem()});
  }
  const grpc::Status status = reader->Finish();
  return status.ok() ? Ok() : Status(impl_->Explain(status));
}

Result<bool> CacheClient::SetPinned(const std::string& digest, bool pinned) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kTimeout);
  pb::SetPinnedRequest request;
  request.set_digest(digest);
  request.set_pinned(pinned);
  pb::SetPinnedResponse response;
  const grpc::Status status = impl_->stub().SetPinned(&context, request, &response);
  if (!status.ok()) return impl_->Explain(status);
  return response.present();
}

Result<Repaired> CacheClient::Repair() {
  grpc::ClientContext context;
  pb::RepairResponse response;
  const grpc::Status status = impl_->stub().Repair(&context, pb::RepairRequest(), &response);
  if (!status.ok()) return impl_->Explain(status);
  return Repaired{.num_healed = response.num_healed(),
                  .not_healed = {response.not_healed().begin(), response.not_healed().end()}};
}

Result<Conversions> CacheClient::GetConversions(std::chrono::milliseconds timeout) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + timeout);
  pb::ConversionsResponse response;
  const grpc::Status status =
      impl_->stub().Conversions(&context, pb::ConversionsRequest(), &response);
  if (!status.ok()) return impl_->Explain(status);
  Conversions found{.enabled = response.enabled(),
                    .directory = response.directory(),
                    .free_bytes = response.free_bytes()};
  for (const pb::FailedConversion& failed : response.failures()) {
    found.failures.push_back(
        {.image = failed.image(), .problem = failed.problem(), .failed_ns = failed.failed_ns()});
  }
  return found;
}

}  // namespace locket::cli
