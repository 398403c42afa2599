// What a broker keeps, by name.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace locket::attest {

// <repo>/<type>/<tag>, each [A-Za-z0-9_-]+[A-Za-z0-9_.-]*.
struct ResourcePath {
  std::string repository;
  std::string type;
  std::string tag;

  std::string ToText() const { return repository + "/" + type + "/" + tag; }
  std::string ToUri() const { return "kbs:///" + ToText(); }
  bool operator==(const ResourcePath&) const = default;
};

// "a/b/c". kInvalidArgument: not three segments of allowed characters.
Result<ResourcePath> ParseResourcePath(std::string_view text);
// "kbs:///a/b/c" (the host, if any, is not looked at).
Result<ResourcePath> ParseResourceUri(std::string_view uri);

}  // namespace locket::attest
