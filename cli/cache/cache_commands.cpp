#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "base/clock.h"
#include "cli/cache/cache_client.h"
#include "cli/cache/cache_report.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "image/oci/digest.h"

namespace locket::cli {
namespace {

struct Options {
  std::string socket;
  std::vector<std::string> what{};  // digests and images
  uint64_t keep_bytes = 0;
  bool json = false;
};

bool IsDigest(const std::string& text) { return image::Digest::FromText(text).ok(); }

// What the user named as digests: an image stands for its blobs.
Result<std::vector<std::string>> Resolve(CacheClient& cache, const std::vector<std::string>& what) {
  std::vector<std::string> digests;
  std::vector<CachedBlob> listed;
  for (const std::string& name : what) {
    if (IsDigest(name)) {
      digests.push_back(name);
      continue;
    }
    if (listed.empty()) {
      LOCKET_TRY_ASSIGN(listed, cache.List());
    }
    const size_t before = digests.size();
    for (const CachedBlob& blob : listed) {
      if (std::ranges::find(blob.images, name) != blob.images.end()) digests.push_back(blob.digest);
    }
    if (digests.size() > before) continue;
    return Error(ErrorCode::kNotFound,
                 "'" + name +
                     "' is not a digest, and no image of that name is in the cache: pull it "
                     "first, or see 'locket cache ls'");
  }
  return digests;
}

Result<int> List(const Options& options, Context& context) {
  LOCKET_TRY_ASSIGN(const auto blobs, CacheClient(options.socket).List());
  options.json ? PrintBlobsAsJson(blobs, context.out) : PrintBlobs(blobs, context.out);
  return 0;
}

Result<int> Collect(const Options& options, Context& context) {
  LOCKET_TRY_ASSIGN(const auto done, CacheClient(options.socket).Collect(options.keep_bytes));
  if (options.json) {
    context.out << nlohmann::ordered_json{{"removed_blobs", done.removed_blobs},
                                          {"removed_bytes", done.removed_bytes},
                                          {"bytes_left", done.bytes_left}}
                       .dump(2)
                << "\n";
  } else {
    context.out << "removed " << done.removed_blobs << " blobs, " << HumanBytes(done.removed_bytes)
                << "; " << HumanBytes(done.bytes_left) << " left\n";
  }
  return 0;
}

Result<int> Verify(const Options& options, Context& context) {
  CacheClient cache(options.socket);
  LOCKET_TRY_ASSIGN(const auto digests, Resolve(cache, options.what));
  const SystemClock clock;
  Progress progress(context.err, context.err_is_terminal, clock);
  std::vector<VerifyStep> finished;
  std::string current;
  const Status done = cache.Verify(digests, [&](const VerifyStep& step) {
    if (step.digest != current) progress.Start(step.digest, step.size_bytes);
    current = step.digest;
    progress.Update(step.done_bytes);
    if (step.state == BlobState::kReading) return;
    progress.Finish(Word(step.state));
    current.clear();
    finished.push_back(step);
  });
  progress.Clear();
  LOCKET_TRY(done);
  options.json ? PrintVerifiedAsJson(finished, context.out) : PrintVerified(finished, context.out);
  return AllSound(finished) ? 0 : 1;
}

Result<int> SetPinned(const Options& options, bool pinned, Context& context) {
  CacheClient cache(options.socket);
  LOCKET_TRY_ASSIGN(const auto digests, Resolve(cache, options.what));
  for (const std::string& digest : digests) {
    LOCKET_TRY_ASSIGN(const bool present, cache.SetPinned(digest, pinned));
    context.out << (pinned ? "pinned " : "unpinned ") << digest
                << (present ? "" : ", which is not in the cache") << "\n";
  }
  return 0;
}

using Action = std::function<Result<int>(const Options&)>;

CLI::App* AddCommand(CLI::App& cache, const char* name, const char* help,
                     const std::shared_ptr<Options>& options, Selected& selected, Action action) {
  CLI::App* command = cache.add_subcommand(name, help);
  command
      ->add_option("--snapshotter-socket", options->socket,
                   "Socket of locket-snapshotter (environment variable: LOCKET_SNAPSHOTTER_SOCKET)")
      ->type_name("PATH")
      ->capture_default_str();
  command->callback([&selected, options, action] {
    selected.run = [options, action] { return action(*options); };
  });
  return command;
}

using SharedOptions = std::shared_ptr<Options>;

void AddBlobs(CLI::App& command, Options& options, const std::string& otherwise) {
  command
      .add_option("BLOB", options.what,
                  "Digest of a blob, or an image as 'locket cache ls' shows it: all blobs of that "
                  "image" +
                      otherwise)
      ->type_name("");
}

void AddList(CLI::App& cache, const SharedOptions& options, Context& context, Selected& selected) {
  CLI::App* list = AddCommand(cache, "ls", "List the blobs, least recently used first", options,
                              selected, [&context](const Options& o) { return List(o, context); });
  list->add_flag("--json", options->json, "Print JSON");
  list->footer("Example:\n  locket cache ls --json | jq '.[] | select(.pinned)'");
}

void AddCollect(CLI::App& cache, const SharedOptions& options, Context& context,
                Selected& selected) {
  CLI::App* gc = AddCommand(cache, "gc", "Remove blobs that nothing needs", options, selected,
                            [&context](const Options& o) { return Collect(o, context); });
  gc->add_option("--keep", options->keep_bytes,
                 "Stop when the whole cache is no larger than this, such as 2GiB or 500MB "
                 "(default: 0, so that all unneeded blobs go)")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true).description(""))
      ->type_name("SIZE");
  gc->add_flag("--json", options->json, "Print JSON");
  gc->footer(
      "Least recently used blobs go first. Blobs that snapshots, running VMs or pins need stay. "
      "The rest of downloads that crashed or were given up is removed as well.\n\n"
      "Examples:\n"
      "  locket cache gc\n"
      "  locket cache gc --keep 2GiB");
}

void AddVerify(CLI::App& cache, const SharedOptions& options, Context& context,
               Selected& selected) {
  CLI::App* verify =
      AddCommand(cache, "verify", "Read blobs and compare them with their digests", options,
                 selected, [&context](const Options& o) { return Verify(o, context); });
  AddBlobs(*verify, *options, " (default: all blobs)");
  verify->add_flag("--json", options->json, "Print JSON");
  verify->footer(
      "A damaged blob is removed, and downloaded again if snapshots need it. Exits 1 if a needed "
      "blob is missing afterwards, or a blob is being pulled and could not be checked.\n\n"
      "Examples:\n"
      "  locket cache verify\n"
      "  locket cache verify registry.example/app:1");
}

void AddPins(CLI::App& cache, const SharedOptions& options, Context& context, Selected& selected) {
  CLI::App* pin = AddCommand(cache, "pin", "Keep blobs until they are unpinned", options, selected,
                             [&context](const Options& o) { return SetPinned(o, true, context); });
  AddBlobs(*pin, *options, "");
  pin->get_option("BLOB")->required();
  pin->footer(
      "A pin outlasts restarts. A blob that is not in the cache yet can be pinned by its "
      "digest.\n\n"
      "Example:\n"
      "  locket cache pin registry.example/app:1");
  CLI::App* unpin =
      AddCommand(cache, "unpin", "End the pin of blobs, so that they can be removed", options,
                 selected, [&context](const Options& o) { return SetPinned(o, false, context); });
  AddBlobs(*unpin, *options, "");
  unpin->get_option("BLOB")->required();
  unpin->footer("Example:\n  locket cache unpin registry.example/app:1");
}

}  // namespace

void AddCacheCommands(CLI::App& app, Context& context, Selected& selected) {
  CLI::App* cache = app.add_subcommand(
      "cache", "List, check and remove the sealed layers (blobs) that this node keeps");
  cache->require_subcommand(1);
  auto options = std::make_shared<Options>(
      Options{.socket = context.environment("LOCKET_SNAPSHOTTER_SOCKET")
                            .value_or(std::string(kDefaultSnapshotterSocket))});
  AddList(*cache, options, context, selected);
  AddCollect(*cache, options, context, selected);
  AddVerify(*cache, options, context, selected);
  AddPins(*cache, options, context, selected);
}

}  // namespace locket::cli
