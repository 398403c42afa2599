// Which requests are the administrator's.
#pragma once

#include "key-broker/broker.h"

namespace locket::key_broker {

// By method and path. Whether an administrator sent it is for their token to say.
bool IsAdministration(const Request& request);

}  // namespace locket::key_broker
