// locket-mounter: opens a sealed image by hand, inside a guest.
#include <csignal>
#include <cstdio>

#include "base/file.h"
#include "base/log.h"
#include "base/version.h"
#include "device/kernel_dm_control.h"
#include "device/kernel_mount_control.h"
#include "device/sysfs_block_devices.h"
#include "guest-mounter/file_key_source.h"
#include "guest-mounter/image_opener.h"
#include "guest-mounter/mounter_options.h"

namespace {

using namespace locket;
using namespace locket::guest_mounter;

// Opens the image, says where it is, and keeps it until a signal comes.
Status Run(const MounterOptions& options) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  sigprocmask(SIG_BLOCK, &ends, nullptr);
  LOCKET_TRY_ASSIGN(const auto dm, device::OpenKernelDmControl());
  LOCKET_TRY_ASSIGN(const auto disks, device::SysfsBlockDevices::Open());
  device::KernelMountControl mounts;
  const SystemClock clock;
  FileKeySource keys(options.keys);
  LOCKET_TRY_ASSIGN(auto manifest, ReadFile(options.manifest, image::kMaxManifestBytes));
  LOCKET_TRY_ASSIGN(auto config, ReadFile(options.config, image::kMaxConfigBytes));
  ImageOpener opener({.dm = *dm, .mounts = mounts, .disks = *disks, .clock = clock},
                     {.allowed_digests = {image::Digest::Of(manifest)}}, &keys,
                     {.directory = options.directory});
  LOCKET_TRY_ASSIGN(const auto image,
                    opener.Open({.manifest = std::move(manifest), .config = std::move(config)}));
  std::puts(image->rootfs().c_str());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&ends, &signal);
  return image->CheckIntact();
}

int Fail(const Error& error, int status) {
  std::fprintf(stderr, "locket-mounter: %s\n", error.message().c_str());
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = ParseMounterOptions({argv + 1, argv + argc});
  if (!options.ok()) return Fail(options.error(), 2);
  if (options->help) return std::fputs(kMounterHelp, stdout) < 0;
  if (options->version) return std::printf("locket-mounter %s\n", kVersion.data()) < 0;
  log::Init("locket-mounter", log::Level::kInfo, log::Format::kText);
  const Status done = Run(*options);
  return done.ok() ? 0 : Fail(done.error(), 1);
}
