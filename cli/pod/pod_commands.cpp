#include <CLI/CLI.hpp>
#include <memory>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/pod/pod.h"
#include "initdata/initdata.h"

namespace locket::cli {
namespace {

constexpr int kMaxTimeoutSeconds = 86400;
constexpr int64_t kMaxMemoryMib = int64_t{1} << 24;

struct RunOptions {
  RunPodRequest request;
  std::string log_dir = "/var/log/locket/pods";
  std::string initdata_file;
  std::vector<std::string> annotations;
  int timeout_seconds = 300;
};

void AddSocket(CLI::App& command, std::string& socket) {
  command
      .add_option("--socket", socket,
                  "containerd's socket (environment variable: LOCKET_CRI_SOCKET)")
      ->type_name("PATH")
      ->capture_default_str();
}

std::string DefaultSocket(const Context& context) {
  return context.environment("LOCKET_CRI_SOCKET").value_or(std::string(kDefaultCriSocket));
}

Status CheckRun(RunOptions& options) {
  if (!options.request.name.empty()) LOCKET_TRY(CheckPodName(options.request.name));
  for (const auto& path : options.request.empty_volumes) {
    if (!path.starts_with('/')) {
      return Usage("--empty-volume '" + path + "' is not an absolute path");
    }
  }
  const std::string& parent = options.request.cgroup_parent;
  if (!parent.empty() && !parent.starts_with('/')) {
    return Usage("--cgroup-parent '" + parent + "' is not an absolute path");
  }
  for (const auto& annotation : options.annotations) {
    const size_t equals = annotation.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return Usage("--annotation '" + annotation + "' is not KEY=VALUE");
    }
    options.request.annotations[annotation.substr(0, equals)] = annotation.substr(equals + 1);
  }
  if (options.request.detach && options.request.remove) {
    return Usage("--detach cannot be used with --rm: nothing waits for the container's end");
  }
  return Ok();
}

Result<int> Run(RunOptions options, const std::string& socket, Context& context) {
  if (!options.initdata_file.empty()) {
    const std::string doing = "initdata '" + options.initdata_file + "'";
    LOCKET_TRY_ASSIGN(
        const std::string toml,
        ReadFile(options.initdata_file, initdata::kMaxInitdataBytes).While("initdata"));
    LOCKET_TRY(initdata::DecodeInitdata(toml).While(doing));
    LOCKET_TRY_ASSIGN(options.request.annotations[std::string(initdata::kInitdataAnnotation)],
                      initdata::EncodeInitdataAnnotation(toml).While(doing));
  }
  options.request.log_dir = options.log_dir;
  options.request.timeout = std::chrono::seconds(options.timeout_seconds);
  LOCKET_TRY_ASSIGN(const UniqueFd interrupt, context.catch_signals());
  CriClient cri(socket, interrupt.get());
  return RunPod(cri, options.request, interrupt.get(), context);
}

void AddPod(CLI::App& command, std::string& pod) {
  command.add_option("POD", pod, "Name of the pod, or the beginning of its ID")
      ->type_name("")
      ->required();
}

void AddRunOptions(CLI::App& run, RunOptions& options) {
  RunPodRequest& request = options.request;
  run.add_option("--initdata", options.initdata_file,
                 "Initdata in TOML, from 'locket initdata create' (default: none, so that the "
                 "guest runs nothing)")
      ->type_name("FILE");
  run.add_option(
         "--name", request.name,
         "Name of the pod: at most 63 lower-case letters, digits and inner dashes (default: "
         "random)")
      ->type_name("NAME");
  run.add_option("--runtime-handler", request.runtime_handler,
                 "Runtime in containerd's configuration")
      ->type_name("NAME")
      ->capture_default_str();
  run.add_flag("--network", request.network,
               "Give the pod a network by CNI, if the initdata allows it (default: a loopback "
               "interface only)");
  run.add_flag("--detach", request.detach,
               "Print the name of the pod and return once the container runs");
  run.add_flag("--rm", request.remove, "Remove the pod and its log once the container has ended");
  run.add_option("--log-dir", options.log_dir,
                 "Directory in which containerd writes the container's output")
      ->type_name("DIR")
      ->capture_default_str();
  run.add_option("--annotation", options.annotations, "Add an annotation to the pod; repeatable")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  run.add_option("--empty-volume", request.empty_volumes,
                 "Mount an empty volume at this path in the container, like Kubernetes' emptyDir, "
                 "if the initdata allows it; repeatable")
      ->type_name("PATH")
      ->allow_extra_args(false);
}

void AddRunLimits(CLI::App& run, RunOptions& options) {
  RunPodRequest& request = options.request;
  run.add_option("--timeout", options.timeout_seconds,
                 "Time limit for each step (start the VM, pull the image, create and start the "
                 "container), 1 to 86400 seconds")
      ->type_name("SECONDS")
      ->capture_default_str()
      ->check(CLI::Range(1, kMaxTimeoutSeconds).description(""));
  run.add_option(
         "--memory", request.memory_limit_mib,
         "Memory limit of the container inside the VM, in MiB (default: none but the VM's memory)")
      ->type_name("MIB")
      ->check(CLI::Range(int64_t{1}, kMaxMemoryMib).description(""));
  run.add_option("--cgroup-parent", request.cgroup_parent,
                 "Existing cgroup of the host for the pod's VM, such as /pods/web (default: "
                 "containerd's own)")
      ->type_name("PATH");
}

void AddRun(CLI::App& group, Context& context, const std::vector<std::string>& after_dashes,
            Selected& selected) {
  CLI::App* run = group.add_subcommand("run", "Run an image in a pod of its own");
  run->footer(
      "The arguments after -- replace the image's command, if the initdata allows it. Prints what "
      "the container prints, and exits with its exit code. Without --rm the stopped pod and its "
      "log stay until 'locket pod stop'.\n\n"
      "Examples:\n"
      "  locket pod run registry.example/app:1 --initdata app.toml\n"
      "  locket pod run registry.example/app:1 --initdata app.toml --name web \\\n"
      "    --network --detach\n"
      "  locket pod run registry.example/app:1 --initdata app.toml --rm -- \\\n"
      "    /bin/sh -c 'echo hello'");
  auto options = std::make_shared<RunOptions>();
  auto socket = std::make_shared<std::string>(DefaultSocket(context));
  run->add_option("IMAGE", options->request.image, "Image in a registry")
      ->type_name("")
      ->required();
  AddRunOptions(*run, *options);
  AddRunLimits(*run, *options);
  AddSocket(*run, *socket);
  run->callback([&context, &selected, &after_dashes, options, socket] {
    options->request.command = after_dashes;
    selected.check = [options] { return CheckRun(*options); };
    selected.run = [&context, options, socket] { return Run(*options, *socket, context); };
  });
}

void AddLogs(CLI::App& group, Context& context, Selected& selected) {
  CLI::App* logs = group.add_subcommand("logs", "Print the output of a pod");
  logs->footer("Examples:\n  locket pod logs web\n  locket pod logs -f web");
  auto pod = std::make_shared<std::string>();
  auto follow = std::make_shared<bool>(false);
  auto socket = std::make_shared<std::string>(DefaultSocket(context));
  AddPod(*logs, *pod);
  logs->add_flag("-f,--follow", *follow, "Continue to print until the container ends");
  AddSocket(*logs, *socket);
  logs->callback([&context, &selected, pod, follow, socket] {
    selected.run = [&context, pod, follow, socket]() -> Result<int> {
      LOCKET_TRY_ASSIGN(const UniqueFd interrupt, context.catch_signals());
      // Only following can be interrupted. The calls before it answer soon.
      CriClient cri(*socket, /*interrupt_fd=*/-1);
      LOCKET_TRY(PrintPodLog(cri, *pod, *follow, interrupt.get(), context).While("pod logs"));
      return 0;
    };
  });
}

void AddExec(CLI::App& group, Context& context, const std::vector<std::string>& after_dashes,
             Selected& selected) {
  CLI::App* exec = group.add_subcommand("exec", "Run a command in the container of a pod");
  exec->footer(
      "The command is given after --. The guest runs only commands that the initdata lists, word "
      "for word ('locket initdata create --allow-exec'). Prints the command's output once it has "
      "ended, and exits with its exit code. There is no input and no terminal: use kubectl or "
      "crictl for these.\n\n"
      "Examples:\n"
      "  locket pod exec web -- /bin/check --health\n"
      "  locket pod exec --timeout 5 web -- /bin/df");
  auto request = std::make_shared<ExecRequest>();
  auto limit = std::make_shared<int>(0);
  auto socket = std::make_shared<std::string>(DefaultSocket(context));
  AddPod(*exec, request->pod);
  exec->add_option("--timeout", *limit,
                   "Time after which the command is killed, 0 to 86400 seconds; 0: never")
      ->type_name("SECONDS")
      ->capture_default_str()
      ->check(CLI::Range(0, kMaxTimeoutSeconds).description(""));
  AddSocket(*exec, *socket);
  exec->callback([&context, &selected, &after_dashes, request, limit, socket] {
    request->command = after_dashes;
    request->limit = std::chrono::seconds(*limit);
    selected.check = [request]() -> Status {
      if (request->command.empty()) return Usage("give the command after '--'");
      return Ok();
    };
    selected.run = [&context, request, socket]() -> Result<int> {
      LOCKET_TRY_ASSIGN(const UniqueFd interrupt, context.catch_signals());
      CriClient cri(*socket, interrupt.get());
      return ExecInPod(cri, *request, interrupt.get(), context);
    };
  });
}

void AddStop(CLI::App& group, Context& context, Selected& selected) {
  CLI::App* stop = group.add_subcommand("stop", "Stop pods and remove them with their logs");
  stop->footer("Examples:\n  locket pod stop web\n  locket pod stop --all");
  auto pods = std::make_shared<std::vector<std::string>>();
  auto all = std::make_shared<bool>(false);
  auto socket = std::make_shared<std::string>(DefaultSocket(context));
  stop->add_option("POD", *pods, "Names of pods, or the beginnings of their IDs")->type_name("");
  stop->add_flag("--all", *all, "Stop every pod that 'locket pod run' made");
  AddSocket(*stop, *socket);
  stop->callback([&context, &selected, pods, all, socket] {
    selected.check = [pods, all]() -> Status {
      if (pods->empty() != *all) return Usage("give the pods to stop, or --all");
      return Ok();
    };
    selected.run = [&context, pods, all, socket]() -> Result<int> {
      CriClient cri(*socket, /*interrupt_fd=*/-1);
      LOCKET_TRY(StopPods(cri, *pods, *all, context).While("pod stop"));
      return 0;
    };
  });
}

void AddList(CLI::App& group, Context& context, Selected& selected) {
  CLI::App* list = group.add_subcommand("ls", "List the pods that 'locket pod run' made");
  list->footer("Examples:\n  locket pod ls\n  locket pod ls --json");
  auto json = std::make_shared<bool>(false);
  auto socket = std::make_shared<std::string>(DefaultSocket(context));
  list->add_flag("--json", *json, "Print JSON");
  AddSocket(*list, *socket);
  list->callback([&context, &selected, json, socket] {
    selected.run = [&context, json, socket]() -> Result<int> {
      CriClient cri(*socket, /*interrupt_fd=*/-1);
      LOCKET_TRY(ListPods(cri, *json, context).While("pod ls"));
      return 0;
    };
  });
}

}  // namespace

void AddPodCommands(CLI::App& app, Context& context, const std::vector<std::string>& after_dashes,
                    Selected& selected) {
  CLI::App* group = app.add_subcommand("pod", "Run images in pods of their own");
  group->require_subcommand(1);
  AddRun(*group, context, after_dashes, selected);
  AddExec(*group, context, after_dashes, selected);
  AddLogs(*group, context, selected);
  AddStop(*group, context, selected);
  AddList(*group, context, selected);
}

}  // namespace locket::cli
