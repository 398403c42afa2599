// Our text of containerd's interfaces against containerd's own .proto files, field by field.
#include <gmock/gmock.h>
#include <google/protobuf/compiler/importer.h>
#include <google/protobuf/descriptor.h>

#include <filesystem>
#include <set>
#include <string>

#include "proto/cgroups_v1.pb.h"
#include "proto/cgroups_v2.pb.h"
#include "proto/events.pb.h"
#include "proto/runtime_options.pb.h"
#include "proto/task.pb.h"
#include "proto/task_events.pb.h"
#include "proto/task_types.pb.h"
#include "proto/types.pb.h"

namespace locket::proto {
namespace {

namespace pb = google::protobuf;

constexpr const char* kGo = "/usr/share/gocode/src";
constexpr const char* kContainerd = "github.com/containerd/containerd";

// Newer than the containerd whose files Debian 12 has.
const std::set<std::string> kNewer{"runtimeoptions.v1.Options.config_body"};

class Complaints final : public pb::compiler::MultiFileErrorCollector {
 public:
  void AddError(const std::string& file, int line, int, const std::string& message) override {
    ADD_FAILURE() << file << ":" << line << ": " << message;
  }
};

std::string Describe(const pb::FieldDescriptor& field) {
  std::string text = std::to_string(field.number()) + " " + field.type_name() +
                     (field.is_repeated() ? " repeated" : "");
  if (field.message_type() != nullptr) text += " " + field.message_type()->full_name();
  if (field.enum_type() != nullptr) text += " " + field.enum_type()->full_name();
  return text;
}

class UpstreamTest : public testing::Test {
 protected:
  UpstreamTest() : importer_(&tree_, &complaints_) {
    tree_.MapPath("", kGo);
    tree_.MapPath("", std::string(kGo) + "/github.com/gogo/protobuf");
    tree_.MapPath("google/protobuf", "/usr/include/google/protobuf");
  }

  void SetUp() override {
    if (!std::filesystem::exists(std::filesystem::path(kGo) / kContainerd / "api/types")) {
      GTEST_SKIP() << "no " << kGo << "/" << kContainerd
                   << ": install golang-github-containerd-containerd-dev";
    }
  }

  // Every message, enum and service of `ours` is in containerd's `path` too, with the same fields,
  // values and methods; and where `path` has a message of that name, ours lacks no field of it.
  void Compare(const pb::FileDescriptor& ours, const std::string& path) {
    const pb::FileDescriptor* const theirs =
        importer_.Import(std::string(kContainerd) + "/" + path);
    ASSERT_NE(theirs, nullptr) << path;
    EXPECT_EQ(ours.package(), theirs->package());
    for (int i = 0; i < ours.message_type_count(); ++i) {
      const auto& message = *ours.message_type(i);
      // Types of one package may be spread over files there.
      const auto* const other = importer_.pool()->FindMessageTypeByName(message.full_name());
      ASSERT_NE(other, nullptr) << message.full_name();
      CompareFields(message, *other);
    }
    for (int i = 0; i < ours.enum_type_count(); ++i) CompareEnum(*ours.enum_type(i), *theirs);
    for (int i = 0; i < ours.service_count(); ++i) CompareService(*ours.service(i), *theirs);
    EXPECT_EQ(ours.service_count(), theirs->service_count());
  }

  // What we have of the metrics.proto in `directory` is theirs; we need not have all of it.
  void CompareSubset(const pb::FileDescriptor& ours, const std::string& directory) {
    const pb::FileDescriptor* const theirs = importer_.Import(directory + "/metrics.proto");
    ASSERT_NE(theirs, nullptr) << directory;
    EXPECT_EQ(ours.package(), theirs->package());
    ASSERT_GT(ours.message_type_count(), 0);
    for (int i = 0; i < ours.message_type_count(); ++i) {
      const auto& message = *ours.message_type(i);
      const auto* const other = theirs->FindMessageTypeByName(message.name());
      ASSERT_NE(other, nullptr) << message.full_name();
      CompareOurFields(message, *other);
    }
  }

  // Our proto/`name` has a part of containerd's `path`. Only the files are compared, so that this
  // needs no gRPC.
  void CompareServiceSubset(const std::string& name, const std::string& path) {
    pb::compiler::DiskSourceTree tree;
    tree.MapPath("", LOCKET_SOURCE_DIR);
    tree.MapPath("google/protobuf", "/usr/include/google/protobuf");
    pb::compiler::Importer importer(&tree, &complaints_);
    const pb::FileDescriptor* const ours = importer.Import("proto/" + name);
    const pb::FileDescriptor* const theirs =
        importer_.Import(std::string(kContainerd) + "/" + path);
    ASSERT_NE(ours, nullptr) << name;
    ASSERT_NE(theirs, nullptr) << path;
    EXPECT_EQ(ours->package(), theirs->package());
    for (int i = 0; i < ours->message_type_count(); ++i) {
      const auto& message = *ours->message_type(i);
      const auto* const other = theirs->FindMessageTypeByName(message.name());
      ASSERT_NE(other, nullptr) << message.full_name();
      CompareOurFields(message, *other);
    }
    ASSERT_EQ(ours->service_count(), 1);
    const auto* const other = theirs->FindServiceByName(ours->service(0)->name());
    ASSERT_NE(other, nullptr) << name;
    CompareOurMethods(*ours->service(0), *other);
  }

  static void CompareFields(const pb::Descriptor& ours, const pb::Descriptor& theirs) {
    CompareOurFields(ours, theirs);
    for (int i = 0; i < theirs.field_count(); ++i) {
      EXPECT_NE(ours.FindFieldByName(theirs.field(i)->name()), nullptr)
          << theirs.field(i)->full_name();
    }
  }

  static void CompareOurFields(const pb::Descriptor& ours, const pb::Descriptor& theirs) {
    for (int i = 0; i < ours.field_count(); ++i) {
      const auto& field = *ours.field(i);
      if (kNewer.contains(field.full_name())) continue;
      const auto* const other = theirs.FindFieldByName(field.name());
      ASSERT_NE(other, nullptr) << field.full_name();
      EXPECT_EQ(Describe(field), Describe(*other)) << field.full_name();
    }
  }

  static void CompareEnum(const pb::EnumDescriptor& ours, const pb::FileDescriptor& theirs) {
    const auto* const other = theirs.FindEnumTypeByName(ours.name());
    ASSERT_NE(other, nullptr) << ours.full_name();
    ASSERT_EQ(ours.value_count(), other->value_count());
    for (int i = 0; i < ours.value_count(); ++i) {
      EXPECT_EQ(ours.value(i)->name(), other->value(i)->name());
      EXPECT_EQ(ours.value(i)->number(), other->value(i)->number());
    }
  }

  static void CompareService(const pb::ServiceDescriptor& ours, const pb::FileDescriptor& theirs) {
    const auto* const other = theirs.FindServiceByName(ours.name());
    ASSERT_NE(other, nullptr) << ours.full_name();
    EXPECT_EQ(ours.method_count(), other->method_count());
    CompareOurMethods(ours, *other);
  }

  static void CompareOurMethods(const pb::ServiceDescriptor& ours,
                                const pb::ServiceDescriptor& theirs) {
    for (int i = 0; i < ours.method_count(); ++i) {
      const auto& method = *ours.method(i);
      const auto* const same = theirs.FindMethodByName(method.name());
      ASSERT_NE(same, nullptr) << method.full_name();
      EXPECT_EQ(method.input_type()->full_name(), same->input_type()->full_name());
      EXPECT_EQ(method.output_type()->full_name(), same->output_type()->full_name());
      EXPECT_EQ(method.server_streaming(), same->server_streaming()) << method.full_name();
      EXPECT_EQ(method.client_streaming(), same->client_streaming()) << method.full_name();
    }
  }

  pb::compiler::DiskSourceTree tree_;
  Complaints complaints_;
  pb::compiler::Importer importer_;
};

TEST_F(UpstreamTest, TaskServiceIsContainerds) {
  Compare(*containerd::task::v2::StateRequest::descriptor()->file(), "runtime/v2/task/shim.proto");
  Compare(*containerd::v1::types::Process::descriptor()->file(), "api/types/task/task.proto");
}

TEST_F(UpstreamTest, CgroupMetricsAreContainerds) {
  using io::containerd::cgroups::v1::Metrics;
  CompareSubset(*Metrics::descriptor()->file(), "github.com/containerd/cgroups/stats/v1");
  CompareSubset(*io::containerd::cgroups::v2::Metrics::descriptor()->file(),
                "github.com/containerd/cgroups/v2/stats");
}

TEST_F(UpstreamTest, EventsAreContainerds) {
  Compare(*containerd::services::events::ttrpc::v1::Envelope::descriptor()->file(),
          "api/services/ttrpc/events/v1/events.proto");
  Compare(*containerd::events::TaskExit::descriptor()->file(), "api/events/task.proto");
}

TEST_F(UpstreamTest, TypesAreContainerds) {
  ASSERT_NE(importer_.Import(std::string(kContainerd) + "/api/types/descriptor.proto"), nullptr);
  Compare(*containerd::types::Mount::descriptor()->file(), "api/types/mount.proto");
}

// By itself: it names gogo.proto by another path than the others, which one pool cannot hold twice.
TEST_F(UpstreamTest, RuntimeOptionsAreContainerds) {
  Compare(*runtimeoptions::v1::Options::descriptor()->file(), "pkg/runtimeoptions/v1/api.proto");
}

// Only the file is compared here, so that this test needs no gRPC.
TEST_F(UpstreamTest, SnapshotsServiceIsContainerds) {
  pb::compiler::DiskSourceTree tree;
  tree.MapPath("", LOCKET_SOURCE_DIR);
  tree.MapPath("google/protobuf", "/usr/include/google/protobuf");
  pb::compiler::Importer ours(&tree, &complaints_);
  const pb::FileDescriptor* const file = ours.Import("proto/snapshots.proto");
  ASSERT_NE(file, nullptr);
  Compare(*file, "api/services/snapshots/v1/snapshots.proto");
}

TEST_F(UpstreamTest, WhatContainerdIsAskedOfAContainersImageIsContainerds) {
  CompareServiceSubset("containers.proto", "api/services/containers/v1/containers.proto");
  CompareServiceSubset("content.proto", "api/services/content/v1/content.proto");
  CompareServiceSubset("images.proto", "api/services/images/v1/images.proto");
}

}  // namespace
}  // namespace locket::proto
