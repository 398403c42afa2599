// QEMU's side of a control socket: block nodes and devices by name, as QEMU's own rules have them
// (one of each name; a node in use cannot be removed), and faults on demand.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/encoding.h"
#include "base/file.h"
#include "base/unique_fd.h"

namespace locket::runtime_shim {

class FakeQmp {
 public:
  FakeQmp() {
    std::array<int, 2> fds{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) != 0) std::abort();
    client_.reset(fds[0]);
    own_.reset(fds[1]);
    thread_ = std::jthread([this] { Serve(); });
  }
  ~FakeQmp() { ::shutdown(own_.get(), SHUT_RDWR); }

  UniqueFd TakeClient() { return std::move(client_); }

  // From now on `command` is refused, never answered, or answered as usual.
  void Refuse(const std::string& command) { SetFault(command, Fault::kRefuse); }
  void Ignore(const std::string& command) { SetFault(command, Fault::kIgnore); }
  void Obey(const std::string& command) { SetFault(command, Fault::kNone); }
  // Devices that are to be removed stay until LetGo.
  void HoldOn() {
    const std::lock_guard lock(mutex_);
    holds_on_ = true;
  }
  void LetGo() {
    const std::lock_guard lock(mutex_);
    holds_on_ = false;
    for (const std::string& device : std::exchange(leaving_, {})) Remove(device);
  }

  std::map<std::string, nlohmann::json> devices() const {
    const std::lock_guard lock(mutex_);
    return devices_;
  }
  std::set<std::string> nodes() const {
    const std::lock_guard lock(mutex_);
    return nodes_;
  }

 private:
  enum class Fault { kNone, kRefuse, kIgnore };
  using json = nlohmann::json;

  void SetFault(const std::string& command, Fault fault) {
    const std::lock_guard lock(mutex_);
    faults_[command] = fault;
  }
  void Say(const json& message) { (void)WriteFull(own_.get(), AsBytes(message.dump() + "\r\n")); }
  void Remove(const std::string& device) {
    devices_.erase(device);
    Say({{"event", "DEVICE_DELETED"}, {"data", {{"device", device}}}});
  }
  void Serve() {
    Say({{"QMP", json::object()}});
    std::string buffer;
    std::array<char, 4096> chunk{};
    for (ssize_t n = 0; (n = ::read(own_.get(), chunk.data(), chunk.size())) > 0;) {
      buffer.append(chunk.data(), static_cast<size_t>(n));
      for (size_t end = 0; (end = buffer.find('\n')) != std::string::npos;
           buffer.erase(0, end + 1)) {
        Answer(json::parse(buffer.substr(0, end)));
      }
    }
  }
  void Answer(const json& command) {
    const std::lock_guard lock(mutex_);
    const Fault fault = faults_[command["execute"]];
    if (fault == Fault::kIgnore) return;
    const std::string why = fault == Fault::kRefuse
                                ? "made to fail"
                                : Do(command["execute"], command.value("arguments", json()));
    json answer = why.empty() ? json{{"return", json::object()}}
                              : json{{"error", {{"class", "GenericError"}, {"desc", why}}}};
    answer["id"] = command["id"];
    Say(answer);
  }
  // Why not; empty: done.
  std::string Do(const std::string& command, const json& arguments) {
    if (command == "blockdev-add") {
      return nodes_.insert(arguments["node-name"]).second ? "" : "Duplicate nodes";
    }
    if (command == "device_add") {
      return devices_.emplace(arguments["id"], arguments).second ? "" : "Duplicate device ID";
    }
    if (command == "device_del") {
      if (!devices_.contains(arguments["id"])) return "Device not found";
      holds_on_ ? leaving_.push_back(arguments["id"]) : Remove(arguments["id"]);
    }
    if (command == "blockdev-del") {
      const std::string node = arguments["node-name"];
      for (const auto& [id, device] : devices_) {
        if (device["drive"] == node) return "Node '" + node + "' is in use";
      }
      if (nodes_.erase(node) == 0) return "Failed to find node";
    }
    return {};
  }

  UniqueFd client_;
  UniqueFd own_;
  mutable std::mutex mutex_;
  std::map<std::string, Fault> faults_;
  std::map<std::string, json> devices_;
  std::set<std::string> nodes_;
  std::vector<std::string> leaving_;
  bool holds_on_ = false;
  std::jthread thread_;
};

}  // namespace locket::runtime_shim
