#include "device/kernel_dm_control.h"

#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "base/file.h"
#include "base/unique_fd.h"

namespace locket::device {
namespace {

constexpr size_t kBufferBytes = 16384;  // a table of ours needs under 1 KiB a line
constexpr size_t kTableStart = sizeof(dm_ioctl);
// A mount namespace that goes away lets go of its devices a moment after its last process died.
constexpr int kBusyRetries = 50;
constexpr auto kBusyPause = std::chrono::milliseconds(20);

// The ioctl's argument. A Secret, because a table may hold a key.
class Request {
 public:
  explicit Request(const std::string& name) : bytes_(kBufferBytes) {
    dm_ioctl& h = header();
    h.version[0] = DM_VERSION_MAJOR;
    h.version[1] = 0;
    h.version[2] = 0;
    h.data_size = kBufferBytes;
    h.data_start = kTableStart;
    std::memcpy(h.name, name.data(), name.size());  // the caller checked it; the rest is zero
  }

  dm_ioctl& header() { return *reinterpret_cast<dm_ioctl*>(bytes_.Reveal().data()); }
  std::span<std::byte> table() { return bytes_.Reveal().subspan(kTableStart); }

  // 0 or the errno.
  int Send(int fd, unsigned long command) {
    return ::ioctl(fd, command, bytes_.Reveal().data()) == 0 ? 0 : errno;
  }

 private:
  Secret bytes_;
};

// Writes into a fixed span; refuses what does not fit.
class Writer {
 public:
  explicit Writer(std::span<std::byte> out) : out_(out) {}

  void Text(std::string_view text) {
    for (const char c : text) Byte(static_cast<std::byte>(c));
  }
  void Hex(std::span<const std::byte> bytes) {
    static constexpr char kDigits[] = "0123456789abcdef";
    for (const std::byte b : bytes) {
      Byte(static_cast<std::byte>(kDigits[std::to_integer<unsigned>(b) >> 4]));
      Byte(static_cast<std::byte>(kDigits[std::to_integer<unsigned>(b) & 15]));
    }
  }
  void Byte(std::byte b) {
    if (used_ < out_.size()) out_[used_] = b;
    ++used_;
  }
  void AlignTo(size_t bytes) {
    while (used_ % bytes != 0) Byte(std::byte{0});
  }
  size_t used() const { return used_; }
  bool overflowed() const { return used_ > out_.size(); }

 private:
  std::span<std::byte> out_;
  size_t used_ = 0;
};

Status PutTarget(std::span<std::byte> out, const DmTarget& target, size_t& used) {
  Writer writer(out);
  dm_target_spec spec{};
  spec.sector_start = target.start_sector;
  spec.length = target.num_sectors;
  if (target.type.size() >= sizeof(spec.target_type)) {
    return Error(ErrorCode::kInvalidArgument, "target type '" + target.type + "' is too long");
  }
  std::memcpy(spec.target_type, target.type.data(), target.type.size());
  writer.Text({reinterpret_cast<const char*>(&spec), sizeof(spec)});
  const size_t at = target.key == nullptr ? std::string::npos : target.params.find(kKeyPlaceholder);
  writer.Text(std::string_view(target.params).substr(0, at));
  if (at != std::string::npos) {
    writer.Hex(target.key->Reveal());
    writer.Text(std::string_view(target.params).substr(at + kKeyPlaceholder.size()));
  }
  writer.Byte(std::byte{0});
  writer.AlignTo(alignof(dm_target_spec));
  if (writer.overflowed()) return Error(ErrorCode::kInvalidArgument, "the table is too long");
  spec.next = static_cast<uint32_t>(writer.used());
  std::memcpy(out.data(), &spec, sizeof(spec));
  used = writer.used();
  return Ok();
}

class KernelDmControl final : public DmControl {
 public:
  explicit KernelDmControl(UniqueFd control) : control_(std::move(control)) {}

  Result<std::string> Create(const std::string& name, std::span<const DmTarget> table,
                             DmAccess access) override {
    if (name.empty() || name.size() >= DM_NAME_LEN) {
      return Error(ErrorCode::kInvalidArgument, "device name of " + std::to_string(name.size()) +
                                                    " bytes; 1 to 127 are possible");
    }
    Request create(name);
    const int error = create.Send(control_.get(), DM_DEV_CREATE);
    if (error == EBUSY) return Error(ErrorCode::kAlreadyExists, "device exists");
    if (error != 0) return Error::FromErrno(error, "create");
    const auto number = create.header().dev;
    if (Status loaded = LoadAndResume(name, table, access); !loaded.ok()) {
      (void)Remove(name);  // nothing can have opened it
      return std::move(loaded).error();
    }
    return "/dev/dm-" + std::to_string(minor(number));
  }

  Status Remove(const std::string& name) override {
    for (int attempt = 0;; ++attempt) {
      Request request(name);
      const int error = request.Send(control_.get(), DM_DEV_REMOVE);
      if (error == 0 || error == ENXIO) return Ok();
      if (error != EBUSY) return Error::FromErrno(error, "remove");
      if (attempt == kBusyRetries) return Error(ErrorCode::kFailedPrecondition, "device is open");
      std::this_thread::sleep_for(kBusyPause);
    }
  }

  Status RemoveWhenClosed(const std::string& name) override {
    Request request(name);
    request.header().flags = DM_DEFERRED_REMOVE;
    const int error = request.Send(control_.get(), DM_DEV_REMOVE);
    if (error == 0 || error == ENXIO) return Ok();
    return Error::FromErrno(error, "remove once it is closed");
  }

  Result<std::string> TargetStatus(const std::string& name) override {
    Request request(name);
    request.header().flags = DM_NOFLUSH_FLAG;
    const int error = request.Send(control_.get(), DM_TABLE_STATUS);
    if (error == ENXIO) return Error(ErrorCode::kNotFound, "no device '" + name + "'");
    if (error != 0) return Error::FromErrno(error, "read the status of '" + name + "'");
    if (request.header().target_count == 0) {
      return Error(ErrorCode::kNotFound, "device '" + name + "' has no table");
    }
    const auto text = request.table().subspan(sizeof(dm_target_spec));
    const auto* begin = reinterpret_cast<const char*>(text.data());
    return std::string(begin, ::strnlen(begin, text.size()));
  }

 private:
  Status LoadAndResume(const std::string& name, std::span<const DmTarget> table, DmAccess access) {
    Request load(name);
    load.header().flags = DM_SECURE_DATA_FLAG;
    if (access == DmAccess::kReadOnly) load.header().flags |= DM_READONLY_FLAG;
    load.header().target_count = static_cast<uint32_t>(table.size());
    size_t filled = 0;
    for (const DmTarget& target : table) {
      size_t used = 0;
      LOCKET_TRY(PutTarget(load.table().subspan(filled), target, used));
      filled += used;
    }
    if (const int error = load.Send(control_.get(), DM_TABLE_LOAD); error != 0) {
      return Error::FromErrno(error, "load the table");
    }
    Request resume(name);
    if (const int error = resume.Send(control_.get(), DM_DEV_SUSPEND); error != 0) {
      return Error::FromErrno(error, "resume");
    }
    return Ok();
  }

  UniqueFd control_;
};

}  // namespace

Result<std::unique_ptr<DmControl>> OpenKernelDmControl() {
  LOCKET_TRY_ASSIGN(UniqueFd control, OpenFile("/dev/mapper/control", O_RDWR));
  return std::unique_ptr<DmControl>(std::make_unique<KernelDmControl>(std::move(control)));
}

}  // namespace locket::device
