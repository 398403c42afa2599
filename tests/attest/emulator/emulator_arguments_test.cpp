// The command line of locket-tee-emulator as a value.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attest/emulator/emulator.h"
#include "base/encoding.h"

namespace locket::attest {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kHex(64, 'a');

using Arguments = std::vector<std::string>;

Arguments Launch(const Arguments& more = {}, const Arguments& qemu = {"--", "qemu"}) {
  Arguments out{"launch", "--dir", "/d", "--socket", "/s", "--host-data", kHex};
  out.insert(out.end(), more.begin(), more.end());
  out.insert(out.end(), qemu.begin(), qemu.end());
  return out;
}

EmulatorLaunch Parsed(const Arguments& arguments) {
  const auto command = ParseEmulatorArguments(arguments);
  EXPECT_TRUE(command.ok()) << command.error().message();
  return std::get<EmulatorLaunch>(*command);
}

TEST(EmulatorArgumentsTest, LaunchTakesItsOptionsInAnyOrder) {
  const EmulatorLaunch plain = Parsed(Launch());
  EXPECT_EQ(plain.directory, "/d");
  EXPECT_EQ(plain.socket, "/s");
  EXPECT_EQ(HexEncode(plain.host_data), kHex);
  EXPECT_EQ(plain.policy, kSnpPolicyReserved) << "neither debugging nor migration";
  EXPECT_THAT(plain.qemu, ElementsAre("qemu"));
  const EmulatorLaunch other = Parsed({"launch", "--host-data", kHex, "--socket", "/s", "--dir",
                                       "/d", "--", "qemu", "--dir", "x", "--", "--help"});
  EXPECT_EQ(other.directory, "/d");
  EXPECT_THAT(other.qemu, ElementsAre("qemu", "--dir", "x", "--", "--help"))
      << "what is behind -- is QEMU's";
}

TEST(EmulatorArgumentsTest, APolicyIsA64BitNumberInHex) {
  const std::pair<const char*, uint64_t> good[] = {
      {"0", 0}, {"30000", 0x30000}, {"0xB0000", 0xB0000}, {"ffffffffffffffff", ~uint64_t{0}}};
  for (const auto& [text, value] : good) {
    EXPECT_EQ(Parsed(Launch({"--policy", text})).policy, value) << text;
  }
  for (const char* bad : {"", "0x", "0X1", "-1", "+1", " 1", "1 ", "g", "1ffffffffffffffff"}) {
    const auto refused = ParseEmulatorArguments(Launch({"--policy", bad}));
    EXPECT_EQ(refused.error().message(), "'--policy' is no 64-bit number in hex; see --help")
        << bad;
  }
}

TEST(EmulatorArgumentsTest, HostDataIs64LowerCaseHexDigits) {
  for (const std::string& bad : {std::string(), kHex.substr(1), kHex.substr(2), kHex + "aa",
                                 std::string(64, 'A'), std::string(64, 'g')}) {
    const auto refused = ParseEmulatorArguments(
        {"launch", "--dir", "/d", "--socket", "/s", "--host-data", bad, "--", "q"});
    EXPECT_THAT(refused.error().message(), HasSubstr("'--host-data' is not 64")) << bad;
  }
}

TEST(EmulatorArgumentsTest, EveryMistakeIsNamed) {
  const std::pair<Arguments, const char*> table[] = {
      {{}, "no command"},
      {{"start"}, "unknown command 'start'"},
      {{"--Help"}, "unknown command '--Help'"},
      {{"init"}, "'--dir' is missing"},
      {{"init", "--dir"}, "'--dir' needs a value"},
      {{"init", "/d"}, "unknown option '/d'"},
      {{"init", "--dir=/d"}, "unknown option '--dir=/d'"},
      {{"init", "--dir", "/d", "--socket", "/s"}, "unknown option '--socket'"},
      {Launch({"--dir", "/e"}), "'--dir' stands twice"},
      {Launch({"--debug", "1"}), "unknown option '--debug'"},
      {Launch({}, {}), "QEMU's command line is missing after '--'"},
      {Launch({}, {"--"}), "QEMU's command line is missing after '--'"},
      {Launch({"--policy"}), "'--policy' needs a value"},
      {{"launch", "--", "q"}, "'--dir' is missing"},
      {{"launch", "--dir", "/d", "--", "q"}, "'--socket' is missing"},
      {{"launch", "--dir", "/d", "--socket", "/s", "--", "q"}, "'--host-data' is missing"}};
  for (const auto& [arguments, reason] : table) {
    const auto refused = ParseEmulatorArguments(arguments);
    ASSERT_FALSE(refused.ok()) << reason;
    EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(refused.error().message(), std::string(reason) + "; see --help");
  }
}

TEST(EmulatorArgumentsTest, HelpAndVersionAreTexts) {
  for (const Arguments& arguments :
       {Arguments{"--help"}, Arguments{"init", "--help"}, Arguments{"launch", "--dir", "--help"}}) {
    const auto command = ParseEmulatorArguments(arguments);
    ASSERT_TRUE(command.ok());
    EXPECT_THAT(std::get<EmulatorHelp>(*command).text, HasSubstr("PROTECTS NOTHING"));
  }
  const auto init = ParseEmulatorArguments({"init", "--dir", "/d"});
  EXPECT_EQ(std::get<EmulatorInit>(*init).directory, "/d");
  EXPECT_THAT(std::get<EmulatorHelp>(*ParseEmulatorArguments({"--version"})).text,
              ::testing::StartsWith("locket-tee-emulator "));
}

}  // namespace
}  // namespace locket::attest
