#include "snapshotter/service/cache_service.h"

#include "proto/cache.grpc.pb.h"
#include "snapshotter/service/grpc_status.h"

namespace locket::snapshotter {
namespace {

namespace pb = ::locket::snapshotter::v1;

constexpr std::chrono::milliseconds kProgressEvery{200};

int64_t ToNanoseconds(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

void FillBlob(const HeldBlob& held, pb::Blob& out) {
  out.set_digest(held.blob.digest);
  out.set_size_bytes(held.blob.size_bytes);
  out.set_last_used_ns(ToNanoseconds(held.blob.last_used));
  out.set_pinned(held.blob.pinned);
  out.set_held(held.blob.held);
  out.set_num_snapshots(held.num_snapshots);
  for (const std::string& image : held.images) out.add_images(image);
}

pb::VerifyProgress::State StateOf(VerifyOutcome::State state) {
  switch (state) {
    case VerifyOutcome::State::kGood:
      return pb::VerifyProgress::GOOD;
    case VerifyOutcome::State::kFetchedAgain:
      return pb::VerifyProgress::FETCHED_AGAIN;
    case VerifyOutcome::State::kRemoved:
      return pb::VerifyProgress::REMOVED;
    case VerifyOutcome::State::kBusy:
      return pb::VerifyProgress::BUSY;
    case VerifyOutcome::State::kGone:
      return pb::VerifyProgress::GONE;
  }
  return pb::VerifyProgress::READING;
}

class CacheService final : public pb::Cache::Service {
 public:
  explicit CacheService(CacheAdmin& admin) : admin_(admin) {}

  grpc::Status List(grpc::ServerContext*, const pb::ListRequest*,
                    grpc::ServerWriter<pb::Blob>* writer) override {
    const auto listed = admin_.List();
    if (!listed.ok()) return Fail("Cache.List", "", listed.error());
    for (const HeldBlob& held : *listed) {
      pb::Blob blob;
      FillBlob(held, blob);
      if (!writer->Write(blob)) return grpc::Status::CANCELLED;
    }
    return grpc::Status::OK;
  }

  grpc::Status Collect(grpc::ServerContext*, const pb::CollectRequest* request,
                       pb::CollectResponse* response) override {
    const auto collected = admin_.Collect(request->keep_bytes());
    if (!collected.ok()) return Fail("Cache.Collect", "", collected.error());
    response->set_removed_blobs(collected->num_removed);
    response->set_removed_bytes(collected->bytes_removed);
    response->set_bytes_left(collected->bytes_left);
    return grpc::Status::OK;
  }

  grpc::Status Verify(grpc::ServerContext*, const pb::VerifyRequest* request,
                      grpc::ServerWriter<pb::VerifyProgress>* writer) override {
    const auto listed = admin_.List();
    if (!listed.ok()) return Fail("Cache.Verify", "", listed.error());
    std::map<std::string, uint64_t> sizes;
    for (const HeldBlob& held : *listed) sizes.emplace(held.blob.digest, held.blob.size_bytes);
    std::vector<std::string> digests(request->digests().begin(), request->digests().end());
    const bool all = digests.empty();
    for (const auto& [digest, size] : sizes) {
      if (all) digests.push_back(digest);
    }
    for (const std::string& digest : digests) {
      pb::VerifyProgress progress;
      progress.set_digest(digest);
      progress.set_size_bytes(sizes.contains(digest) ? sizes.at(digest) : 0);
      const Status verified = VerifyOne(progress, *writer, /*may_be_gone=*/all);
      if (!verified.ok()) return Fail("Cache.Verify", digest, verified.error());
    }
    return grpc::Status::OK;
  }

  grpc::Status SetPinned(grpc::ServerContext*, const pb::SetPinnedRequest* request,
                         pb::SetPinnedResponse* response) override {
    const auto present = admin_.SetPinned(request->digest(), request->pinned());
    if (!present.ok()) return Fail("Cache.SetPinned", request->digest(), present.error());
    response->set_present(*present);
    return grpc::Status::OK;
  }

  grpc::Status Repair(grpc::ServerContext*, const pb::RepairRequest*,
                      pb::RepairResponse* response) override {
    const RepairReport report = admin_.Repair();
    response->set_num_healed(report.num_healed);
    for (const std::string& problem : report.not_healed) response->add_not_healed(problem);
    return grpc::Status::OK;
  }

  grpc::Status Conversions(grpc::ServerContext*, const pb::ConversionsRequest*,
                           pb::ConversionsResponse* response) override {
    const ConvertReport report = admin_.Conversions();
    response->set_enabled(report.enabled);
    response->set_directory(report.directory.string());
    response->set_free_bytes(report.free_bytes);
    for (const FailedConversion& failed : report.failures) {
      auto& out = *response->add_failures();
      out.set_image(failed.image);
      out.set_problem(failed.problem);
      out.set_failed_ns(ToNanoseconds(failed.when));
    }
    return grpc::Status::OK;
  }

 private:
  Status VerifyOne(pb::VerifyProgress& progress, grpc::ServerWriter<pb::VerifyProgress>& writer,
                   bool may_be_gone) {
    auto told = std::chrono::steady_clock::now();
    auto outcome = admin_.Verify(progress.digest(), [&](uint64_t done_bytes) {
      if (std::chrono::steady_clock::now() - told < kProgressEvery) return true;
      told = std::chrono::steady_clock::now();
      progress.set_done_bytes(done_bytes);
      return writer.Write(progress);
    });
    if (!outcome.ok() && outcome.error().code() == ErrorCode::kNotFound && may_be_gone) {
      outcome = VerifyOutcome{.state = VerifyOutcome::State::kGone};
    }
    LOCKET_TRY(outcome);
    progress.set_done_bytes(progress.size_bytes());
    progress.set_state(StateOf(outcome->state));
    progress.set_problem(outcome->problem);
    if (!writer.Write(progress)) return Error(ErrorCode::kCancelled, "nobody listens any more");
    return Ok();
  }

  CacheAdmin& admin_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeCacheService(CacheAdmin& admin) {
  return std::make_unique<CacheService>(admin);
}

}  // namespace locket::snapshotter
