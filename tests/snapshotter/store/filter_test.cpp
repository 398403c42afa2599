#include "snapshotter/store/filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace locket::snapshotter {
namespace {

Snapshot Example() {
  return {.id = 1,
          .kind = Kind::kActive,
          .name = "k8s.io/3/web",
          .parent = "k8s.io/2/base",
          .created_ns = 0,
          .updated_ns = 0,
          .labels = {{"containerd.io/snapshot.ref", "sha256:ab"}, {"l", "2"}, {"a.b", "x,y"}}};
}

TEST(FilterTest, MatchesAsContainerdDoes) {
  const struct {
    const char* text;
    bool matches;
  } kCases[] = {
      {"", true},
      {"name", true},
      {"name==k8s.io/3/web", true},
      {"name==k8s.io/3/we", false},
      {"name!=other", true},
      {"name~=/web$/", true},
      {"name~=|^k8s|", true},
      {R"(name~="i[o]/\\d/")", true},
      {"name~=^web", false},
      {"kind==active", true},
      {"kind==committed", false},
      {"kind!=view,parent!=\"\"", true},
      {"parent==\"\"", false},
      {R"(labels."containerd.io/snapshot.ref"==sha256:ab,parent=="k8s.io/2/base")", true},
      {R"(labels."containerd.io/snapshot.ref"==sha256:ab,parent=="")", false},
      {"labels.l", true},
      {"labels.none", false},
      {"labels", false},
      {"labels.l==2", true},
      {"labels.none!=2", true},
      {R"(labels.a.b=="x,y")", true},
      {R"("labels"."a"."b"=="\x78\054\u0079")", true},
      {"nothing", false},
      {"nothing==1", false},
      {"nothing!=1", true},
      {" name == k8s.io/3/web , kind == active ", true},
  };
  for (const auto& c : kCases) {
    const auto filter = Filter::Parse(c.text);
    ASSERT_TRUE(filter.ok()) << filter.error().message();
    EXPECT_EQ(filter->Matches(Example()), c.matches) << c.text;
  }
}

TEST(FilterTest, RefusesWhatDoesNotParseAndSaysWhere) {
  const struct {
    const char* text;
    const char* why;
  } kCases[] = {
      {"name=x", "at byte 5: expected an operator"},
      {"name===x", "expected an operator"},
      {"==x", "expected a field"},
      {"name==", "expected a value"},
      {"name==x,", "expected a field"},
      {"name..x", "expected a field"},
      {"name==x y", "expected a comma or the end"},
      {"name==\"x", "not terminated"},
      {"name==\"x\ny\"", "not terminated"},
      {"name==/x/", "only a regular expression"},
      {R"(name=="\q")", "illegal escape"},
      {R"(name=="\x4")", "illegal numeric escape"},
      {R"(name=="\ud800")", "no such character"},
      {R"(name=="\777")", "over 255"},
      {"name~=(", "missing )"},
      {"näme", "expected"},
  };
  for (const auto& c : kCases) {
    const auto filter = Filter::Parse(c.text);
    ASSERT_FALSE(filter.ok()) << c.text;
    EXPECT_EQ(filter.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(filter.error().message(), ::testing::HasSubstr(c.why)) << c.text;
  }
  EXPECT_FALSE(Filter::Parse(std::string(100'000, 'n')).ok()) << "no bound on its length";
}

TEST(FilterTest, UnescapesBeyondTheFirstPlane) {
  Snapshot snapshot = Example();
  snapshot.name = "é€😀";
  EXPECT_TRUE(Filter::Parse(R"(name=="\u00e9\u20ac\U0001f600")")->Matches(snapshot));
}

TEST(FilterTest, SeveralFiltersMatchWhenAnyDoes) {
  std::vector<Filter> filters;
  EXPECT_TRUE(MatchesAny(filters, Example())) << "no filter matches everything";
  filters.push_back(*Filter::Parse("name==a"));
  EXPECT_FALSE(MatchesAny(filters, Example()));
  filters.push_back(*Filter::Parse("kind==active"));
  EXPECT_TRUE(MatchesAny(filters, Example()));
}

}  // namespace
}  // namespace locket::snapshotter
