// scratch-bench GUEST_IMAGE_DIR [RUNS]: what a scratch disk costs a pod against its memory: until
// the guest's CreateSandbox has answered (the disk's keys, tables and file system), and for a
// container that writes 128 MiB, syncs them and reads them again. Guests under TCG, 512 MiB, two
// processors, the disk a sparse file in /dev/shm; of RUNS (default 3) runs, taken in turns, the
// fastest counts. What is read again comes from the guest's page cache on both sides.
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>

#include "initdata/initdata.h"
#include "tests/guest-agent/guest_calls.h"

namespace {

using namespace locket;
using namespace locket::guest_agent;
using Clock = std::chrono::steady_clock;

constexpr uint64_t kGib = uint64_t{1} << 30;
constexpr char kScript[] =
    "echo begun; head -c 134217728 /dev/zero > /big; sync; echo written; cat /big > /dev/null; "
    "echo read";

double MsSince(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

// In milliseconds, and the host's file in MiB.
struct Figures {
  double ready;
  double write;
  double read;
  double file_mib;
};

struct Stage {
  std::filesystem::path directory;
  std::filesystem::path guest_image;
  FixtureLayer layer;
  FixtureImage image;
};

Result<Stage> MakeStage(const std::filesystem::path& directory, const char* guest_image) {
  LOCKET_TRY(CopyShellTree(directory / "base"));
  LOCKET_TRY_ASSIGN(auto layer, SealTree(directory / "base", directory / "base.blob"));
  auto image =
      MakeImage({layer}, {.argv = {"/bin/sh", "-c", kScript}, .env = {"PATH=/bin:/usr/bin"}});
  LOCKET_TRY_ASSIGN(const auto disk,
                    initdata::EncodeInitdataDevice(PinningInitdata({image.manifest_digest()})));
  std::ofstream(directory / "initdata", std::ios::binary)
      .write(reinterpret_cast<const char*>(disk.data()), static_cast<std::streamsize>(disk.size()));
  return Stage{.directory = directory,
               .guest_image = guest_image,
               .layer = std::move(layer),
               .image = std::move(image)};
}

// Milliseconds until the container has printed one line more.
Result<double> NextLine(Guest& guest) {
  const auto begin = Clock::now();
  api::ReadOutputRequest request;
  request.set_container_id("c");
  request.set_max_bytes(64);
  LOCKET_TRY_ASSIGN(const auto output, guest.Call<api::ReadOutputResponse>("ReadOutput", request));
  if (output.eof()) return Error(ErrorCode::kInternal, "the container ended early");
  return MsSince(begin);
}

Result<Figures> RunOne(const Stage& stage, uint64_t scratch_bytes) {
  const auto file = stage.directory / "scratch";
  VmOptions options{.image_directory = stage.guest_image,
                    .disks = {{.serial = "locket-initdata", .file = stage.directory / "initdata"},
                              {.serial = stage.layer.descriptor.digest.Hex().substr(0, 32),
                               .file = stage.layer.blob}}};
  if (scratch_bytes > 0) {
    std::filesystem::remove(file);
    std::ofstream(file).close();
    std::filesystem::resize_file(file, scratch_bytes);
    options.disks.push_back({.serial = "locket-scratch", .file = file, .writable = true});
  }
  LOCKET_TRY_ASSIGN(auto vm, Vm::Boot(options));
  Guest guest(std::move(vm));
  LOCKET_TRY(guest.GetInfo());
  api::CreateSandboxRequest request;
  request.set_sandbox_id("pod");
  request.set_scratch(scratch_bytes > 0);
  const auto begin = Clock::now();
  LOCKET_TRY(guest.Call<api::CreateSandboxResponse>("CreateSandbox", request));
  Figures figures{.ready = MsSince(begin), .write = 0, .read = 0, .file_mib = 0};
  struct stat status {};
  if (scratch_bytes > 0 && ::stat(file.c_str(), &status) == 0) {
    figures.file_mib = static_cast<double>(status.st_blocks) / 2048;
  }
  LOCKET_TRY(guest.Prepare("c", stage.image));
  LOCKET_TRY(guest.Create("c", {{"process", {{"args", {"/bin/sh", "-c", kScript}}}}}));
  LOCKET_TRY(guest.Start("c"));
  LOCKET_TRY(NextLine(guest));
  LOCKET_TRY_ASSIGN(figures.write, NextLine(guest));
  LOCKET_TRY_ASSIGN(figures.read, NextLine(guest));
  return figures;
}

Status Measure(const Stage& stage, int runs) {
  std::map<uint64_t, Figures> best;
  for (int run = 0; run < runs; ++run) {
    for (const uint64_t gib : {0U, 1U, 10U, 100U}) {
      LOCKET_TRY_ASSIGN(const Figures now, RunOne(stage, gib * kGib));
      const auto [it, first] = best.try_emplace(gib, now);
      if (first) continue;
      it->second.ready = std::min(it->second.ready, now.ready);
      it->second.write = std::min(it->second.write, now.write);
      it->second.read = std::min(it->second.read, now.read);
    }
  }
  const Figures& memory = best.at(0);
  std::printf("%-10s %12s %22s %22s %10s\n", "", "ready, ms", "128 MiB written, ms", "read, ms",
              "file, MiB");
  for (const auto& [gib, f] : best) {
    const std::string name = gib == 0 ? "memory" : std::to_string(gib) + " GiB";
    std::printf("%-10s %12.0f %12.0f (x %5.2f) %12.0f (x %5.2f) %10.0f\n", name.c_str(), f.ready,
                f.write, f.write / memory.write, f.read, f.read / memory.read, f.file_mib);
  }
  return Ok();
}

Status Run(const char* guest_image, int runs) {
  LOCKET_TRY_ASSIGN(const auto directory, TempDir::Create("/dev/shm", "scratch-bench-"));
  LOCKET_TRY_ASSIGN(const Stage stage, MakeStage(directory.path(), guest_image));
  return Measure(stage, runs);
}

}  // namespace

int main(int argc, char** argv) {
  const int runs = argc == 3 ? std::atoi(argv[2]) : 3;
  if (argc < 2 || argc > 3 || runs < 1) {
    std::fputs("usage: scratch-bench GUEST_IMAGE_DIR [RUNS]\n", stderr);
    return 2;
  }
  const Status done = Run(argv[1], runs);
  if (done.ok()) return 0;
  std::fprintf(stderr, "scratch-bench: %s\n", done.error().message().c_str());
  return 1;
}
