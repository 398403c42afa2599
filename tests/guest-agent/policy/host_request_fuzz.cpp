// Any bytes are refused, or decode to a request that the policy turns into well-formed JSON.
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "guest-agent/policy/exec_request.h"
#include "guest-agent/policy/guest_config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locket::guest_agent;
  const std::string_view input{reinterpret_cast<const char*>(data), size};
  if (const auto process = DecodeHostProcess(input); process.ok()) {
    const GuestConfig container{
        .process = {.argv = {"/a"}, .env = {"A=1"}, .working_directory = "/", .uid = 1, .gid = 1},
        .capabilities = {"CAP_KILL"},
        .rlimits = {},
        .hostname = "h",
        .no_new_privileges = false,
        .read_only_root = false,
        .limits = {}};
    const auto exec =
        ApplyExecPolicy(container, *process, {.every_image = {.allow_exec = {process->args}}});
    if (exec.ok() && !nlohmann::json::accept(EncodeGuestProcess(*exec))) std::abort();
  }
  const auto host = DecodeHostRequest(input);
  if (!host.ok()) return 0;
  const ImageProcess image{
      .argv = host->args, .env = {"A=1"}, .working_directory = "", .uid = 1, .gid = 1};
  const auto request =
      ApplyPolicy(image, *host, {.every_image = {.allow_volumes = {"/data"}}, .allow_env = {"B*"}});
  if (!request.ok()) return 0;
  const std::string text =
      EncodeGuestConfig(*request, {.container_id = "c", .rootfs = "/r", .etc = "/e"});
  if (!nlohmann::json::accept(text)) std::abort();
  return 0;
}
