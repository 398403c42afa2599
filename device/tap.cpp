#include "device/tap.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

#include <cerrno>

#include "base/encoding.h"
#include "base/file.h"

namespace locket::device {

Result<UniqueFd> MakeTap(const std::string& name) {
  auto tap = OpenFile("/dev/net/tun", O_RDWR);
  if (!tap.ok()) return std::move(tap).error().While("a tap needs the module tun: modprobe tun");
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  if (::ioctl(tap->get(), TUNSETIFF, &request) != 0) {
    return Error::FromErrno(errno, "make tap '" + name + "'");
  }
  // Where there is no IPv6, there are no neighbours to greet.
  const auto ipv6 = OpenFile("/proc/sys/net/ipv6/conf/" + name + "/disable_ipv6", O_WRONLY);
  if (ipv6.ok())
    LOCKET_TRY(WriteFull(ipv6->get(), AsBytes("1")).While("silence tap '" + name + "'"));
  return tap;
}

}  // namespace locket::device
