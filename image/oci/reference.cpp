#include "image/oci/reference.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace locket::image {
namespace {

constexpr size_t kMaxNameBytes = 255;  // as the distribution grammar
constexpr size_t kMaxTagBytes = 128;
constexpr std::string_view kDefaultRegistry = "docker.io";

bool IsLowerOrDigit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool IsAlnum(char c) { return IsLowerOrDigit(c) || (c >= 'A' && c <= 'Z'); }

Error Bad(std::string_view text, std::string_view why) {
  return Error(ErrorCode::kInvalidArgument,
               "'" + std::string(text) + "' is not an image reference: " + std::string(why));
}

// One label of a domain name or an address in digits.
bool IsDomainLabel(std::string_view label) {
  return !label.empty() && IsAlnum(label.front()) && IsAlnum(label.back()) &&
         std::ranges::all_of(label, [](char c) { return IsAlnum(c) || c == '-'; });
}

bool IsPort(std::string_view port) {
  return !port.empty() && port.size() <= 5 &&
         std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; });
}

bool IsIpv6(std::string_view address) {
  return !address.empty() && std::ranges::all_of(address, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':';
  });
}

bool IsHost(std::string_view text) {
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos || !IsIpv6(text.substr(1, end - 1))) return false;
    const auto rest = text.substr(end + 1);
    return rest.empty() || (rest.front() == ':' && IsPort(rest.substr(1)));
  }
  const size_t colon = text.find(':');
  if (colon != std::string_view::npos && !IsPort(text.substr(colon + 1))) return false;
  auto name = text.substr(0, colon);
  while (true) {
    const size_t dot = name.find('.');
    if (!IsDomainLabel(name.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

// Lower-case letters and digits, joined by one dot, one or two underscores, or any dashes.
bool IsPathComponent(std::string_view text) {
  if (text.empty() || !IsLowerOrDigit(text.front()) || !IsLowerOrDigit(text.back())) return false;
  for (size_t i = 0; i < text.size();) {
    if (IsLowerOrDigit(text[i])) {
      ++i;
      continue;
    }
    const size_t end = std::min(text.find_first_not_of(text[i], i), text.size());
    const size_t run = end - i;
    const bool allowed =
        text[i] == '-' || (text[i] == '_' && run <= 2) || (text[i] == '.' && run == 1);
    if (!allowed || end == text.size() || !IsLowerOrDigit(text[end])) return false;
    i = end;
  }
  return true;
}

bool IsTag(std::string_view tag) {
  return !tag.empty() && tag.size() <= kMaxTagBytes &&
         (IsAlnum(tag.front()) || tag.front() == '_') && std::ranges::all_of(tag, [](char c) {
           return IsAlnum(c) || c == '_' || c == '.' || c == '-';
         });
}

bool IsRepository(std::string_view path) {
  while (true) {
    const size_t slash = path.find('/');
    if (!IsPathComponent(path.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

// The part before the first slash is a host only if nothing else could look like it.
std::pair<std::string, std::string> SplitHost(std::string_view name) {
  const size_t slash = name.find('/');
  const auto first = name.substr(0, slash);
  const bool is_host =
      slash != std::string_view::npos &&
      (first.find_first_of(".:[") != std::string_view::npos || first == "localhost" ||
       std::ranges::any_of(first, [](char c) { return c >= 'A' && c <= 'Z'; }));
  std::string registry(is_host ? first : kDefaultRegistry);
  std::string repository(is_host ? name.substr(slash + 1) : name);
  if (registry == "index.docker.io") registry = kDefaultRegistry;
  if (registry == kDefaultRegistry && repository.find('/') == std::string::npos) {
    repository.insert(0, "library/");
  }
  return {std::move(registry), std::move(repository)};
}

}  // namespace

std::string Reference::ToText() const {
  std::string text = Name();
  if (!tag.empty()) text += ":" + tag;
  if (digest) text += "@" + digest->ToText();
  return text;
}

Result<Reference> ParseReference(std::string_view text) {
  std::string_view rest = text;
  Reference reference{.registry = {}, .repository = {}};
  if (const size_t at = rest.find('@'); at != std::string_view::npos) {
    auto digest = Digest::FromText(rest.substr(at + 1));
    if (!digest.ok()) return Bad(text, digest.error().message());
    reference.digest = *digest;
    rest = rest.substr(0, at);
  }
  const size_t colon = rest.rfind(':');
  if (colon != std::string_view::npos && rest.find('/', colon) == std::string_view::npos) {
    reference.tag = rest.substr(colon + 1);
    if (!IsTag(reference.tag)) return Bad(text, "the tag is malformed");
    rest = rest.substr(0, colon);
  }
  if (rest.empty()) return Bad(text, "no name");
  // Docker takes 64 hex digits alone for an image ID.
  if (rest.size() == 64 && rest.find_first_not_of("0123456789abcdef") == std::string_view::npos) {
    return Bad(text, "64 hex digits are an image ID, not a name");
  }
  std::tie(reference.registry, reference.repository) = SplitHost(rest);
  if (reference.Name().size() > kMaxNameBytes) return Bad(text, "longer than 255 bytes");
  if (!IsHost(reference.registry)) return Bad(text, "the host is malformed");
  if (!IsRepository(reference.repository)) {
    return Bad(text,
               "the repository may hold lower-case letters, digits and single separators only");
  }
  if (reference.tag.empty() && !reference.digest) reference.tag = "latest";
  return reference;
}

namespace {

struct Prefix {
  std::string_view text;
  Transport transport;
};
constexpr Prefix kPrefixes[] = {{"oci:", Transport::kOciLayout},
                                {"oci-archive:", Transport::kOciArchive},
                                {"docker-archive:", Transport::kDockerArchive}};

}  // namespace

std::string ImageLocation::ToText() const {
  if (transport == Transport::kRegistry) return reference ? reference->ToText() : "";
  if (transport == Transport::kStream) return "-";
  std::string text;
  for (const auto& prefix : kPrefixes) {
    if (prefix.transport == transport) text = prefix.text;
  }
  text += path.string();
  return tag.empty() ? text : text + ":" + tag;
}

Result<ImageLocation> ParseImageLocation(std::string_view text) {
  if (text == "-") return ImageLocation{.transport = Transport::kStream, .path = "/dev/stdin"};
  for (const auto& prefix : kPrefixes) {
    if (!text.starts_with(prefix.text)) continue;
    const auto rest = text.substr(prefix.text.size());
    const size_t colon = rest.find(':');
    const auto path = rest.substr(0, colon);
    if (path.empty() || path.find('\0') != std::string_view::npos) {
      return Error(ErrorCode::kInvalidArgument,
                   "'" + std::string(text) + "': no path after '" + std::string(prefix.text) + "'");
    }
    ImageLocation location{.transport = prefix.transport, .path = path};
    if (colon != std::string_view::npos) {
      location.tag = rest.substr(colon + 1);
      if (location.tag.empty()) {
        return Error(ErrorCode::kInvalidArgument, "'" + std::string(text) + "': the tag is empty");
      }
    }
    return location;
  }
  if (text.starts_with("docker://")) text.remove_prefix(std::string_view("docker://").size());
  LOCKET_TRY_ASSIGN(auto reference, ParseReference(text));
  return ImageLocation{.transport = Transport::kRegistry, .reference = std::move(reference)};
}

}  // namespace locket::image
