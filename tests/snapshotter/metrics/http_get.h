// One GET, as Prometheus makes it.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <string>

#include "base/encoding.h"
#include "base/file.h"

namespace locket::snapshotter {

// Connected to "127.0.0.1:<port>" or "unix://<path>".
inline UniqueFd ConnectTo(const std::string& address) {
  const bool is_unix = address.starts_with("unix://");
  UniqueFd fd(::socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage to{};
  socklen_t size = sizeof(sockaddr_in);
  if (is_unix) {
    auto& path = reinterpret_cast<sockaddr_un&>(to);
    path.sun_family = AF_UNIX;
    address.copy(static_cast<char*>(path.sun_path), sizeof(path.sun_path) - 1, 7);
    size = sizeof(sockaddr_un);
  } else {
    auto& port = reinterpret_cast<sockaddr_in&>(to);
    port.sin_family = AF_INET;
    port.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    port.sin_port =
        ::htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  }
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), size), 0) << address;
  return fd;
}

// The answer with its head.
inline std::string HttpGet(const std::string& address, const std::string& path,
                           const std::string& method = "GET") {
  const UniqueFd fd = ConnectTo(address);
  const std::string request = method + " " + path + " HTTP/1.0\r\n\r\n";
  EXPECT_TRUE(WriteFull(fd.get(), AsBytes(request)).ok());
  std::string answer;
  std::array<char, 4096> piece{};
  for (ssize_t got = 0; (got = ::read(fd.get(), piece.data(), piece.size())) > 0;) {
    answer.append(piece.data(), static_cast<size_t>(got));
  }
  return answer;
}

}  // namespace locket::snapshotter
