// The name under which a broker keeps a secret: a repository, a type and a tag. The same name is
// in a key packet (which key encryption key wraps this layer key), in a release policy (which
// resource it is about) and in the broker's URLs.
//
// There are two written forms, and each place uses one of them:
//   kbs:///default/key/app    URI: key packets, command lines, error texts
//   default/key/app           path: release policies, the broker's URLs, its store and its lists
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace locket {

struct ResourceName {
  std::string repository;
  std::string type;
  std::string tag;

  // Reads the URI form. A host ("kbs://broker/...") is refused: which broker is asked is decided
  // by initdata or by --url, never by a name.
  // kInvalidArgument: anything but "kbs:///" and the path form.
  static Result<ResourceName> FromUri(std::string_view uri);

  // Reads the path form: three segments of 1 to 128 characters from [A-Za-z0-9_.-], none of which
  // begins with a dot, so that no name is "." or "..".
  // kInvalidArgument: anything else. The message quotes at most 512 bytes of `path`.
  static Result<ResourceName> FromPath(std::string_view path);

  // Each returns a text that the reader of the same form turns into an equal name.
  std::string ToUri() const { return "kbs:///" + ToPath(); }
  std::string ToPath() const { return repository + "/" + type + "/" + tag; }

  bool operator==(const ResourceName&) const = default;
};

}  // namespace locket
