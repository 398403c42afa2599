#include "cli/image/layer_selection.h"

#include <gmock/gmock.h>

namespace locket::cli {
namespace {

using ::testing::HasSubstr;

struct Case {
  const char* text;
  std::vector<bool> chosen;  // of four layers
};

TEST(LayerSelectionTest, ChoosesWhatTheTextSays) {
  const bool f = false;
  const bool t = true;
  const Case cases[] = {
      {"all", {t, t, t, t}},  {"none", {f, f, f, f}}, {"0", {t, f, f, f}},    {"-1", {f, f, f, t}},
      {"1,3", {f, t, f, t}},  {"1..2", {f, t, t, f}}, {"2..", {f, f, t, t}},  {"..1", {t, t, f, f}},
      {"-2..", {f, f, t, t}}, {"-1..", {f, f, f, t}}, {"..-2", {t, t, t, f}}, {"0,0", {t, f, f, f}},
  };
  for (const Case& one : cases) {
    const auto selection = LayerSelection::FromText(one.text);
    ASSERT_TRUE(selection.ok()) << one.text;
    EXPECT_EQ(selection->For(4).value(), one.chosen) << one.text;
  }
}

TEST(LayerSelectionTest, RefusesWhatIsNoSelection) {
  for (const char* text :
       {"", "some", "1,", ",1", "..", "1...3", "1-3", "a..b", " 1", "99999999999999999999"}) {
    const auto selection = LayerSelection::FromText(text);
    ASSERT_FALSE(selection.ok()) << text;
    EXPECT_THAT(selection.error().message(), HasSubstr("must be all, none, or layer numbers"))
        << text;
  }
}

TEST(LayerSelectionTest, RefusesLayersThatTheImageDoesNotHave) {
  for (const char* text : {"4", "-5", "0..4", "3..1", "-1..0"}) {
    const auto chosen = LayerSelection::FromText(text).value().For(4);
    ASSERT_FALSE(chosen.ok()) << text;
    EXPECT_THAT(chosen.error().message(), HasSubstr("an image that has 4 layers")) << text;
  }
}

TEST(LayerSelectionTest, AllOfNothingIsNothing) {
  EXPECT_TRUE(LayerSelection::FromText("all").value().For(0).value().empty());
}

}  // namespace
}  // namespace locket::cli
