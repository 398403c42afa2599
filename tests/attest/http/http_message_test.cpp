// HTTP answers at their limits, and where two readers of one answer could disagree.
#include "attest/http/http_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace locket::attest {
namespace {

using ::testing::HasSubstr;

const std::string kOk = "HTTP/1.1 200 OK\r\n";
const std::string kChunked = kOk + "Transfer-Encoding: chunked\r\n\r\n";

std::string Why(const std::string& bytes, bool ended = false) {
  const auto response = ParseHttpResponse(bytes, ended);
  if (response.ok()) return response->has_value() ? "whole" : "more";
  EXPECT_EQ(response.error().code(), ErrorCode::kInvalidArgument);
  return response.error().message();
}

HttpResponse Whole(const std::string& bytes, bool ended = false) {
  const auto response = ParseHttpResponse(bytes, ended);
  EXPECT_TRUE(response.ok() && response->has_value()) << bytes;
  return response.ok() && response->has_value() ? **response : HttpResponse{};
}

TEST(HttpUrlTest, HasAHostAndAPort) {
  const std::tuple<const char*, const char*, const char*> table[] = {
      {"https://a", "a", "a:443"},
      {"https://a/", "a", "a:443"},
      {"https://a.example:1", "a.example", "a.example:1"},
      {"https://a:65535/", "a", "a:65535"},
      {"https://a:0443", "a", "a:0443"},
      {"https://127.0.0.1:8443", "127.0.0.1", "127.0.0.1:8443"},
      {"https://[::1]", "::1", "[::1]:443"},
      {"https://[fe80::1]:8443", "fe80::1", "[fe80::1]:8443"}};
  for (const auto& [url, host, host_port] : table) {
    const auto parsed = ParseHttpsUrl(url);
    ASSERT_TRUE(parsed.ok()) << url;
    EXPECT_EQ(parsed->host, host) << url;
    EXPECT_EQ(parsed->host_port, host_port) << url;
  }
}

TEST(HttpUrlTest, AnythingElseIsRefusedAndQuoted) {
  for (const std::string& url :
       {std::string("HTTPS://a"), std::string("https:/a"), std::string("https:a"),
        std::string("//a"), std::string("https://a:"), std::string("https://a:-1"),
        std::string("https://a:1:2"), std::string("https://a:99999999999999999999"),
        std::string("https://a:443x"), std::string("https://a?x"), std::string("https://a#x"),
        std::string("https://a//"), std::string("https://user:pw@a"), std::string("https://[]"),
        std::string("https://[]:1"), std::string("https://a b"), std::string("https://a\n"),
        "https://" + std::string(510, 'a')}) {
    const auto refused = ParseHttpsUrl(url);
    ASSERT_FALSE(refused.ok()) << url;
    EXPECT_EQ(refused.error().message(), "'" + url + "' is not of the form https://host[:port]");
  }
}

TEST(HttpHeadTest, TheStatusIsThreeDigitsOfAFinalAnswer) {
  const auto status = [](const std::string& line) { return Why(line + "\r\n\r\n", true); };
  for (const char* good : {"HTTP/1.1 200", "HTTP/1.0 404 Not Found", "HTTP/1.1 599 "}) {
    EXPECT_EQ(status(good), "whole") << good;
  }
  for (const char* bad : {"HTTP/1.1 100 Continue", "HTTP/1.1 199", "HTTP/1.1 600", "HTTP/1.1 2x0",
                          "HTTP/1.1 -20", "HTTP/1.1  20"}) {
    EXPECT_THAT(status(bad), HasSubstr("no final status")) << bad;
  }
  for (const char* bad : {"", "200 OK", "HTTP/2 200 OK", "HTTP/1.1200 OK", "http/1.1 200 OK",
                          "HTTP/1.1 20", " HTTP/1.1 200 OK"}) {
    EXPECT_THAT(status(bad), HasSubstr("no HTTP/1 status line")) << bad;
  }
  EXPECT_EQ(Whole("HTTP/1.1 503 Busy\r\n\r\n", true).status, 503);
}

TEST(HttpHeadTest, NamesAreLowerCaseAndTheLastOfANameCounts) {
  const auto headers = Whole(kOk +
                             "X-One: a \r\nx-TWO:\t b: c\t\r\nx-one: second\r\nEmpty:\r\n"
                             "Content-Length: 0\r\n\r\n")
                           .headers;
  EXPECT_EQ(headers.at("x-one"), "second");
  EXPECT_EQ(headers.at("x-two"), "b: c");
  EXPECT_EQ(headers.at("empty"), "");
  EXPECT_EQ(headers.size(), 4U);
  for (const char* line : {"no colon", ": no name", ""}) {
    EXPECT_THAT(Why(kOk + "a: b\r\n" + line + "\r\nc: d\r\n\r\n"),
                line[0] == '\0' ? HasSubstr("more") : HasSubstr("a header without name"))
        << line;
  }
}

TEST(HttpHeadTest, EndsBelow64KiB) {
  const auto head = [](size_t size) {
    const std::string start = kOk + "Content-Length: 0\r\na: ";
    return start + std::string(size - start.size() - 4, 'x') + "\r\n\r\n";
  };
  EXPECT_EQ(Why(head(kMaxHttpHeaderBytes)), "whole");
  EXPECT_THAT(Why(head(kMaxHttpHeaderBytes + 1)), HasSubstr("headers above the limit"));
  EXPECT_EQ(Why(std::string(kMaxHttpHeaderBytes - 1, 'x')), "more");
  EXPECT_THAT(Why(std::string(kMaxHttpHeaderBytes, 'x')), HasSubstr("headers above the limit"));
}

TEST(HttpBodyTest, TheLengthIsADecimalNumberWithinTheLimit) {
  const auto with = [](const std::string& length) {
    return Why(kOk + "Content-Length: " + length + "\r\n\r\nab");
  };
  EXPECT_EQ(with("2"), "whole");
  EXPECT_EQ(with("02"), "whole");
  EXPECT_EQ(with("3"), "more");
  EXPECT_EQ(with(std::to_string(kMaxHttpBodyBytes)), "more");
  EXPECT_THAT(with(std::to_string(kMaxHttpBodyBytes + 1)), HasSubstr("a body above the limit"));
  for (const char* bad :
       {"", "-1", "+2", "0x2", "2 2", "2,2", "2.0", "two", "99999999999999999999999"}) {
    EXPECT_THAT(with(bad), HasSubstr("a content length that is no number")) << bad;
  }
}

TEST(HttpBodyTest, ABodyThatEndsEarlyIsNotTakenForAWholeOne) {
  const std::string answer = kOk + "Content-Length: 5\r\n\r\nabc";
  EXPECT_EQ(Why(answer), "more");
  EXPECT_THAT(Why(answer, true), HasSubstr("it ended inside its body"));
  EXPECT_THAT(Why(kChunked + "5\r\nabc", true), HasSubstr("it ended inside its body"));
  EXPECT_THAT(Why(kChunked + "3\r\nabc\r\n", true), HasSubstr("it ended inside its body"));
  EXPECT_EQ(Whole(kOk + "\r\nabc", true).body, "abc") << "this one ends with the connection";
}

// An answer with both would be read by a length by one reader and by chunks by another.
TEST(HttpBodyTest, ATransferEncodingGoesBeforeALength) {
  const std::string both =
      kOk + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
  EXPECT_EQ(Whole(both).body, "abc");
  for (const char* other : {"gzip", "identity", "chunked, chunked", "chunked;x", "Chunked", ""}) {
    EXPECT_THAT(Why(kOk + "Transfer-Encoding: " + other + "\r\n\r\n0\r\n\r\n"),
                HasSubstr("an unknown transfer encoding"))
        << other;
  }
}

TEST(HttpBodyTest, SomeAnswersHaveNone) {
  for (const char* status : {"204 No Content", "304 Not Modified"}) {
    const auto response =
        Whole(std::string("HTTP/1.1 ") + status + "\r\nContent-Length: 5\r\n\r\nabcde");
    EXPECT_EQ(response.body, "") << status;
  }
}

TEST(HttpChunkTest, SizesAreHexWithOptionalExtensions) {
  const std::string ten = "0123456789";
  for (const char* size : {"a", "A", "0a", "a;x", "a;x=y;z=\"w\"", "a; x"}) {
    EXPECT_EQ(Whole(kChunked + size + "\r\n" + ten + "\r\n0\r\n\r\n").body, ten) << size;
  }
  for (const char* size :
       {"", ";", " a", "a ", "0xa", "+a", "-1", "g", "a\n", "a\rb", "10000000000000000"}) {
    EXPECT_THAT(Why(kChunked + size + "\r\n" + ten + "\r\n"), HasSubstr("a chunk without length"))
        << size;
  }
}

TEST(HttpChunkTest, EachEndsWithALineFeedAndTheLastMayHaveTrailers) {
  EXPECT_THAT(Why(kChunked + "2\r\nabX\r\n"), HasSubstr("a chunk without end"));
  EXPECT_THAT(Why(kChunked + "2\r\nab\n\n0\r\n\r\n"), HasSubstr("a chunk without end"));
  EXPECT_EQ(Whole(kChunked + "2\r\nab\r\n000\r\nTrailer: x\r\nOther: y\r\n\r\n").body, "ab");
  EXPECT_EQ(Whole(kChunked + "0\r\n\r\n").body, "");
  EXPECT_EQ(Why(kChunked + "0\r\nTrailer: x\r\n"), "more");
}

TEST(HttpChunkTest, AllTogetherAreWithinTheLimitOfABody) {
  const std::string half(kMaxHttpBodyBytes / 2, 'x');
  const std::string chunk = "200000\r\n" + half + "\r\n";
  EXPECT_EQ(Whole(kChunked + chunk + chunk + "0\r\n\r\n").body.size(), kMaxHttpBodyBytes);
  EXPECT_THAT(Why(kChunked + chunk + chunk + "1\r\n"), HasSubstr("a body above the limit"));
  EXPECT_THAT(Why(kChunked + "400001\r\n"), HasSubstr("a body above the limit"));
  EXPECT_THAT(Why(kChunked + "ffffffffffffffff\r\n"), HasSubstr("a body above the limit"));
}

TEST(HttpMessageTest, UrlsAreHttpsHostAndPort) {
  EXPECT_EQ(ParseHttpsUrl("https://a.example:8443/")->host_port, "a.example:8443");
  EXPECT_EQ(ParseHttpsUrl("https://a.example")->host_port, "a.example:443");
  EXPECT_EQ(ParseHttpsUrl("https://[::1]:1")->host, "::1");
  EXPECT_EQ(ParseHttpsUrl("https://[::1]:1")->host_port, "[::1]:1");
  for (const char* url : {"http://a", "https://", "https://a/b", "https://u@a", "https://a:0",
                          "https://a:65536", "https://a:x", "https://[::1", "https://a b", "a",
                          "https://[::1]x:1", "https://:1", "https://a\r\n"}) {
    EXPECT_FALSE(ParseHttpsUrl(url).ok()) << url;
  }
}

TEST(HttpMessageTest, AnswersAreReadInEveryForm) {
  const std::pair<const char*, const char*> whole[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "hi"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi and more", "hi"},
      {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n1;x=y\r\n!\r\n0\r\n\r\n",
       "hi!"},
      {"HTTP/1.1 204 No\r\n\r\n", ""}};
  for (const auto& [bytes, body] : whole) {
    const auto response = ParseHttpResponse(bytes, /*ended=*/false);
    ASSERT_TRUE(response.ok()) << bytes;
    ASSERT_TRUE(response->has_value()) << bytes;
    EXPECT_EQ((*response)->body, body);
  }
  const std::string endless = "HTTP/1.0 200 OK\r\nA: b\r\n\r\nhi";
  EXPECT_FALSE(ParseHttpResponse(endless, /*ended=*/false)->has_value());
  EXPECT_EQ((*ParseHttpResponse(endless, /*ended=*/true))->body, "hi");
}

TEST(HttpMessageTest, EveryPrefixOfAnAnswerAsksForMore) {
  const std::string answer =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
  for (size_t size = 0; size < answer.size(); ++size) {
    const auto part = ParseHttpResponse(answer.substr(0, size), /*ended=*/false);
    ASSERT_TRUE(part.ok()) << size << ": " << part.error().message();
    EXPECT_FALSE(part->has_value()) << size;
    EXPECT_FALSE(ParseHttpResponse(answer.substr(0, size), /*ended=*/true).ok()) << size;
  }
}

TEST(HttpMessageTest, NonsenseIsRefused) {
  for (const std::string bytes :
       {"SSH-2.0\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n"}) {
    EXPECT_FALSE(ParseHttpResponse(bytes, /*ended=*/false).ok()) << bytes;
  }
  EXPECT_FALSE(ParseHttpResponse(std::string(70000, 'x'), /*ended=*/false).ok());
}

// A broker, or who stands in for it, that never comes to an end.
TEST(HttpMessageTest, AnswersWithoutEndAreRefusedAtALimit) {
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  const auto repeat = [](const std::string& text, size_t times) {
    std::string out;
    for (size_t i = 0; i < times; ++i) out += text;
    return out;
  };
  const std::pair<std::string, const char*> table[] = {
      {"HTTP/1.1 200 OK\r\n" + repeat("a: b\r\n", 20000), "headers above the limit"},
      {"HTTP/1.1 200 OK\r\n\r\n" + std::string(kMaxHttpBodyBytes + 1, 'x'),
       "a body above the limit"},
      {chunked + "1;" + std::string(2000, 'x'), "a chunk without length"},
      {chunked + "1;" + std::string(2000, 'x') + "\r\nx\r\n", "a chunk without length"},
      {chunked + repeat("10000\r\n" + std::string(0x10000, 'x') + "\r\n", 65),
       "a body above the limit"},
      {chunked + repeat("1;" + std::string(900, 'e') + "\r\nx\r\n", 10000),
       "an answer above the limit"},
      {chunked + "0\r\n" + repeat("a: b\r\n", 20000), "trailers above the limit"}};
  for (const auto& [bytes, reason] : table) {
    const auto answer = ParseHttpResponse(bytes, /*ended=*/false);
    ASSERT_FALSE(answer.ok()) << reason;
    EXPECT_THAT(answer.error().message(), HasSubstr(reason));
  }
}

}  // namespace
}  // namespace locket::attest
