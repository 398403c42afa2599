// For image/'s .cpp files only: reads the members of a JSON object one by one, each checked for its
// type. Members that nobody took can be kept as text, or refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "image/oci/digest.h"

namespace locket::image {

// Returns the object that `extra` (FieldReader::Rest) is the text of, or an empty one for any other
// text.
nlohmann::json ObjectOf(const std::string& extra);

template <typename T>
void SetUnlessEmpty(nlohmann::json& object, const char* name, const T& value) {
  if (!value.empty()) object[name] = value;
}

// Takes members out of an object. It keeps the first error and goes on with harmless values, so a
// decoder takes all its fields in a row and checks status() or FinishStrict() once.
class FieldReader {
 public:
  // `object` is emptied field by field. `where` names the object in messages; "" is the document.
  FieldReader(nlohmann::json& object, std::string where);

  // A required field. Returns a null value and records an error if it is missing.
  nlohmann::json Required(std::string_view name);
  // Null is as good as absent, here and in every other call.
  nlohmann::json Optional(std::string_view name);

  std::string RequiredText(std::string_view name);
  std::string Text(std::string_view name);  // "" if absent
  uint64_t RequiredUint(std::string_view name);
  uint64_t Uint(std::string_view name);  // 0 if absent
  // A null entry of the list is an empty text: its place counts, and Go's tools read it so.
  std::vector<std::string> TextList(std::string_view name);
  std::map<std::string, std::string> TextMap(std::string_view name);
  // Of no meaning if status() is an error.
  Digest RequiredDigest(std::string_view name);

  void Fail(std::string_view name, std::string_view why);
  // Makes the error of a reader of a field's object ours.
  void Adopt(const FieldReader& inner);
  const Status& status() const { return status_; }

  // What nobody took, as text.
  std::string Rest() const { return DumpJson(json_); }
  // Refuses what nobody took.
  Status FinishStrict();

 private:
  nlohmann::json& json_;
  std::string where_;
  Status status_ = Ok();
};

}  // namespace locket::image
