// A containerd in memory. It can be told to fail.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "snapshotter/containerd/containerd.h"
#include "tests/snapshotter/image_fixture.h"

namespace locket::snapshotter {

class FakeContainerd final : public Containerd {
 public:
  void AddContainer(const std::string& ns, const std::string& id, const ContainerRecord& record) {
    const std::lock_guard lock(mutex_);
    containers_[{ns, id}] = record;
  }
  void RemoveContainer(const std::string& ns, const std::string& id) {
    const std::lock_guard lock(mutex_);
    containers_.erase({ns, id});
  }
  // Also moves a name that is there.
  void AddName(const std::string& ns, const std::string& name, const image::Digest& target) {
    const std::lock_guard lock(mutex_);
    names_.insert_or_assign({ns, name}, target);
  }
  void RemoveName(const std::string& ns, const std::string& name) {
    const std::lock_guard lock(mutex_);
    names_.erase({ns, name});
  }
  void AddContent(const std::string& ns, const std::string& bytes) {
    const std::lock_guard lock(mutex_);
    content_[{ns, image::Digest::Of(bytes).ToText()}] = bytes;
  }
  // The disk under containerd lies: these bytes are under another's digest.
  void AddDamaged(const std::string& ns, const image::Digest& digest, const std::string& bytes) {
    const std::lock_guard lock(mutex_);
    content_[{ns, digest.ToText()}] = bytes;
  }
  // As a pull leaves it: the image under its name, and under its ID as CRI does.
  void AddImage(const std::string& ns, const TestImage& image) {
    AddContent(ns, image.manifest);
    AddContent(ns, image.config);
    AddName(ns, image.reference, image::Digest::Of(image.manifest));
    AddName(ns, image.config_digest(), image::Digest::Of(image.manifest));
  }
  // The nth call from now fails; 0: none does.
  void FailCall(int nth) {
    const std::lock_guard lock(mutex_);
    fail_in_ = nth;
  }
  int num_calls() const {
    const std::lock_guard lock(mutex_);
    return num_calls_;
  }

  Result<ContainerRecord> GetContainer(const std::string& ns, const std::string& id) override {
    return Find(containers_, {ns, id}, "container '" + id + "'");
  }
  Result<image::Digest> GetImageTarget(const std::string& ns, const std::string& name) override {
    return Find(names_, {ns, name}, "image '" + name + "'");
  }
  Result<std::string> ReadContent(const std::string& ns, const image::Digest& digest,
                                  size_t max_bytes) override {
    const std::string what = "content " + digest.ToText();
    LOCKET_TRY_ASSIGN(std::string bytes, RawContent(ns, digest));
    if (bytes.size() > max_bytes) {
      return Error(ErrorCode::kInvalidArgument,
                   what + " is larger than " + std::to_string(max_bytes) + " bytes");
    }
    if (image::Digest::Of(bytes) == digest) return bytes;
    return Error(ErrorCode::kDataLoss, what + ": its bytes are not the digest's");
  }
  // As it is on disk.
  Result<std::string> RawContent(const std::string& ns, const image::Digest& digest) {
    return Find(content_, {ns, digest.ToText()}, "content " + digest.ToText());
  }

 private:
  using Name = std::pair<std::string, std::string>;  // namespace, and the name in it

  template <typename T>
  Result<T> Find(const std::map<Name, T>& known, const Name& name, const std::string& what) {
    const std::lock_guard lock(mutex_);
    ++num_calls_;
    if (fail_in_ > 0 && --fail_in_ == 0) {
      return Error(ErrorCode::kUnavailable, "containerd: injected");
    }
    const auto found = known.find(name);
    if (found != known.end()) return found->second;
    return Error(ErrorCode::kNotFound, "containerd: no " + what);
  }

  mutable std::mutex mutex_;
  std::map<Name, ContainerRecord> containers_;
  std::map<Name, image::Digest> names_;
  std::map<Name, std::string> content_;
  int fail_in_ = 0;
  int num_calls_ = 0;
};

}  // namespace locket::snapshotter
