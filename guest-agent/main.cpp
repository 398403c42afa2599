// locket-agent: the guest's PID 1.
#include <unistd.h>

#include <cstdio>
#include <string_view>

#include "base/log.h"
#include "base/version.h"
#include "guest-agent/agent.h"
#include "guest-agent/init.h"

int main(int argc, char** argv) {
  const std::string_view option = argc == 2 ? argv[1] : "";
  if (option == "--version") {
    std::printf("locket-agent %s\n", locket::kVersion.data());
    return 0;
  }
  if (option == "--help") {
    std::puts(
        "locket-agent: the guest's PID 1; guest-image/build puts it into an initramfs.\n"
        "options: --help, --version");
    return 0;
  }
  locket::log::Init("locket-agent", locket::log::Level::kInfo, locket::log::Format::kText);
  if (::getpid() == 1) locket::guest_agent::RunInit(locket::guest_agent::RunAgent);
  std::fputs("locket-agent: is the guest's PID 1 and runs nowhere else: see --help\n", stderr);
  return 2;
}
