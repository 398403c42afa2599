// The gRPC face of CacheAdmin, for `locket cache`.
#pragma once

#include <grpcpp/impl/service_type.h>

#include <memory>

#include "snapshotter/service/cache_admin.h"

namespace locket::snapshotter {

// Returns the service of proto/cache.proto, for a gRPC server. `admin` outlives it.
std::unique_ptr<grpc::Service> MakeCacheService(CacheAdmin& admin);

}  // namespace locket::snapshotter
