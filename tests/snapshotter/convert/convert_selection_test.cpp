#include "snapshotter/convert/convert_selection.h"

#include <gtest/gtest.h>

namespace locket::snapshotter {
namespace {

TEST(ConvertSelectionTest, SaysWhichImagesAreConverted) {
  struct Case {
    ConvertOptions options;
    const char* reference;
    bool converted;
  };
  const ConvertOptions on{.enabled = true};
  const ConvertOptions team{.enabled = true, .images = {"r.example/team/*", "*:1"}, .except = {}};
  const Case cases[] = {
      {{}, "docker.io/library/debian:12", false},
      {on, "docker.io/library/debian:12", true},
      {on, "docker.io/library/debian@sha256:00", true},
      {on, "registry.k8s.io/pause:3.9", false},
      {on, "r.example/a/pause@sha256:00", false},
      {on, "r.example/pause-less:1", true},
      {team, "r.example/team/a/b:2", true},
      {team, "r.example/other:2", false},
      {team, "r.example/other:1", true},
      {{.enabled = true, .images = {"*"}, .except = {"*/kube-*"}}, "k8s/kube-proxy:1", false},
      {{.enabled = true, .images = {}, .except = {}}, "r.example/a:1", false},
  };
  for (const auto& [options, reference, converted] : cases) {
    EXPECT_EQ(Converts(options, reference), converted) << reference;
  }
}

}  // namespace
}  // namespace locket::snapshotter
