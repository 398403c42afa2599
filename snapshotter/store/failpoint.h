// Named places at which the crash test kills the process, as a power cut or the kernel might. They
// are in the shipped program: unless main armed one, each costs a look at one pointer.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "base/result.h"

namespace locket::snapshotter {

// All of them, in the order of a snapshot's life. The crash test goes through this list and fails
// when one is never reached.
inline constexpr std::array<std::string_view, 18> kFailpoints{
    "ids-reserved",         // of the block of ids the store knows, none is used yet
    "directories-made",     // no record yet
    "before-write",         // the store has not heard of the change
    "written",              // the store has it, memory and client do not
    "record-erased",        // the directories are left
    "directories-removed",  // those of others may be left
    "partial-opened",       // an empty file in ingest/
    "blob-fetched",         // whole, not synced
    "blob-renamed",         // its directory is not synced
    "layer-fetched",        // config and layer, but neither manifest nor record
    "manifest-kept",        // no record yet
    "image-found",          // a container's; neither manifest nor config need be there
    "image-kept",           // both are, and no record says that it is the container's
    "image-known",          // the record says so, and nobody has told the shim
    "blob-removed",         // others may be left
    "layer-sealed",         // an ordinary layer, in converting/
    "layer-adopted",        // a blob that nothing refers to
    "conversion-recorded",  // others of the image may be missing
};

// Arms one failpoint: "<name>[:<n>]" kills the process (SIGKILL) when it passes `name` for the nth
// time, the first time without a number. Called once, before other threads start. kInvalidArgument:
// there is no such failpoint, or `n` is not a positive number.
Status ArmFailpoint(std::string_view spec);

namespace internal {
extern const std::string* armed_failpoint;  // set once by main, before other threads
void PassArmedFailpoint(std::string_view name);
}  // namespace internal

// Marks a place. `name` is one of kFailpoints.
inline void PassFailpoint(std::string_view name) {
  if (internal::armed_failpoint != nullptr) [[unlikely]]
    internal::PassArmedFailpoint(name);
}

}  // namespace locket::snapshotter
