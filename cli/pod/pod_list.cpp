#include <algorithm>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/pod/pod.h"
#include "cli/utc_time.h"

namespace locket::cli {
namespace {

constexpr std::chrono::seconds kQuery{10};
constexpr size_t kShownIdChars = 13;  // as crictl

const char* Word(ContainerState state) {
  switch (state) {
    case ContainerState::kCreated:
      return "created";
    case ContainerState::kRunning:
      return "running";
    case ContainerState::kExited:
      return "exited";
    case ContainerState::kUnknown:
      return "unknown";
  }
  return "unknown";
}

using Json = nlohmann::ordered_json;

Json AsJson(const std::vector<PodInfo>& pods, const std::vector<ContainerInfo>& containers) {
  Json list = Json::array();
  for (const auto& pod : pods) {
    Json inside = Json::array();
    for (const auto& container : containers) {
      if (container.pod_id != pod.id) continue;
      inside.push_back({{"id", container.id},
                        {"name", container.name},
                        {"image", container.image_reference},
                        {"state", Word(container.state)},
                        {"created", UtcTime(container.created_ns)}});
    }
    list.push_back({{"id", pod.id},
                    {"name", pod.name},
                    {"state", pod.ready ? "ready" : "stopped"},
                    {"runtime_handler", pod.runtime_handler},
                    {"created", UtcTime(pod.created_ns)},
                    {"containers", inside}});
  }
  return list;
}

void PrintTable(const std::vector<PodInfo>& pods, const std::vector<ContainerInfo>& containers,
                std::ostream& out) {
  size_t width = 4;
  for (const auto& pod : pods) width = std::max(width, pod.name.size());
  const auto column = static_cast<int>(width + 2);
  out << std::left << std::setw(column) << "NAME" << std::setw(15) << "ID" << std::setw(9) << "POD"
      << std::setw(11) << "CONTAINER" << std::setw(22) << "CREATED"
      << "IMAGE\n";
  for (const auto& pod : pods) {
    const auto inside = std::find_if(containers.begin(), containers.end(),
                                     [&](const auto& one) { return one.pod_id == pod.id; });
    const bool none = inside == containers.end();
    out << std::setw(column) << pod.name << std::setw(15) << pod.id.substr(0, kShownIdChars)
        << std::setw(9) << (pod.ready ? "ready" : "stopped") << std::setw(11)
        << (none ? "-" : Word(inside->state)) << std::setw(22) << UtcTime(pod.created_ns)
        << (none ? "-" : inside->image_reference) << "\n";
  }
}

}  // namespace

Status ListPods(CriClient& cri, bool json, Context& context) {
  LOCKET_TRY_ASSIGN(auto pods, cri.ListPods(kQuery));
  LOCKET_TRY_ASSIGN(const auto containers, cri.ListContainers(kQuery));
  std::sort(pods.begin(), pods.end(),
            [](const PodInfo& a, const PodInfo& b) { return a.created_ns < b.created_ns; });
  if (json) {
    context.out << AsJson(pods, containers).dump(2, ' ', false, Json::error_handler_t::replace)
                << "\n";
  } else {
    PrintTable(pods, containers, context.out);
  }
  return Ok();
}

}  // namespace locket::cli
