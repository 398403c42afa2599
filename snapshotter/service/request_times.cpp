#include "snapshotter/service/request_times.h"

#include <grpcpp/support/server_interceptor.h>

#include <array>

namespace locket::snapshotter {
namespace {

namespace experimental = ::grpc::experimental;

// The words of the gRPC specification, by number.
constexpr std::array<const char*, 17> kCodes{
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

const char* WordFor(grpc::StatusCode code) {
  const auto number = static_cast<size_t>(code);
  return number < kCodes.size() ? kCodes.at(number) : "UNKNOWN";
}

class Timer final : public experimental::Interceptor {
 public:
  Timer(const char* method, Metrics& metrics)
      : method_(method), metrics_(metrics), began_(std::chrono::steady_clock::now()) {}

  void Intercept(experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(
            experimental::InterceptionHookPoints::PRE_SEND_STATUS)) {
      metrics_.Observe(method_, WordFor(methods->GetSendStatus().error_code()),
                       std::chrono::steady_clock::now() - began_);
    }
    methods->Proceed();
  }

 private:
  const std::string method_;
  Metrics& metrics_;
  const std::chrono::steady_clock::time_point began_;
};

class TimerFactory final : public experimental::ServerInterceptorFactoryInterface {
 public:
  explicit TimerFactory(Metrics& metrics) : metrics_(metrics) {}
  experimental::Interceptor* CreateServerInterceptor(
      experimental::ServerRpcInfo* request) override {
    // "/package.Service/Method"
    return new Timer(request->method() + 1, metrics_);  // gRPC's to delete
  }

 private:
  Metrics& metrics_;
};

}  // namespace

void TimeRequests(grpc::ServerBuilder& builder, Metrics& metrics) {
  std::vector<std::unique_ptr<experimental::ServerInterceptorFactoryInterface>> creators;
  creators.push_back(std::make_unique<TimerFactory>(metrics));
  builder.experimental().SetInterceptorCreators(std::move(creators));
}

}  // namespace locket::snapshotter
