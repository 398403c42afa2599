// One resource, from the kernel's number to the kubelet's knowing of it: serves its devices on a
// socket beside the kubelet's, and registers that socket with each kubelet that comes.
//
// Scenario: a node's kubelet is restarted.
//   Step(A)        counts 99, serves locket.dev_snp.sock, registers with socket A
//   Step(nothing)  the kubelet has gone: counts, and no more
//   Step(B)        another kubelet, which removed our socket: serves a new one, registers with B
//   Step(B)        counts, and finds nothing else to do
// A registration that fails is tried again with the same kubelet after 0.25 s, then after twice as
// long each time, up to a minute. A resource that never had a device is not registered.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "device-plugin/device_list.h"
#include "device-plugin/options.h"
#include "device-plugin/plugin_service.h"

namespace locket::device_plugin {

inline constexpr const char* kKubeletSocket = "kubelet.sock";

// Tells one socket from another of the same name: a kubelet that was restarted has a new one.
struct FileId {
  uint64_t device;
  uint64_t inode;
  int64_t changed_ns;
  bool operator==(const FileId&) const = default;
};

// Returns the identity of the file at `path`, which is not followed if it is a link. Nothing: there
// is no such file, or it cannot be looked at.
std::optional<FileId> IdOf(const std::filesystem::path& path);

// Returns the name of our socket for `resource`, in the kubelet's directory: "locket.dev_snp.sock".
std::string EndpointOf(const std::string& resource);

// For one thread. `options` and `clock` outlive it. Its end stops serving; the kubelet then takes
// the devices for unhealthy.
class Announcer {
 public:
  Announcer(const Resource& resource, const Options& options, const Clock& clock)
      : resource_(resource), options_(options), clock_(clock), devices_(resource.tee) {}
  Announcer(const Announcer&) = delete;

  // Does what is to be done now: reads the kernel's number, serves, registers with `kubelet`, the
  // socket that is there (nothing: none). What fails is logged once and tried again later. Returns
  // early when `stop_fd` is readable.
  void Step(const std::optional<FileId>& kubelet, int stop_fd);

  // Returns when to call Step again at the latest. Nothing: not before something changes.
  std::optional<std::chrono::steady_clock::time_point> next_try() const { return next_try_; }

 private:
  std::filesystem::path socket() const;
  void ReadCount();
  bool Registered(const FileId& kubelet) const;
  Status Serve();
  Status Announce(int stop_fd);
  void TryLater();

  const Resource resource_;
  const Options& options_;
  const Clock& clock_;
  DeviceList devices_;
  std::unique_ptr<PluginServer> server_;  // of devices_
  std::optional<FileId> own_;             // our socket
  std::optional<FileId> registered_;      // the kubelet's socket that we are registered with
  std::optional<FileId> tried_;           // the one that next_try_ is about
  std::optional<std::chrono::steady_clock::time_point> next_try_;
  std::chrono::milliseconds wait_{0};
  std::string trouble_;        // what was last said of registering
  std::string count_trouble_;  // what was last said of counting
  std::string note_;           // what the kernel's number last came with
};

}  // namespace locket::device_plugin
