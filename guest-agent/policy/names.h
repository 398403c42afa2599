// Checks of names that the host gives, before they become paths and arguments. Errors are
// kInvalidArgument.
#pragma once

#include <string_view>

#include "base/result.h"

namespace locket::guest_agent {

// Checks the ID of a container or exec, which becomes a name in the file system and an argument of
// crun: 1 to 100 characters of [A-Za-z0-9_.-], and no dot in front.
Status CheckContainerId(std::string_view id);
// Checks a host name for sethostname(2) and /etc/hosts: empty, or 1 to 63 characters of
// [A-Za-z0-9.-] that are not a name of the loopback interface.
Status CheckHostname(std::string_view hostname);
// Returns whether programs take `name` for this machine itself: localhost, localhost4 or
// localhost6, alone or in localdomain; a subdomain of localhost; ip6-loopback and the other names
// in the /etc/hosts of distributions. In upper or lower case, and also with dots at the end. The
// whole name counts, so localhost-proxy is not such a name.
bool IsLoopbackName(std::string_view name);

// Returns whether `name` is one or more of [A-Za-z0-9_-], so that it can be a single step of a
// path.
bool IsLinkName(std::string_view name);
// Returns whether `word` has only [A-Za-z0-9._:-]: a domain name, or an option of resolv.conf.
bool IsResolverWord(std::string_view word);

}  // namespace locket::guest_agent
