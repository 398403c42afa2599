// One GET, as Prometheus makes it.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>

#include "base/encoding.h"
#include "base/file.h"

namespace locket::snapshotter {

// The answer with its head. `address` is "127.0.0.1:<port>".
inline std::string HttpGet(const std::string& address, const std::string& path) {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  to.sin_port = ::htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0) {
    ADD_FAILURE() << "cannot connect to " << address;
    return "";
  }
  const std::string request = "GET " + path + " HTTP/1.0\r\n\r\n";
  EXPECT_TRUE(WriteFull(fd.get(), AsBytes(request)).ok());
  std::string answer;
  std::array<char, 4096> piece{};
  for (ssize_t got = 0; (got = ::read(fd.get(), piece.data(), piece.size())) > 0;) {
    answer.append(piece.data(), static_cast<size_t>(got));
  }
  return answer;
}

}  // namespace locket::snapshotter
