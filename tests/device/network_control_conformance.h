// What every NetworkControl promises. Instantiated for the fake, and for the kernel in a network
// namespace that the test makes.
#pragma once

#include <gmock/gmock.h>

#include <memory>
#include <ostream>

#include "device/network_control.h"

namespace locket::device {

// Makes a network whose links are "left" and "right", the two ends of one wire, and a loopback
// link. Null: this machine cannot, and says so by GTEST_SKIP.
struct NetworkMaker {
  const char* name;
  std::unique_ptr<NetworkControl> (*make)();
  friend std::ostream& operator<<(std::ostream& out, const NetworkMaker& maker) {
    return out << maker.name;
  }
};

class NetworkControlConformanceTest : public ::testing::TestWithParam<NetworkMaker> {
 protected:
  void SetUp() override {
    network_ = GetParam().make();
    if (network_ == nullptr) GTEST_SKIP() << "needs root, to make a network namespace";
    left_ = Link("left").index;
    right_ = Link("right").index;
  }

  NetworkLink Link(const std::string& name) {
    const auto links = network_->Links();
    EXPECT_TRUE(links.ok()) << links.error().message();
    for (const NetworkLink& link : *links) {
      if (link.name == name) return link;
    }
    ADD_FAILURE() << "there is no link " << name;
    return {.index = -1, .name = "", .mtu = 0, .ethernet = false, .loopback = false};
  }
  void Raise() {
    for (const int link : {left_, right_}) {
      const auto up = network_->ChangeLink({.link = link, .up = true});
      ASSERT_TRUE(up.ok()) << up.error().message();
    }
  }

  static constexpr int kNoLink = 9999;
  const IpPrefix address_{.address = std::string("\x0a\x58\x00\x02", 4), .length = 16};
  const IpPrefix subnet_{.address = std::string("\x0a\x58\x00\x00", 4), .length = 16};
  const IpPrefix anywhere_{.address = std::string(4, '\0'), .length = 0};
  const std::string gateway_ = std::string("\x0a\x58\x00\x01", 4);
  const IpPrefix address6_{.address = "\xfd" + std::string(14, '\0') + "\x02", .length = 64};
  const IpPrefix subnet6_{.address = "\xfd" + std::string(15, '\0'), .length = 64};
  const IpPrefix anywhere6_{.address = std::string(16, '\0'), .length = 0};
  const std::string gateway6_ = "\xfd" + std::string(14, '\0') + "\x01";

  std::unique_ptr<NetworkControl> network_;
  int left_ = 0;
  int right_ = 0;
};

TEST_P(NetworkControlConformanceTest, LinksAreListedWithWhatTheyAre) {
  const auto link = Link("left");
  EXPECT_TRUE(link.ethernet);
  EXPECT_FALSE(link.loopback);
  EXPECT_EQ(link.mtu, 1500U);
  EXPECT_NE(link.mac, MacAddress{});
  EXPECT_NE(link.mac, Link("right").mac);
  EXPECT_TRUE(link.addresses.empty());
}

TEST_P(NetworkControlConformanceTest, ALinkIsRenamedAndResized) {
  const auto changed = network_->ChangeLink({.link = left_, .name = "other", .mtu = 1400});
  ASSERT_TRUE(changed.ok()) << changed.error().message();
  EXPECT_EQ(Link("other").mtu, 1400U);
}

TEST_P(NetworkControlConformanceTest, ANameIsUsedOnce) {
  const auto changed = network_->ChangeLink({.link = left_, .name = "right"});
  ASSERT_FALSE(changed.ok());
  EXPECT_EQ(changed.error().code(), ErrorCode::kAlreadyExists) << changed.error().message();
  EXPECT_EQ(Link("left").index, left_);
}

TEST_P(NetworkControlConformanceTest, NothingIsDoneToAnAbsentLink) {
  for (const Status& done :
       {network_->ChangeLink({.link = kNoLink, .up = true}),
        network_->AddAddress(kNoLink, address_), network_->AddIngress(kNoLink)}) {
    ASSERT_FALSE(done.ok());
    EXPECT_EQ(done.error().code(), ErrorCode::kNotFound) << done.error().message();
  }
}

TEST_P(NetworkControlConformanceTest, AddressesBringNoRoutes) {
  Raise();
  for (const IpPrefix& address : {address_, address6_}) {
    const auto added = network_->AddAddress(left_, address);
    ASSERT_TRUE(added.ok()) << added.error().message();
  }
  EXPECT_THAT(Link("left").addresses, ::testing::UnorderedElementsAre(address_, address6_));
  EXPECT_TRUE(network_->Routes()->empty());
  const auto again = network_->AddAddress(left_, address_);
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code(), ErrorCode::kAlreadyExists) << again.error().message();
}

TEST_P(NetworkControlConformanceTest, RoutesComeBackAsTheyWereAdded) {
  Raise();
  ASSERT_TRUE(network_->AddAddress(left_, address_).ok());
  ASSERT_TRUE(network_->AddAddress(left_, address6_).ok());
  const std::vector<NetworkRoute> routes = {
      {.link = left_, .destination = subnet_, .source = address_.address, .metric = 7},
      {.link = left_, .destination = anywhere_, .gateway = gateway_},
      {.link = left_, .destination = subnet6_, .metric = 1024},
      {.link = left_, .destination = anywhere6_, .gateway = gateway6_, .metric = 5},
      {.link = left_,
       .destination = {.address = std::string("\x01\x02\x03\x00", 4), .length = 24},
       .gateway = std::string("\xa9\xfe\x01\x01", 4),
       .onlink = true}};
  for (const NetworkRoute& route : routes) {
    const auto added = network_->AddRoute(route);
    ASSERT_TRUE(added.ok()) << added.error().message();
  }
  const auto listed = network_->Routes();
  ASSERT_TRUE(listed.ok()) << listed.error().message();
  EXPECT_THAT(*listed, ::testing::UnorderedElementsAreArray(routes));
}

TEST_P(NetworkControlConformanceTest, AGatewayHasToBeReachable) {
  Raise();
  ASSERT_TRUE(network_->AddAddress(left_, address_).ok());
  const auto added =
      network_->AddRoute({.link = left_, .destination = anywhere_, .gateway = gateway_});
  ASSERT_FALSE(added.ok());
  EXPECT_TRUE(network_->Routes()->empty());
}

TEST_P(NetworkControlConformanceTest, NeighboursComeBackAsTheyWereAdded) {
  Raise();
  const NetworkNeighbour neighbour{.link = left_, .address = gateway_, .mac = {2, 3, 4, 5, 6, 7}};
  const auto added = network_->AddPermanentNeighbour(neighbour);
  ASSERT_TRUE(added.ok()) << added.error().message();
  EXPECT_EQ(network_->PermanentNeighbours().value(), std::vector{neighbour});
}

TEST_P(NetworkControlConformanceTest, ALinkHasOneIngressAndLosesItAsOftenAsAsked) {
  for (int round = 0; round < 2; ++round) {
    const auto added = network_->AddIngress(left_);
    ASSERT_TRUE(added.ok()) << added.error().message();
    const auto second = network_->AddIngress(left_);
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().code(), ErrorCode::kAlreadyExists) << second.error().message();
    for (int i = 0; i < 2; ++i) {
      const auto removed = network_->RemoveIngress(left_);
      EXPECT_TRUE(removed.ok()) << removed.error().message();
    }
  }
}

TEST_P(NetworkControlConformanceTest, ARedirectionNeedsAnIngressAndAnotherLink) {
  EXPECT_FALSE(network_->AddRedirect(left_, right_).ok()) << "no ingress";
  ASSERT_TRUE(network_->AddIngress(left_).ok());
  EXPECT_FALSE(network_->AddRedirect(left_, kNoLink).ok()) << "no such link";
  const auto added = network_->AddRedirect(left_, right_);
  EXPECT_TRUE(added.ok()) << added.error().message();
}

}  // namespace locket::device
