#include "cli/pod/pod.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "tests/cli/cli_harness.h"
#include "tests/cli/pod/fake_cri_server.h"

namespace locket::cli {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::SizeIs;

class PodTest : public CliTest {
 protected:
  PodTest() : server_(Path("cri.sock")) {
    cli_.environment["LOCKET_CRI_SOCKET"] = Path("cri.sock");
  }

  CliResult RunPod(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"pod", "run", "r.example/app:1", "--log-dir",
                                          Path("logs")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return cli_.Run(arguments);
  }
  bool HasLogs() const {
    return std::filesystem::exists(Path("logs")) && !std::filesystem::is_empty(Path("logs"));
  }

  FakeCriServer server_;
};

TEST_F(PodTest, AttachedRunCopiesOutputAndExitCode) {
  server_.script.log = "t stdout F out\nt stderr F err\n";
  server_.script.exit_code = 7;
  const auto run = RunPod({"--name", "web"});
  EXPECT_EQ(run.exit_code, 7);
  EXPECT_EQ(run.out, "out\n");
  EXPECT_EQ(run.err, "err\n");
  // The VM has ended; record and log stay for `pod logs`.
  const auto sandboxes = server_.sandboxes();
  ASSERT_THAT(sandboxes, SizeIs(1));
  EXPECT_FALSE(sandboxes.begin()->second.ready);
  EXPECT_EQ(cli_.Run({"pod", "logs", "web"}).out, "out\n");
}

TEST_F(PodTest, AsksForTheHostNetworkTheHandlerAndTheAnnotations) {
  ASSERT_EQ(
      RunPod({"--name", "web", "--runtime-handler", "other", "--annotation", "a=b=c"}).exit_code,
      0);
  const auto sandbox = server_.sandboxes().begin()->second;
  EXPECT_TRUE(sandbox.host_network);
  EXPECT_EQ(sandbox.runtime_handler, "other");
  EXPECT_EQ(sandbox.annotations.at("a"), "b=c");
  EXPECT_FALSE(sandbox.uid.empty());
  const auto container = server_.containers().begin()->second;
  EXPECT_EQ(container.image, "id-of-r.example/app:1|r.example/app:1");
  EXPECT_THAT(container.command, IsEmpty());
}

TEST_F(PodTest, ANetworkOfItsOwnIsAskedForByName) {
  ASSERT_EQ(RunPod({"--name", "web", "--network"}).exit_code, 0);
  EXPECT_FALSE(server_.sandboxes().begin()->second.host_network);
}

TEST_F(PodTest, NamesTheCgroupThatIsToHoldIt) {
  ASSERT_EQ(RunPod({"--name", "web", "--cgroup-parent", "/pods/web"}).exit_code, 0);
  EXPECT_EQ(server_.sandboxes().begin()->second.cgroup_parent, "/pods/web");
  const auto refused = RunPod({"--cgroup-parent", "pods"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("--cgroup-parent 'pods' is not an absolute path"));
}

TEST_F(PodTest, AsksForEmptyVolumesAsKubeletDoesAndForAMemoryLimit) {
  ASSERT_EQ(RunPod({"--name", "web", "--empty-volume", "/data", "--empty-volume", "/cache",
                    "--memory", "64"})
                .exit_code,
            0);
  const auto container = server_.containers().begin()->second;
  EXPECT_EQ(container.memory_limit, 64 << 20);
  const std::string shape = "/pods/[0-9a-f]+/volumes/kubernetes.io~empty-dir/volume-";
  EXPECT_THAT(container.mounts, ElementsAre(MatchesRegex("/data=/.*" + shape + "0"),
                                            MatchesRegex("/cache=/.*" + shape + "1")));
  for (const auto& pod : std::filesystem::directory_iterator(Path("logs"))) {
    for (const auto& entry : std::filesystem::directory_iterator(pod)) {
      EXPECT_EQ(entry.path().filename(), "container.log") << "the directories are gone again";
    }
  }
}

TEST_F(PodTest, WantOfMemoryIsSaid) {
  server_.script.exit_code = 137;
  server_.script.reason = "OOMKilled";
  const auto run = RunPod({"--name", "web"});
  EXPECT_EQ(run.exit_code, 137);
  EXPECT_THAT(run.err, HasSubstr("locket: container 'web' ran out of memory"));
}

TEST_F(PodTest, RefusesVolumesAndLimitsThatAreNone) {
  EXPECT_THAT(RunPod({"--empty-volume", "data"}).err, HasSubstr("'data' is not an absolute path"));
  EXPECT_EQ(RunPod({"--empty-volume", "data"}).exit_code, 2);
  EXPECT_EQ(RunPod({"--memory", "0"}).exit_code, 2);
  EXPECT_THAT(server_.calls(), IsEmpty());
}

TEST_F(PodTest, CarriesInitdataInItsAnnotation) {
  ASSERT_EQ(cli_.Run({"initdata", "create", "--allow-keyed", "-o", Path("app.toml")}).exit_code, 0);
  ASSERT_EQ(RunPod({"--initdata", Path("app.toml")}).exit_code, 0);
  const auto annotation = cli_.Run({"initdata", "annotation", Path("app.toml")}).out;
  EXPECT_EQ(server_.sandboxes().begin()->second.annotations.at(
                "io.katacontainers.config.hypervisor.cc_init_data") +
                "\n",
            annotation);
}

TEST_F(PodTest, RefusesInitdataThatIsNone) {
  const auto run = RunPod({"--initdata", Write("bad.toml", "this = is not")});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("locket: initdata '" + Path("bad.toml") + "': "));
  EXPECT_THAT(server_.calls(), IsEmpty());
}

TEST_F(PodTest, WhatStandsBehindTheDashesIsTheCommand) {
  ASSERT_EQ(RunPod({"--", "/bin/sh", "-c", "[a,b]", "--", "--name"}).exit_code, 0);
  EXPECT_THAT(server_.containers().begin()->second.command,
              ElementsAre("/bin/sh", "-c", "[a,b]", "--", "--name"));
}

TEST_F(PodTest, RemovesPodAndLogIfAsked) {
  server_.script.exit_code = 3;
  EXPECT_EQ(RunPod({"--rm"}).exit_code, 3);
  EXPECT_THAT(server_.sandboxes(), IsEmpty());
  EXPECT_FALSE(HasLogs());
}

TEST_F(PodTest, DetachedRunPrintsTheNameAndLeavesThePodRunning) {
  server_.script.runs_on = true;
  const auto run = RunPod({"--name", "web", "--detach"});
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_EQ(run.out, "web\n");
  EXPECT_TRUE(server_.sandboxes().begin()->second.ready);
  EXPECT_THAT(cli_.Run({"pod", "ls"}).out, HasSubstr("web   5a0b0c0d0e0f0  ready    running"));
  const auto stop = cli_.Run({"pod", "stop", "web"});
  EXPECT_EQ(stop.out, "web\n");
  EXPECT_THAT(server_.sandboxes(), IsEmpty());
  EXPECT_FALSE(HasLogs());
}

// Breaks each step in turn: the error names it, and nothing is left.
TEST_F(PodTest, FailingStepIsNamedAndLeavesNoSandbox) {
  const std::map<std::string, std::string> steps = {{"ListPodSandbox", ""},
                                                    {"RunPodSandbox", "start the sandbox: "},
                                                    {"PullImage", "pull image 'r.example/app:1': "},
                                                    {"CreateContainer", "create the container: "},
                                                    {"StartContainer", "start the container: "},
                                                    {"ContainerStatus", "follow the container: "}};
  for (const auto& [method, step] : steps) {
    server_.fail_method = method;
    const auto run = RunPod({"--name", "web"});
    EXPECT_EQ(run.exit_code, 1) << method;
    EXPECT_THAT(run.err, HasSubstr("locket: run pod 'web': " + step + "broken on purpose"))
        << method;
    EXPECT_THAT(server_.sandboxes(), IsEmpty()) << method;
    EXPECT_FALSE(HasLogs()) << method;
  }
}

TEST_F(PodTest, ImageIsPulledForThePodsRuntime) {
  EXPECT_EQ(RunPod({"--runtime-handler", "locket-snp"}).exit_code, 0);
  EXPECT_EQ(server_.pulled_for(), "locket-snp|locket-snp");
}

TEST_F(PodTest, ContainerThatContainerdLostIsAnError) {
  server_.script.state_unknown = true;
  const auto run = RunPod();
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("its VM may have died"));
  EXPECT_THAT(server_.sandboxes(), IsEmpty());
}

TEST_F(PodTest, PrintsWhyAContainerFailed) {
  server_.script.exit_code = 128;
  server_.script.message = "dm-verity: block 3 is corrupted";
  const auto run = RunPod({"--name", "web"});
  EXPECT_EQ(run.exit_code, 128);
  EXPECT_THAT(run.err, HasSubstr("container 'web': dm-verity: block 3 is corrupted"));
}

TEST_F(PodTest, StepThatTakesTooLongEndsAtTheTimeout) {
  server_.hang_method = "PullImage";
  const auto run = RunPod({"--timeout", "1"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("containerd did not answer within 1 s"));
  EXPECT_THAT(server_.sandboxes(), IsEmpty());
}

TEST_F(PodTest, InterruptStopsARunningPod) {
  server_.script.runs_on = true;
  std::thread user([&] {
    server_.WaitForRunning();
    cli_.Interrupt();
  });
  const auto run = RunPod({"--name", "web"});
  user.join();
  EXPECT_EQ(run.exit_code, 130);
  EXPECT_THAT(run.err, HasSubstr("interrupted; pod 'web' is stopped"));
  EXPECT_THAT(server_.sandboxes(), IsEmpty());
}

TEST_F(PodTest, InterruptBreaksOffAStepThatHangs) {
  server_.hang_method = "PullImage";
  std::thread user([&] {
    server_.WaitForCall("PullImage");
    cli_.Interrupt();
  });
  const auto run = RunPod();
  user.join();
  EXPECT_EQ(run.exit_code, 130);
  EXPECT_THAT(server_.sandboxes(), IsEmpty());
}

TEST_F(PodTest, StoppedPodMakesRoomAndARunningOneDoesNot) {
  ASSERT_EQ(RunPod({"--name", "web"}).exit_code, 0);
  ASSERT_EQ(RunPod({"--name", "web"}).exit_code, 0);
  EXPECT_THAT(server_.sandboxes(), SizeIs(1));
  server_.script.runs_on = true;
  ASSERT_EQ(RunPod({"--name", "web", "--detach"}).exit_code, 0);
  const auto again = RunPod({"--name", "web"});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_THAT(again.err, HasSubstr("a pod of that name is running"));
  EXPECT_THAT(server_.sandboxes(), SizeIs(1));
}

TEST_F(PodTest, LogsFollowUntilInterrupted) {
  server_.script.runs_on = true;
  ASSERT_EQ(RunPod({"--name", "web", "--detach"}).exit_code, 0);
  std::thread user([&] {
    server_.WaitForCall("ContainerStatus");
    cli_.Interrupt();
  });
  const auto logs = cli_.Run({"pod", "logs", "-f", "web"});
  user.join();
  EXPECT_EQ(logs.exit_code, 0) << logs.err;
  EXPECT_EQ(logs.out, "hello\n");
}

TEST_F(PodTest, ExecPrintsWhatTheCommandPrintedAndExitsAsItDid) {
  server_.script.runs_on = true;
  ASSERT_EQ(RunPod({"--name", "web", "--detach"}).exit_code, 0);
  server_.script.exec_out = std::string(5 << 20, 'x');  // more than a message of gRPC's default
  server_.script.exec_err = "hm\n";
  server_.script.exit_code = 3;
  const auto exec =
      cli_.Run({"pod", "exec", "web", "--timeout", "5", "--", "/bin/check", "--health"});
  EXPECT_EQ(exec.exit_code, 3);
  EXPECT_EQ(exec.out, server_.script.exec_out);
  EXPECT_EQ(exec.err, "hm\n");
  EXPECT_THAT(server_.containers().begin()->second.exec,
              ElementsAre("/bin/check", "--health", "5"));
}

TEST_F(PodTest, ExecSaysWhyItCouldNot) {
  server_.script.runs_on = true;
  ASSERT_EQ(RunPod({"--name", "web", "--detach"}).exit_code, 0);
  EXPECT_THAT(cli_.Run({"pod", "exec", "none", "--", "/x"}).err, HasSubstr("no pod 'none'"));
  EXPECT_EQ(cli_.Run({"pod", "exec", "web"}).exit_code, 2);
  EXPECT_THAT(cli_.Run({"pod", "exec", "web"}).err, HasSubstr("give the command after '--'"));
  server_.fail_method = "ExecSync";
  const auto failed = cli_.Run({"pod", "exec", "web", "--", "/x"});
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_THAT(failed.err, HasSubstr("exec in pod 'web': broken on purpose"));
}

TEST_F(PodTest, InterruptKillsAnExec) {
  server_.script.runs_on = true;
  ASSERT_EQ(RunPod({"--name", "web", "--detach"}).exit_code, 0);
  server_.hang_method = "ExecSync";
  std::thread interrupter([&] {
    server_.WaitForCall("ExecSync");
    cli_.Interrupt();
  });
  const auto exec = cli_.Run({"pod", "exec", "web", "--", "/x"});
  interrupter.join();
  EXPECT_EQ(exec.exit_code, 130);
  EXPECT_THAT(exec.err, HasSubstr("the command in pod 'web' is killed"));
}

TEST_F(PodTest, ListsAsJson) {
  EXPECT_EQ(cli_.Run({"pod", "ls", "--json"}).out, "[]\n");
  server_.script.runs_on = true;
  server_.foreign_pod = true;
  ASSERT_EQ(RunPod({"--name", "web", "--detach"}).exit_code, 0);
  const auto list = nlohmann::json::parse(cli_.Run({"pod", "ls", "--json"}).out);
  const auto expected = nlohmann::json::parse(R"([{
    "id": "5a0b0c0d0e0f0a1b1c1", "name": "web", "state": "ready", "runtime_handler": "locket",
    "created": "2023-11-14T22:13:20Z",
    "containers": [{"id": "c0", "name": "web", "image": "r.example/app:1", "state": "running",
                    "created": "2023-11-14T22:13:20Z"}]}])");
  EXPECT_EQ(list, expected);
}

TEST_F(PodTest, StopTakesNamesIdsAndAll) {
  server_.script.runs_on = true;
  server_.foreign_pod = true;
  for (const char* name : {"one", "two", "three"}) {
    ASSERT_EQ(RunPod({"--name", name, "--detach"}).exit_code, 0);
  }
  EXPECT_EQ(cli_.Run({"pod", "stop", "5a1"}).out, "two\n");
  const auto ambiguous = cli_.Run({"pod", "stop", "5a"});
  EXPECT_EQ(ambiguous.exit_code, 1);
  EXPECT_THAT(ambiguous.err, HasSubstr("is the beginning of more than one pod's ID"));
  EXPECT_EQ(cli_.Run({"pod", "stop", "--all"}).exit_code, 0);
  EXPECT_THAT(server_.sandboxes(), IsEmpty());
}

TEST_F(PodTest, StopWaitsUntilContainerdHasNoticedAKilledShim) {
  server_.script.runs_on = true;
  ASSERT_EQ(RunPod({"--name", "one", "--detach"}).exit_code, 0);
  server_.removals_refused = 2;
  const auto stop = cli_.Run({"pod", "stop", "one"});
  EXPECT_EQ(stop.exit_code, 0) << stop.err;
  EXPECT_THAT(server_.sandboxes(), IsEmpty());
}

TEST_F(PodTest, StopGoesOnAfterAFailureAndReportsIt) {
  server_.script.runs_on = true;
  ASSERT_EQ(RunPod({"--name", "one", "--detach"}).exit_code, 0);
  const auto stop = cli_.Run({"pod", "stop", "none", "one"});
  EXPECT_EQ(stop.exit_code, 1);
  EXPECT_EQ(stop.out, "one\n");
  EXPECT_THAT(stop.err, HasSubstr("no pod 'none'"));
}

TEST_F(PodTest, NamesAContainerdThatIsNotThere) {
  const auto list = cli_.Run({"pod", "ls", "--socket", Path("none.sock")});
  EXPECT_EQ(list.exit_code, 1);
  EXPECT_THAT(list.err, HasSubstr("connect to containerd at '" + Path("none.sock") + "'"));
}

TEST_F(PodTest, RefusesWrongUsage) {
  const std::map<std::string, std::vector<std::string>> cases = {
      {"use lower-case letters", {"--name", "Web"}},
      {"is not KEY=VALUE", {"--annotation", "key"}},
      {"--detach cannot be used with --rm", {"--detach", "--rm"}},
      {"--timeout", {"--timeout", "0"}},
      {"--nonsense", {"--nonsense"}}};
  for (const auto& [reason, arguments] : cases) {
    const auto run = RunPod(arguments);
    EXPECT_EQ(run.exit_code, 2) << reason;
    EXPECT_THAT(run.err, HasSubstr(reason));
    EXPECT_THAT(run.err, HasSubstr("(see 'locket pod run --help')"));
  }
  EXPECT_THAT(cli_.Run({"pod", "stop"}).err, HasSubstr("give the pods to stop, or --all"));
  EXPECT_EQ(cli_.Run({"pod", "stop", "--all", "web"}).exit_code, 2);
  EXPECT_THAT(server_.calls(), IsEmpty());
}

TEST(CheckPodNameTest, TakesDnsLabels) {
  for (const char* name : {"a", "web-1", "0"}) EXPECT_TRUE(CheckPodName(name).ok()) << name;
  for (const std::string name : {"", "-a", "a-", "a_b", "a.b", "A"}) {
    EXPECT_FALSE(CheckPodName(name).ok()) << name;
  }
  EXPECT_FALSE(CheckPodName(std::string(64, 'a')).ok());
  EXPECT_TRUE(CheckPodName(std::string(63, 'a')).ok());
}

}  // namespace
}  // namespace locket::cli
