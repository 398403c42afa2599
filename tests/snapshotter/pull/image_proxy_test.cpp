#include "snapshotter/pull/image_proxy.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "base/encoding.h"
#include "base/file.h"
#include "proto/cri.grpc.pb.h"

namespace locket::snapshotter {
namespace {

namespace cri = ::runtime::v1;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::chrono::seconds kPatience{60};

grpc::ByteBuffer BufferOf(const std::string& text) {
  const grpc::Slice slice(text);
  return {&slice, 1};
}
std::string TextOf(const grpc::ByteBuffer& buffer) {
  grpc::Slice slice;
  EXPECT_TRUE(buffer.DumpToSingleSlice(&slice).ok());
  return {reinterpret_cast<const char*>(slice.begin()), slice.size()};
}

// What a CRI of a later version might have: every method we do not know echoes a stream.
class EchoService final : public grpc::CallbackGenericService {
  struct Echo final : grpc::ServerGenericBidiReactor {
    Echo() { StartRead(&message); }
    void OnReadDone(bool ok) override {
      if (ok) {
        StartWrite(&message);
      } else {
        Finish(grpc::Status::OK);
      }
    }
    void OnWriteDone(bool ok) override {
      if (ok) StartRead(&message);
    }
    void OnDone() override { delete this; }
    grpc::ByteBuffer message;
  };
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext*) override {
    return new Echo;
  }
};

// Stands where containerd does.
class FakeContainerd final : public cri::ImageService::Service {
 public:
  void Serve(const std::string& socket) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + socket, grpc::InsecureServerCredentials());
    builder.RegisterService(this);
    builder.RegisterCallbackGenericService(&echo_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
  }
  ~FakeContainerd() override {
    if (server_) server_->Shutdown(std::chrono::system_clock::now());
  }

  grpc::Status PullImage(grpc::ServerContext* context, const cri::PullImageRequest* request,
                         cri::PullImageResponse* response) override {
    const auto header = context->client_metadata().find("x-trace");
    std::unique_lock lock(mutex_);
    if (header != context->client_metadata().end()) {
      trace.assign(header->second.data(), header->second.size());
    }
    last = *request;
    if (hang) {
      ++hanging;
      changed_.notify_all();
      while (!context->IsCancelled()) changed_.wait_for(lock, std::chrono::milliseconds(5));
      ++cancelled;
      changed_.notify_all();
    }
    response->set_image_ref("sha256:1234");
    return answer;
  }
  void WaitFor(const int& counter, int value) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, kPatience, [&] { return counter >= value; }));
  }

  grpc::Status answer = grpc::Status::OK;
  bool hang = false;
  int hanging = 0;
  int cancelled = 0;
  std::string trace;
  cri::PullImageRequest last;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  EchoService echo_;
  std::unique_ptr<grpc::Server> server_;
};

class ImageProxyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string socket = temp_.path() / "kubelet.sock";
    auto listener = Listener::Listen(socket);
    ASSERT_TRUE(listener.ok()) << listener.error().message();
    auto started = ImageProxy::Start(std::move(listener).value(), containerd_socket(), secrets_);
    ASSERT_TRUE(started.ok()) << started.error().message();
    proxy_ = std::move(started).value();
    channel_ = grpc::CreateChannel("unix:" + socket, grpc::InsecureChannelCredentials());
    images_ = cri::ImageService::NewStub(channel_);
  }
  std::string containerd_socket() const { return temp_.path() / "containerd.sock"; }

  static cri::PullImageRequest Request(const std::string& image, const std::string& password) {
    cri::PullImageRequest request;
    request.mutable_image()->set_image(image);
    request.mutable_auth()->set_username("u");
    request.mutable_auth()->set_password(password);
    return request;
  }
  grpc::Status Pull(const cri::PullImageRequest& request, grpc::ClientContext& context) {
    context.set_deadline(std::chrono::system_clock::now() + kPatience);
    return images_->PullImage(&context, request, &response_);
  }
  grpc::Status Pull(const cri::PullImageRequest& request) {
    grpc::ClientContext context;
    return Pull(request, context);
  }
  std::string Password(const std::string& repository) {
    const auto found = secrets_.Find("r.example", repository);
    return found ? std::string(AsText(found->password.Reveal())) : "none";
  }

  TempDir temp_ = *TempDir::Create("/tmp", "image-proxy-test.");
  PullSecrets secrets_;
  FakeContainerd containerd_;
  std::unique_ptr<ImageProxy> proxy_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<cri::ImageService::Stub> images_;
  cri::PullImageResponse response_;
};

TEST_F(ImageProxyTest, APullGoesOnAsItIsAndItsSecretIsKept) {
  containerd_.Serve(containerd_socket());
  grpc::ClientContext context;
  context.AddMetadata("x-trace", "17");
  const auto request = Request("r.example/team/app:1", "pw");
  const auto pulled = Pull(request, context);
  ASSERT_TRUE(pulled.ok()) << pulled.error_message();
  EXPECT_EQ(response_.image_ref(), "sha256:1234");
  EXPECT_EQ(containerd_.last.SerializeAsString(), request.SerializeAsString());
  EXPECT_EQ(containerd_.trace, "17");
  EXPECT_EQ(Password("team/app"), "pw");
  EXPECT_EQ(Password("team/other"), "none");
}

TEST_F(ImageProxyTest, ContainerdsErrorsComeBackAsTheyAre) {
  containerd_.Serve(containerd_socket());
  containerd_.answer = {grpc::StatusCode::NOT_FOUND, "no such image", "details"};
  const auto pulled = Pull(Request("r.example/app", "pw"));
  EXPECT_EQ(pulled.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(pulled.error_message(), "no such image");
  EXPECT_EQ(pulled.error_details(), "details");
}

TEST_F(ImageProxyTest, WithoutContainerdACallIsUnavailableAndWorksOnceItIsThere) {
  const auto pulled = Pull(Request("r.example/app", "pw"));
  EXPECT_EQ(pulled.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(pulled.error_message(), HasSubstr(containerd_socket()));
  containerd_.Serve(containerd_socket());
  const auto until = std::chrono::steady_clock::now() + kPatience;
  grpc::Status again;
  do {
    again = Pull(Request("r.example/app", "pw"));
  } while (again.error_code() == grpc::StatusCode::UNAVAILABLE &&
           std::chrono::steady_clock::now() < until);
  EXPECT_TRUE(again.ok()) << again.error_message();
}

TEST_F(ImageProxyTest, MethodsAndStreamsOfALaterCriPass) {
  containerd_.Serve(containerd_socket());
  grpc::GenericStub stub(channel_);
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  auto stream = stub.PrepareCall(&context, "/runtime.v9.ImageService/Stream", &queue);
  const auto next = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    return ok;
  };
  stream->StartCall(nullptr);
  ASSERT_TRUE(next());
  std::vector<std::string> echoes;
  for (const std::string text : {"a", "", "c"}) {
    stream->Write(BufferOf(text), nullptr);
    ASSERT_TRUE(next());
    grpc::ByteBuffer echo;
    stream->Read(&echo, nullptr);
    ASSERT_TRUE(next());
    echoes.push_back(TextOf(echo));
  }
  stream->WritesDone(nullptr);
  ASSERT_TRUE(next());
  grpc::Status status;
  stream->Finish(&status, nullptr);
  ASSERT_TRUE(next());
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_THAT(echoes, ElementsAre("a", "", "c"));
}

TEST_F(ImageProxyTest, ACallThatItsCallerGivesUpEndsAtContainerdToo) {
  containerd_.Serve(containerd_socket());
  containerd_.hang = true;
  grpc::ClientContext context;
  grpc::Status pulled;
  std::thread caller([&] { pulled = Pull(Request("r.example/app", "pw"), context); });
  containerd_.WaitFor(containerd_.hanging, 1);
  context.TryCancel();
  caller.join();
  EXPECT_EQ(pulled.error_code(), grpc::StatusCode::CANCELLED);
  containerd_.WaitFor(containerd_.cancelled, 1);
}

TEST_F(ImageProxyTest, ShutdownEndsWhatIsUnderWay) {
  containerd_.Serve(containerd_socket());
  containerd_.hang = true;
  grpc::Status pulled;
  std::thread caller([&] { pulled = Pull(Request("r.example/app", "pw")); });
  containerd_.WaitFor(containerd_.hanging, 1);
  proxy_->Shutdown(std::chrono::milliseconds(0));
  caller.join();
  EXPECT_FALSE(pulled.ok());
  containerd_.WaitFor(containerd_.cancelled, 1);
}

TEST_F(ImageProxyTest, ASecretThatMakesNoSenseIsPassedOnAllTheSame) {
  containerd_.Serve(containerd_socket());
  EXPECT_TRUE(Pull(Request("NOT A NAME", "pw")).ok());
  EXPECT_TRUE(Pull(Request("r.example/app", std::string(100'000, 'x'))).ok());
  EXPECT_EQ(Password("app"), "none");
  grpc::GenericStub stub(channel_);
  grpc::ClientContext context;
  const auto garbage = BufferOf("\xFF\xFF");
  grpc::ByteBuffer answer;
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<grpc::Status> status;
  stub.UnaryCall(&context, "/runtime.v1.ImageService/PullImage", {}, &garbage, &answer,
                 [&](const grpc::Status& given) {
                   const std::lock_guard lock(mutex);
                   status = given;
                   changed.notify_all();
                 });
  std::unique_lock lock(mutex);
  ASSERT_TRUE(changed.wait_for(lock, kPatience, [&] { return status.has_value(); }));
  EXPECT_FALSE(status->ok()) << "containerd is who says so";
}

TEST_F(ImageProxyTest, ManyCallsAtATimeKeepTheirSecretsApart) {
  containerd_.Serve(containerd_socket());
  std::vector<std::thread> callers;
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([&, name = std::to_string(i)] {
      for (int round = 0; round < 20; ++round) {
        grpc::ClientContext context;
        context.set_deadline(std::chrono::system_clock::now() + kPatience);
        cri::PullImageResponse response;
        const auto pulled =
            images_->PullImage(&context, Request("r.example/" + name, name), &response);
        EXPECT_TRUE(pulled.ok()) << pulled.error_message();
      }
    });
  }
  for (auto& caller : callers) caller.join();
  for (int i = 0; i < 8; ++i) EXPECT_EQ(Password(std::to_string(i)), std::to_string(i));
}

}  // namespace
}  // namespace locket::snapshotter
