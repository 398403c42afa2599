// All resources of one configuration, for as long as the process runs.
#pragma once

#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "device-plugin/announcer.h"
#include "device-plugin/directory_watch.h"
#include "device-plugin/options.h"

namespace locket::device_plugin {

class Plugin {
 public:
  // kInternal, kResourceExhausted: no inotify.
  static Result<std::unique_ptr<Plugin>> Open(const Options& options, const Clock& clock);

  // Announces until `stop_fd` is readable, which it leaves so; what is served stays served until
  // the object dies, and Run can be called again. An error: the kubelet's directory cannot be
  // watched.
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
