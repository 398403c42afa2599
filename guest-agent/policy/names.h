// Names the host gives, before they become paths and arguments.
#pragma once

#include <string_view>

#include "base/result.h"

namespace locket::guest_agent {

// 1 to 100 of [A-Za-z0-9_.-], not led by a dot: fit for a path and for crun.
Status CheckContainerId(std::string_view id);
// Fit for sethostname(2) and for /etc/hosts: empty, or 1 to 63 of [A-Za-z0-9.-] that are no name of
// the loopback interface.
Status CheckHostname(std::string_view hostname);
// Whether programs take `name` for this machine itself: localhost, localhost4 or localhost6, alone
// or in localdomain; a subdomain of localhost; ip6-loopback and the other names of distributions'
// /etc/hosts. In any case, also with dots behind. The whole name counts: localhost-proxy is none.
bool IsLoopbackName(std::string_view name);

// Some of [A-Za-z0-9_-], so that it is one step of a path.
bool IsLinkName(std::string_view name);
// Of [A-Za-z0-9._:-] only: a domain name, or an option of resolv.conf.
bool IsResolverWord(std::string_view word);

}  // namespace locket::guest_agent
