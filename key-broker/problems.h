// The broker's refusals as answers.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "key-broker/broker.h"

namespace locket::key_broker {

// Returns a refusal in RFC 7807's form, with `name` (kbs_messages.h) as type and the error's
// message as detail. The status is 401, as in Trustee, with these exceptions: 404 for
// kInvalidRequestPath, and, unlike Trustee, 400 for kInvalidRequest and 503 for kResourceExhausted.
Response Refuse(std::string_view name, const Error& error);
// Returns a refusal for a method and path that mean nothing here.
Response NoSuchPath(const std::string& path);
// Returns an answer with status 500 for a failure of the broker's own. Logs `error` here and keeps
// it from the client, because it may speak of files and other guests.
Response Broken(const Error& error);

}  // namespace locket::key_broker
