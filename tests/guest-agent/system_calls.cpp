// system-calls: makes calls that a container's seccomp profile lets through or refuses, and prints
// a line for each: its name, and "ok" or the error. inside_vm_container.cpp runs it in containers.
#include <linux/keyctl.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace {

void Say(const char* name, long result) {
  const int saved_errno = errno;
  std::printf("%s %s\n", name, result >= 0 ? "ok" : ::strerrorname_np(saved_errno));
}

}  // namespace

int main() {
  // Each of them would do something else, were it not for the profile: see the test.
  Say("unshare", ::unshare(CLONE_NEWUSER));
  Say("keyctl", ::syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1));
  Say("io_uring_setup", ::syscall(SYS_io_uring_setup, 1, nullptr));
  Say("clone3", ::syscall(SYS_clone3, nullptr, 0));
  Say("socket-vsock", ::socket(AF_VSOCK, SOCK_STREAM, 0));
  Say("personality-bits", ::personality(ADDR_NO_RANDOMIZE));
  // What programs need.
  Say("getppid", ::syscall(SYS_getppid));
  Say("socket-unix", ::socket(AF_UNIX, SOCK_STREAM, 0));
  Say("personality", ::personality(0xffffffff));
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  Say("fork", child);
  return 0;
}
