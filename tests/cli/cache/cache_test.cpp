// `locket cache` and locket-snapshotter's own service, in one process.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "cli/cache/cache_client.h"
#include "snapshotter/service/cache_service.h"
#include "snapshotter/service/snapshots_service.h"
#include "tests/cli/cli_harness.h"
#include "tests/snapshotter/snapshots/sealed_fixture.h"

namespace locket::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class CacheTest : public snapshotter::SealedTest {
 protected:
  void SetUp() override {
    machine_.limits = {.high_bytes = 1 << 30, .low_bytes = 1 << 30};
    SealedTest::SetUp();
    PullAll(image_);
    admin_.emplace(snapshots(), *machine_.blobs, machine_.converter.get());
    service_ = snapshotter::MakeCacheService(*admin_);
    cli_.environment["LOCKET_SNAPSHOTTER_SOCKET"] = socket();
    Serve();
  }
  void TearDown() override { server_.reset(); }

  void Serve() {
    auto listener = Listener::Listen(socket());
    ASSERT_TRUE(listener.ok()) << listener.error().message();
    auto started = snapshotter::SnapshotsServer::Start(snapshots(), std::move(listener).value(),
                                                       {.services = {service_.get()}});
    ASSERT_TRUE(started.ok()) << started.error().message();
    server_ = std::move(started).value();
  }
  std::string socket() const { return machine_.temp.path() / "s.sock"; }

  CliResult Cache(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "cache");
    return cli_.Run(arguments);
  }
  void Damage(const std::string& digest) {
    ASSERT_TRUE(ReplaceFileDurably(machine_.root.blob(digest), "damaged").ok());
  }

  CliHarness cli_;
  std::optional<snapshotter::CacheAdmin> admin_;
  std::unique_ptr<grpc::Service> service_;
  std::unique_ptr<snapshotter::SnapshotsServer> server_;
};

TEST_F(CacheTest, LsSaysHowLargeEachBlobIsAndWhatHoldsIt) {
  ASSERT_TRUE(
      snapshots()
          .Prepare({.key = "web",
                    .parent = Find(image_.chain_ids[2],
                                   Find(image_.chain_ids[1], Find(image_.chain_ids[0], "")))})
          .ok());
  ASSERT_TRUE(machine_.blobs->SetPinned(image_.layer_digests[0], true).ok());
  const auto listed = Cache({"ls"});
  EXPECT_EQ(listed.exit_code, 0) << listed.err;
  EXPECT_THAT(listed.out, HasSubstr(image_.layer_digests[0] + "  20.0 KiB"));
  EXPECT_THAT(listed.out, HasSubstr("pin, 1 snapshot of 127.0.0.1:5000/app:1\n"));
  EXPECT_THAT(listed.out, HasSubstr("4 snapshots of 127.0.0.1:5000/app:1\n")) << "the manifest";
  EXPECT_THAT(listed.out, HasSubstr("5 blobs, "));
  EXPECT_THAT(listed.out, HasSubstr("; nothing needs 0 B of it\n"));

  const auto json = nlohmann::json::parse(Cache({"ls", "--json"}).out);
  ASSERT_EQ(json.size(), 5U);
  for (const auto& blob : json) {
    if (blob["digest"] != image_.layer_digests[0]) continue;
    EXPECT_EQ(blob["size_bytes"], image_.layers[0].size());
    EXPECT_EQ(blob["pinned"], true);
    EXPECT_EQ(blob["held_by_vm"], false);
    EXPECT_EQ(blob["num_snapshots"], 1);
    EXPECT_EQ(blob["images"][0], image_.reference);
    EXPECT_THAT(blob["last_used"].get<std::string>(), HasSubstr("T"));
  }
}

TEST_F(CacheTest, GcRemovesWhatNothingNeedsAndSaysHowMuch) {
  const std::string stray = image::Digest::Of("stray").ToText();
  ASSERT_TRUE(machine_.blobs->Keep(stray, "stray").ok());
  EXPECT_THAT(Cache({"gc", "--keep", "1MiB"}).out, HasSubstr("removed 0 blobs, 0 B; "));
  const auto collected = Cache({"gc"});
  EXPECT_EQ(collected.exit_code, 0) << collected.err;
  EXPECT_THAT(collected.out, HasSubstr("removed 1 blobs, 5 B; "));
  const auto json = nlohmann::json::parse(Cache({"gc", "--json"}).out);
  EXPECT_EQ(json["removed_blobs"], 0);
  EXPECT_GT(json["bytes_left"], 3 * 5000);
  EXPECT_EQ(Cache({"gc", "--keep", "much"}).exit_code, 2);
}

TEST_F(CacheTest, VerifyHealsDamageAndTellsOfIt) {
  Damage(image_.layer_digests[1]);
  auto verified = Cache({"verify"});
  EXPECT_EQ(verified.exit_code, 0) << verified.err;
  EXPECT_THAT(verified.out, HasSubstr(image_.layer_digests[1] + ": damaged, fetched again\n"));
  EXPECT_THAT(verified.out, HasSubstr("read 5 blobs, "));
  EXPECT_THAT(verified.out, HasSubstr(": 1 damaged\n"));
  EXPECT_THAT(verified.err, HasSubstr(image_.layer_digests[0])) << "progress";
  EXPECT_THAT(Cache({"verify", image_.reference}).out, HasSubstr("read 5 blobs, "));
  EXPECT_THAT(Cache({"verify", image_.layer_digests[0]}).out, HasSubstr("read 1 blobs, "));
}

TEST_F(CacheTest, VerifyFailsWhenANeededBlobStaysAway) {
  Damage(image_.layer_digests[1]);
  machine_.fetcher.Forget(image_.layer_digests[1]);
  const auto verified = Cache({"verify", "--json"});
  EXPECT_EQ(verified.exit_code, 1);
  const auto json = nlohmann::json::parse(verified.out);
  ASSERT_EQ(json.size(), 5U);
  for (const auto& blob : json) {
    const bool damaged = blob["digest"] == image_.layer_digests[1];
    EXPECT_EQ(blob["state"], damaged ? "removed" : "good");
    EXPECT_THAT(blob["problem"].get<std::string>(),
                damaged ? HasSubstr("fetch blob") : HasSubstr(""));
  }
  machine_.fetcher.Add(image_.layers[1]);
  const auto unknown = Cache({"verify", image_.layer_digests[1]});
  EXPECT_EQ(unknown.exit_code, 1);
  EXPECT_THAT(unknown.err, HasSubstr("the cache has no blob " + image_.layer_digests[1]));
}

TEST_F(CacheTest, PinAndUnpinTakeDigestsAndImages) {
  const auto pinned = Cache({"pin", image_.reference});
  EXPECT_EQ(pinned.exit_code, 0) << pinned.err;
  for (const std::string& digest : image_.layer_digests) {
    EXPECT_THAT(pinned.out, HasSubstr("pinned " + digest + "\n"));
    EXPECT_TRUE(std::filesystem::exists(machine_.root.pin(digest)));
  }
  EXPECT_EQ(Cache({"unpin", image_.layer_digests[0], image_.layer_digests[1]}).exit_code, 0);
  EXPECT_FALSE(std::filesystem::exists(machine_.root.pin(image_.layer_digests[0])));
  EXPECT_TRUE(std::filesystem::exists(machine_.root.pin(image_.layer_digests[2])));
  const std::string absent = image::Digest::Of("absent").ToText();
  EXPECT_THAT(Cache({"pin", absent}).out, HasSubstr(absent + ", which is not in the cache\n"));
  const auto unknown = Cache({"pin", "nobody/app:1"});
  EXPECT_EQ(unknown.exit_code, 1);
  EXPECT_THAT(unknown.err, HasSubstr("'nobody/app:1' is not a digest, and no image of that name"));
  EXPECT_EQ(Cache({"pin"}).exit_code, 2);
}

TEST_F(CacheTest, WithoutAServerEachCommandSaysSo) {
  server_.reset();
  const std::vector<std::vector<std::string>> commands{
      {"ls"}, {"gc"}, {"verify"}, {"pin", image_.layer_digests[0]}, {"unpin", image_.reference}};
  for (const auto& command : commands) {
    const auto failed = Cache(command);
    EXPECT_EQ(failed.exit_code, 1) << command[0];
    EXPECT_EQ(failed.out, "");
    EXPECT_THAT(failed.err,
                HasSubstr("locket: cannot reach locket-snapshotter at '" + socket() + "': start"));
  }
  service_.reset();
  auto listener = Listener::Listen(socket());
  auto older = snapshotter::SnapshotsServer::Start(snapshots(), std::move(listener).value());
  EXPECT_THAT(Cache({"ls"}).err, HasSubstr("its version differs from this program's"));
}

class ConversionsTest : public CacheTest {
 protected:
  void SetUp() override {
    machine_.convert.enabled = true;
    CacheTest::SetUp();
  }
};

TEST_F(CacheTest, WithoutAConverterNothingIsToBeConverted) {
  const auto found = CacheClient(socket()).GetConversions(std::chrono::seconds(60));
  ASSERT_TRUE(found.ok()) << found.error().message();
  EXPECT_FALSE(found->enabled);
}

TEST_F(ConversionsTest, WhatFailedIsToldWithItsReason) {
  machine_.converter->NoteFailure("r.example/app:1",
                                  Error(ErrorCode::kNotFound, "layer x: HTTP 404"));
  const auto found = CacheClient(socket()).GetConversions(std::chrono::seconds(60));
  ASSERT_TRUE(found.ok()) << found.error().message();
  EXPECT_TRUE(found->enabled);
  EXPECT_EQ(found->directory, machine_.root.converting());
  EXPECT_GT(found->free_bytes, 0U);
  ASSERT_EQ(found->failures.size(), 1U);
  EXPECT_EQ(found->failures[0].image, "r.example/app:1");
  EXPECT_EQ(found->failures[0].problem, "layer x: HTTP 404");
  EXPECT_EQ(found->failures[0].failed_ns, 1'700'000'000'000'000'000);
  const auto doctor = cli_.Run({"doctor"});
  EXPECT_THAT(doctor.out,
              HasSubstr("'r.example/app:1' at 2023-11-14T22:13:20Z: layer x: HTTP 404"));
}

}  // namespace
}  // namespace locket::cli
