#include "image/oci/json_object.h"

#include <utility>

namespace locket::image {

using nlohmann::json;

json ObjectOf(const std::string& extra) {
  json object = json::parse(extra, nullptr, /*allow_exceptions=*/false);
  return object.is_object() ? object : json::object();
}

FieldReader::FieldReader(json& object, std::string where)
    : json_(object), where_(std::move(where)) {
  if (json_.is_object()) return;
  Fail("", "not an object");
  json_ = json::object();
}

void FieldReader::Fail(std::string_view name, std::string_view why) {
  if (!status_.ok()) return;
  std::string path = where_;
  if (!path.empty() && !name.empty()) path += '.';
  path.append(name);
  status_ = Error(ErrorCode::kInvalidArgument, "'" + path + "': " + std::string(why));
}

void FieldReader::Adopt(const FieldReader& inner) {
  if (status_.ok()) status_ = inner.status_;
}

json FieldReader::Optional(std::string_view name) {
  const auto found = json_.find(name);
  if (found == json_.end()) return nullptr;
  json value = std::move(*found);
  json_.erase(found);
  return value;
}

json FieldReader::Required(std::string_view name) {
  json value = Optional(name);
  if (value.is_null()) Fail(name, "missing");
  return value;
}

std::string FieldReader::Text(std::string_view name) {
  json value = Optional(name);
  if (value.is_null()) return {};
  if (value.is_string()) return std::move(value.get_ref<std::string&>());
  Fail(name, "not text");
  return {};
}

std::string FieldReader::RequiredText(std::string_view name) {
  json value = Required(name);
  if (value.is_string()) return std::move(value.get_ref<std::string&>());
  Fail(name, "not text");
  return {};
}

uint64_t FieldReader::RequiredUint(std::string_view name) {
  const json value = Required(name);
  if (value.is_number_unsigned()) return value.get<uint64_t>();
  Fail(name, "not a whole number that is not negative");
  return 0;
}

uint64_t FieldReader::Uint(std::string_view name) {
  const json value = Optional(name);
  if (value.is_null()) return 0;
  if (value.is_number_unsigned()) return value.get<uint64_t>();
  Fail(name, "not a whole number that is not negative");
  return 0;
}

std::vector<std::string> FieldReader::TextList(std::string_view name) {
  json value = Optional(name);
  std::vector<std::string> list;
  if (value.is_null()) return list;
  if (!value.is_array()) Fail(name, "not a list");
  for (auto& item : value) {
    if (!item.is_string() && !item.is_null()) {
      Fail(name, "an entry is not text");
      return {};
    }
    list.push_back(item.is_null() ? std::string() : std::move(item.get_ref<std::string&>()));
  }
  return list;
}

std::map<std::string, std::string> FieldReader::TextMap(std::string_view name) {
  json value = Optional(name);
  std::map<std::string, std::string> map;
  if (value.is_null()) return map;
  if (!value.is_object()) {
    Fail(name, "not an object");
    return map;
  }
  for (auto& [key, item] : value.items()) {
    if (item.is_null()) continue;
    if (!item.is_string()) {
      Fail(name, "the value of '" + key + "' is not text");
      return {};
    }
    map.emplace(key, std::move(item.get_ref<std::string&>()));
  }
  return map;
}

Digest FieldReader::RequiredDigest(std::string_view name) {
  auto digest = Digest::FromText(RequiredText(name));
  if (digest.ok()) return *digest;
  Fail(name, digest.error().message());
  return Digest::FromHash({});
}

Status FieldReader::FinishStrict() {
  if (!json_.empty()) Fail(json_.begin().key(), "unknown");
  return status_;
}

}  // namespace locket::image
