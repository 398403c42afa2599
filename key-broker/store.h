// The seam at the broker's memory: resources and release policies by name. Values are secrets, so
// they are handed out as such. tests/key-broker/store_conformance.h says what every implementation
// has to do; fake_store.h and store_rocksdb.h do it.
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

// Names are ResourceName's path form, "a/b/c"; the two tables do not see each other. Thread-safe: a
// Get that runs beside a Put of the same name returns the old value or the new one, whole.
// From any call: kDataLoss: what is stored is damaged. kResourceExhausted: the disk is full.
// kInternal: the store failed in another way.
class Store {
 public:
  virtual ~Store() = default;
  // Stores `value` in place of what is there. Once it returns, a power cut does not undo it. On
  // failure the old value or the new one is there, whole.
  virtual Status Put(Table table, std::string_view name, std::span<const std::byte> value) = 0;
  // Returns the value. kNotFound: no such name.
  virtual Result<Secret> Get(Table table, std::string_view name) const = 0;
  // Removes the value, as durably as Put. kNotFound: no such name.
  virtual Status Delete(Table table, std::string_view name) = 0;
  // Returns all names of the table, sorted.
  virtual Result<std::vector<std::string>> List(Table table) const = 0;
};

}  // namespace locket::key_broker
