// The gRPC face of CacheAdmin, for `locket cache`.
#pragma once

#include <grpcpp/impl/service_type.h>

#include <memory>

#include "snapshotter/service/cache_admin.h"

namespace locket::snapshotter {

// `admin` outlives the service.
std::unique_ptr<grpc::Service> MakeCacheService(CacheAdmin& admin);

}  // namespace locket::snapshotter
