#include "device-plugin/announcer.h"

#include <sys/stat.h>

#include <algorithm>

#include "base/log.h"
#include "device-plugin/kubelet_client.h"
#include "device-plugin/listing.h"

namespace locket::device_plugin {
namespace {

constexpr std::chrono::milliseconds kFirstWait{250};
constexpr std::chrono::milliseconds kLongestWait = std::chrono::seconds(60);
constexpr int64_t kNanosPerSecond = 1'000'000'000;

// Says so unless that was said last.
void SayOnce(const char* what, const std::string& resource, const Error& trouble,
             std::string& last) {
  if (trouble.message() == last) return;
  last = trouble.message();
  log::Error(what, {{"resource", resource}, log::Field(trouble)});
}

}  // namespace

std::optional<FileId> IdOf(const std::filesystem::path& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return std::nullopt;
  return FileId{.device = status.st_dev,
                .inode = status.st_ino,
                .changed_ns = status.st_ctim.tv_sec * kNanosPerSecond + status.st_ctim.tv_nsec};
}

std::string EndpointOf(const std::string& resource) {
  std::string name = resource + ".sock";
  std::ranges::replace(name, '/', '_');
  return name;
}

std::filesystem::path Announcer::socket() const {
  return options_.kubelet_dir / EndpointOf(resource_.name);
}

void Announcer::Step(const std::optional<FileId>& kubelet, int stop_fd) {
  ReadCount();
  if (!kubelet || devices_.shown() == 0 || Registered(*kubelet)) {
    next_try_.reset();
    return;
  }
  if (tried_ != kubelet) wait_ = std::chrono::milliseconds(0);
  if (tried_ == kubelet && next_try_ && clock_.Steady() < *next_try_) return;
  tried_ = kubelet;
  registered_.reset();
  const Status announced = Announce(stop_fd);
  if (announced.ok()) {
    registered_ = kubelet;
    next_try_.reset();
    trouble_.clear();
    log::Info("registered with the kubelet",
              {{"resource", resource_.name}, {"devices", devices_.healthy()}});
  } else if (announced.error().code() == ErrorCode::kCancelled) {
    next_try_ = clock_.Steady();
  } else {
    TryLater();
    SayOnce("not announced; trying again", resource_.name, announced.error(), trouble_);
  }
}

void Announcer::ReadCount() {
  const auto count = Count(resource_, options_.root);
  if (!count.ok()) {
    devices_.SetCount(0);
    return SayOnce("no device counts as healthy", resource_.name, count.error(), count_trouble_);
  }
  const uint64_t before = devices_.healthy();
  const uint64_t devices = Devices(resource_, *count);
  const bool changed = devices_.SetCount(devices);
  if (changed && resource_.tee == Tee::kEmulated) {
    log::Warning("EMULATED devices: nothing is protected by them",
                 {{"resource", resource_.name}, {"devices", devices}});
  } else if (changed) {
    log::Info("devices counted", {{"resource", resource_.name},
                                  {"devices", devices},
                                  {"before", before},
                                  {"total", count->total},
                                  {"reserved", resource_.reserved}});
  }
  if (count->note != note_ && resource_.tee != Tee::kEmulated) {
    note_ = count->note;
    if (!note_.empty()) log::Info(note_, {{"resource", resource_.name}});
  }
}

bool Announcer::Registered(const FileId& kubelet) const {
  return registered_ == kubelet && own_ && IdOf(socket()) == own_;
}

Status Announcer::Serve() {
  if (server_ && own_ && IdOf(socket()) == own_) return Ok();
  server_.reset();  // whose socket somebody, as a rule the kubelet, removed
  LOCKET_TRY_ASSIGN(Listener listener, Listener::Listen(socket()));
  own_ = IdOf(socket());
  LOCKET_TRY_ASSIGN(server_, PluginServer::Start(devices_, std::move(listener)));
  return Ok();
}

Status Announcer::Announce(int stop_fd) {
  LOCKET_TRY(Serve());
  return Register({.kubelet = options_.kubelet_dir / kKubeletSocket,
                   .endpoint = EndpointOf(resource_.name),
                   .resource = resource_.name,
                   .timeout = options_.register_timeout},
                  stop_fd)
      .While("register '" + resource_.name + "' with the kubelet");
}

void Announcer::TryLater() {
  wait_ = std::clamp(wait_ * 2, kFirstWait, kLongestWait);
  next_try_ = clock_.Steady() + wait_;
}

}  // namespace locket::device_plugin
