// All resources of one configuration, for as long as the process runs.
//
// Life cycle: main opens a Plugin, and calls Run until SIGTERM. Run watches the kubelet's directory
// and calls each resource's Announcer when something may have changed: a kubelet has come or gone,
// our socket was removed, `check_interval` is over. An event only says when to look; each look does
// what is missing, so a lost event costs time and nothing else.
#pragma once

#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "device-plugin/announcer.h"
#include "device-plugin/directory_watch.h"
#include "device-plugin/options.h"

namespace locket::device_plugin {

// For one thread. `clock` outlives it.
class Plugin {
 public:
  // Returns a plugin that serves and announces nothing yet. The kubelet's directory need not be
  // there. kInternal, kResourceExhausted: the kernel gives no inotify instance.
  static Result<std::unique_ptr<Plugin>> Open(const Options& options, const Clock& clock);

  // Announces until `stop_fd` is readable, and leaves it readable. What is served stays served
  // until the object dies, and Run can be called again. A resource that cannot be counted, served
  // or registered is logged once and tried again; it is not an error here. An error: the kubelet's
  // directory, or its nearest parent, cannot be watched.
  Status Run(int stop_fd);

  const Options& options() const { return options_; }

 private:
  Plugin(const Options& options, const Clock& clock, DirectoryWatch watch);
  void Look(bool directory_there, int stop_fd);
  int WaitMs() const;

  const Options options_;
  const Clock& clock_;
  DirectoryWatch watch_;
  std::vector<std::unique_ptr<Announcer>> announcers_;
  bool waiting_said_ = false;
};

}  // namespace locket::device_plugin
