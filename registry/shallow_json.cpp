#include "registry/shallow_json.h"

namespace locket::registry {

using nlohmann::json;

json ParseShallowObject(std::string_view text) {
  const auto shallow = [](int depth, json::parse_event_t, json&) { return depth < 8; };
  try {
    json document = json::parse(text, shallow, /*allow_exceptions=*/false);
    if (document.is_object()) return document;
  } catch (const json::exception&) {  // not all of them can be turned off
  }
  return nullptr;
}

}  // namespace locket::registry
