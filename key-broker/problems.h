// The broker's refusals as answers.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "key-broker/broker.h"

namespace locket::key_broker {

// RFC 7807 with `name` as type. As in Trustee, the status is 401 unless the path is wrong (404);
// ours besides: 400 for a malformed request, 503 when there is no room.
Response Refuse(std::string_view name, const Error& error);
Response NoSuchPath(const std::string& path);
// Something of ours failed: logged here, and told to the caller without details.
Response Broken(const Error& error);

}  // namespace locket::key_broker
