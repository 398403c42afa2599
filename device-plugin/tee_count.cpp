#include "device-plugin/tee_count.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/file.h"

namespace locket::device_plugin {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxFileBytes = 4096;  // the kernel's have three lines
constexpr size_t kMaxNameBytes = 63;

// Where the root of the misc controller is: cgroup v2, v1, and v2 beside v1.
constexpr std::array<const char*, 3> kMiscDirectories{"sys/fs/cgroup", "sys/fs/cgroup/misc",
                                                      "sys/fs/cgroup/unified"};

// What is known of a TEE.
struct Facts {
  const char* title;
  const char* switch_file;  // module parameter, Y or N
  const char* misc_name;
  const char* needs;
};

constexpr Facts kSnp{
    .title = "SEV-SNP",
    .switch_file = "sys/module/kvm_amd/parameters/sev_snp",
    .misc_name = "sev_es",
    .needs = "that takes an AMD EPYC of the third generation or later and Linux 6.11"};
constexpr Facts kTdx{.title = "TDX",
                     .switch_file = "sys/module/kvm_intel/parameters/tdx",
                     .misc_name = "tdx",
                     .needs = "that takes an Intel Xeon with TDX and Linux 6.16"};
constexpr const char* kHidingFile = "sys/module/kvm_amd/parameters/ciphertext_hiding_asids";

std::string Shown(const char* file) { return std::string("'/") + file + "'"; }

Result<uint64_t> ParseNumber(std::string_view text) {
  uint64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || failed != std::errc() || end != text.data() + text.size()) {
    return Error(ErrorCode::kDataLoss, "not a number");
  }
  return number;
}

bool IsName(std::string_view text) {
  return !text.empty() && text.size() <= kMaxNameBytes && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

Status ParseLine(std::string_view line, MiscCounts& counts) {
  const size_t space = line.find(' ');
  const std::string_view name = line.substr(0, space);
  if (space == std::string_view::npos || !IsName(name)) {
    return Error(ErrorCode::kDataLoss, "not a name, a space and a number");
  }
  LOCKET_TRY_ASSIGN(const uint64_t number, ParseNumber(line.substr(space + 1)));
  if (!counts.emplace(name, number).second) {
    return Error(ErrorCode::kDataLoss, "a name for the second time");
  }
  return Ok();
}

// Nothing: there is no such file.
Result<std::optional<std::string>> ReadIfThere(const fs::path& path) {
  auto text = ReadFile(path, kMaxFileBytes);
  if (text.ok()) return std::optional<std::string>(std::move(text).value());
  if (text.error().code() == ErrorCode::kNotFound) return std::optional<std::string>();
  return std::move(text).error();
}

Result<std::optional<std::string>> ReadParameter(const fs::path& root, const char* file) {
  LOCKET_TRY_ASSIGN(auto text, ReadIfThere(root / file));
  if (text && text->ends_with('\n')) text->pop_back();
  return text;
}

// Empty: it is on. Else why it is not.
Result<std::string> WhyOff(const Facts& facts, const fs::path& root) {
  LOCKET_TRY_ASSIGN(const auto value, ReadParameter(root, facts.switch_file));
  const std::string title = facts.title;
  if (!value) {
    return "KVM knows no " + title + ": no " + Shown(facts.switch_file) + "; " + facts.needs;
  }
  if (*value == "N") {
    return title + " is off: " + Shown(facts.switch_file) + " is N; see 'dmesg | grep -i " + title +
           "' and the firmware's settings";
  }
  if (*value != "Y") {
    return Error(ErrorCode::kDataLoss, Shown(facts.switch_file) + " is neither Y nor N");
  }
  return std::string();
}

// Nothing: there is no such file in that directory.
Result<std::optional<MiscCounts>> ReadCounts(const fs::path& root, const char* directory,
                                             const char* name) {
  LOCKET_TRY_ASSIGN(const auto text, ReadIfThere(root / directory / name));
  if (!text) return std::optional<MiscCounts>();
  LOCKET_TRY_ASSIGN(auto counts, ParseMiscCounts(*text).While(std::string("read '/") + directory +
                                                              "/" + name + "'"));
  return std::optional<MiscCounts>(std::move(counts));
}

Result<TeeCount> ReadCount(const char* name, const fs::path& root) {
  TeeCount count;
  for (const char* directory : kMiscDirectories) {
    LOCKET_TRY_ASSIGN(const auto capacity, ReadCounts(root, directory, "misc.capacity"));
    if (!capacity) continue;
    LOCKET_TRY_ASSIGN(const auto current, ReadCounts(root, directory, "misc.current"));
    if (const auto found = capacity->find(name); found != capacity->end()) {
      count.total = found->second;
    } else {
      count.note = std::string("misc.capacity does not name '") + name + "'";
    }
    if (current && current->contains(name)) count.in_use = current->find(name)->second;
    return count;
  }
  count.note =
      "how many guests there may be is unknown: no misc.capacity in '/sys/fs/cgroup'; it takes "
      "CONFIG_CGROUP_MISC and, with cgroup v1, the misc controller mounted";
  return count;
}

// SEV-SNP's own part of the ASIDs, where it has one.
Status TakeHidingIntoAccount(const fs::path& root, TeeCount& count) {
  LOCKET_TRY_ASSIGN(const auto text, ReadParameter(root, kHidingFile));
  if (!text) return Ok();
  LOCKET_TRY_ASSIGN(const uint64_t own, ParseNumber(*text).While(Shown(kHidingFile)));
  if (own == 0 || own >= count.total) return Ok();
  count.note =
      std::to_string(count.total - own) +
      " more ASIDs are for SEV-ES alone: ciphertext hiding is on; those in use are of both";
  count.total = own;
  return Ok();
}

}  // namespace

std::string_view Name(Tee tee) {
  switch (tee) {
    case Tee::kSnp:
      return "snp";
    case Tee::kTdx:
      return "tdx";
    case Tee::kEmulated:
      return "emulated";
  }
  return "";
}

Result<MiscCounts> ParseMiscCounts(std::string_view text) {
  MiscCounts counts;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    LOCKET_TRY(ParseLine(text.substr(0, end), counts).While("line " + std::to_string(number)));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return counts;
}

Result<TeeCount> CountTee(Tee tee, const fs::path& root) {
  const Facts& facts = tee == Tee::kSnp ? kSnp : kTdx;
  LOCKET_TRY_ASSIGN(std::string off, WhyOff(facts, root));
  if (!off.empty()) return TeeCount{.total = 0, .in_use = {}, .note = std::move(off)};
  LOCKET_TRY_ASSIGN(TeeCount count, ReadCount(facts.misc_name, root));
  if (tee == Tee::kSnp) LOCKET_TRY(TakeHidingIntoAccount(root, count));
  if (count.total > kMaxGuests) {
    return Error(ErrorCode::kDataLoss, std::string("misc.capacity says ") +
                                           std::to_string(count.total) + " guests under " +
                                           facts.title + ", more than there can be");
  }
  return count;
}

}  // namespace locket::device_plugin
