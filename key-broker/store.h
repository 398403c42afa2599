// The seam at the broker's memory: resources and release policies by name. Values are secrets.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/secret.h"

namespace locket::key_broker {

enum class Table { kResource, kPolicy };

// Thread-safe. Names are resource paths ("a/b/c").
class Store {
 public:
  virtual ~Store() = default;
  // Replaces what is there; once it returns, a power cut does not undo it.
  virtual Status Put(Table table, std::string_view name, std::span<const std::byte> value) = 0;
  // kNotFound: no such name.
  virtual Result<Secret> Get(Table table, std::string_view name) const = 0;
  // As durable as Put. kNotFound: no such name.
  virtual Status Delete(Table table, std::string_view name) = 0;
  // All names, sorted.
  virtual Result<std::vector<std::string>> List(Table table) const = 0;
};

}  // namespace locket::key_broker
