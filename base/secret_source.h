// The seam behind which secrets are kept: a broker for a guest, files or a table for debugging and
// tests.
#pragma once

#include "base/resource_name.h"
#include "base/result.h"
#include "base/secret.h"

namespace locket {

class SecretSource {
 public:
  virtual ~SecretSource() = default;

  // Returns the secret that is kept under `name`. It may take as long as a broker does, and is
  // asked again each time.
  // kPermissionDenied: this caller may not have it; the message has the broker's reason, and
  // asking again does not help. kNotFound: nothing is kept under that name. kUnavailable,
  // kDeadlineExceeded: the broker was not reached, or was too slow; a later call may succeed.
  virtual Result<Secret> FetchSecret(const ResourceName& name) = 0;
};

}  // namespace locket
