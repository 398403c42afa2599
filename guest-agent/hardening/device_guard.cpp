#include "guest-agent/hardening/device_guard.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <optional>
#include <vector>

#include "base/file.h"
#include "base/unique_fd.h"

namespace locket::guest_agent {
namespace {

struct CharacterDevice {
  int major;
  std::optional<int> minor{};  // none: all of them
};

// What every container has. crun's own list adds 5:1, the guest's console, and 10:200, tun.
constexpr std::array kAllowed = {CharacterDevice{.major = 1, .minor = 3},  // null
                                 CharacterDevice{.major = 1, .minor = 5},  // zero
                                 CharacterDevice{.major = 1, .minor = 7},  // full
                                 CharacterDevice{.major = 1, .minor = 8},  // random
                                 CharacterDevice{.major = 1, .minor = 9},  // urandom
                                 CharacterDevice{.major = 5, .minor = 0},  // tty
                                 CharacterDevice{.major = 5, .minor = 2},  // ptmx
                                 CharacterDevice{.major = 136}};           // pseudo-terminals

using Program = std::vector<bpf_insn>;

bpf_insn Instruction(int code, uint8_t to, uint8_t from, size_t offset, int value) {
  return {.code = static_cast<uint8_t>(code),
          .dst_reg = static_cast<uint8_t>(to & 0xf),
          .src_reg = static_cast<uint8_t>(from & 0xf),
          .off = static_cast<int16_t>(offset),
          .imm = value};
}
bpf_insn Load(uint8_t to, size_t offset) {
  return Instruction(BPF_LDX | BPF_W | BPF_MEM, to, BPF_REG_1, offset, 0);
}
bpf_insn JumpUnlessEqual(uint8_t which, int value, size_t over) {
  return Instruction(BPF_JMP | BPF_JNE | BPF_K, which, 0, over, value);
}
void Answer(Program& program, int allowed) {
  program.push_back(Instruction(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, allowed));
  program.push_back(Instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
}

// The context's access_type is the access in its upper half and the kind of node in its lower.
Program DeviceProgram() {
  Program program = {
      Load(BPF_REG_2, offsetof(bpf_cgroup_dev_ctx, access_type)),
      Load(BPF_REG_3, offsetof(bpf_cgroup_dev_ctx, major)),
      Load(BPF_REG_4, offsetof(bpf_cgroup_dev_ctx, minor)),
      Instruction(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_5, BPF_REG_2, 0, 0),
      Instruction(BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_5, 0, 0, 16),
      JumpUnlessEqual(BPF_REG_5, BPF_DEVCG_ACC_MKNOD, 2),
  };
  Answer(program, 1);
  program.push_back(Instruction(BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_2, 0, 0, 0xffff));
  program.push_back(Instruction(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_2, 0, 2, BPF_DEVCG_DEV_CHAR));
  Answer(program, 0);
  for (const CharacterDevice& device : kAllowed) {
    program.push_back(JumpUnlessEqual(BPF_REG_3, device.major, device.minor ? 3 : 2));
    if (device.minor) program.push_back(JumpUnlessEqual(BPF_REG_4, *device.minor, 2));
    Answer(program, 1);
  }
  Answer(program, 0);
  return program;
}

int Bpf(bpf_cmd command, bpf_attr& attributes) {
  return static_cast<int>(::syscall(SYS_bpf, command, &attributes, sizeof attributes));
}

Result<UniqueFd> LoadProgram() {
  static constexpr char kLicense[] = "Apache-2.0";
  const Program program = DeviceProgram();
  bpf_attr attributes{};
  attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attributes.insn_cnt = static_cast<uint32_t>(program.size());
  attributes.insns = reinterpret_cast<uintptr_t>(program.data());
  attributes.license = reinterpret_cast<uintptr_t>(kLicense);
  UniqueFd loaded(Bpf(BPF_PROG_LOAD, attributes));
  if (!loaded.valid()) return Error::FromErrno(errno, "load the device program");
  return loaded;
}

}  // namespace

Status GuardDevices(const std::filesystem::path& cgroup) {
  std::error_code error;
  std::filesystem::create_directories(cgroup, error);
  if (error) return Error::FromErrno(error.value(), "make '" + cgroup.string() + "'");
  LOCKET_TRY_ASSIGN(const UniqueFd program, LoadProgram());
  LOCKET_TRY_ASSIGN(const UniqueFd group, OpenFile(cgroup, O_RDONLY | O_DIRECTORY));
  bpf_attr attributes{};
  attributes.target_fd = static_cast<uint32_t>(group.get());
  attributes.attach_bpf_fd = static_cast<uint32_t>(program.get());
  attributes.attach_type = BPF_CGROUP_DEVICE;
  attributes.attach_flags = BPF_F_ALLOW_MULTI;  // with it, all programs up the tree have to agree
  if (Bpf(BPF_PROG_ATTACH, attributes) == 0) return Ok();
  return Error::FromErrno(errno, "attach the device program to '" + cgroup.string() + "'");
}

}  // namespace locket::guest_agent
