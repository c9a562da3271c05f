// raw_client.h: a TCP client for tests that sends exactly the bytes it is told to, and waits for what it wants to see.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <string_view>

namespace r1 {

class RawClient {
 public:
  explicit RawClient(int port, int receive_bytes = 0) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_bytes > 0) ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;
  ~RawClient() { close(); }

  bool connected() const { return connected_; }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }

  // Everything received so far, once it contains `text`; or what there is when the line closes or time is up.
  const std::string& read_until(std::string_view text, int timeout_ms = 5000) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    while (received_.find(text) == std::string::npos && !closed_ && std::chrono::steady_clock::now() < deadline)
      read_some(10);
    return received_;
  }
  // Everything until the server closes the connection.
  const std::string& read_all(int timeout_ms = 5000) { return read_until(std::string(1, '\0') + "never", timeout_ms); }
  bool closed() const { return closed_; }
  void forget() { received_.clear(); }

 private:
  void read_some(int timeout_ms) {
    pollfd polled{fd_, POLLIN, 0};
    if (::poll(&polled, 1, timeout_ms) <= 0) return;
    char bytes[16384];
    const ssize_t n = ::recv(fd_, bytes, sizeof bytes, 0);
    if (n <= 0)
      closed_ = true;
    else
      received_.append(bytes, static_cast<std::size_t>(n));
  }

  int fd_;
  bool connected_ = false, closed_ = false;
  std::string received_;
};

}  // namespace r1
