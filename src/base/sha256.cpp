// sha256.cpp: OpenSSL's digests; this file is the only one that includes its headers.
#include "base/sha256.h"

#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include <fmt/format.h>

namespace r1 {
namespace {

constexpr std::string_view kSha256Prefix = "sha256:", kGitPrefix = "git-sha1:";

std::string hex_of(std::span<const unsigned char> bytes) {
  std::string hex;
  for (const unsigned char byte : bytes) hex += fmt::format("{:02x}", byte);
  return hex;
}

}  // namespace

struct Hasher::State {
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  HashKind kind;
  std::unique_ptr<EVP_MD_CTX, Free> context;
};

std::string to_string(const FileHash& hash) {
  return std::string(hash.kind == HashKind::kSha256 ? kSha256Prefix : kGitPrefix) + hash.hex;
}

Result<FileHash> make_file_hash(HashKind kind, std::string_view hex, std::string_view what) {
  const std::size_t digits = kind == HashKind::kSha256 ? 64 : 40;
  FileHash hash{kind, std::string(hex)};
  for (char& c : hash.hex) c = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
  if (hash.hex.size() != digits || hash.hex.find_first_not_of("0123456789abcdef") != std::string::npos) {
    return Error{ErrorCode::kInvalidInput, fmt::format("{}: a hash is {} hexadecimal digits", what, digits)};
  }
  return hash;
}

Result<FileHash> parse_file_hash(std::string_view text, std::string_view what) {
  if (text.starts_with(kSha256Prefix)) {
    return make_file_hash(HashKind::kSha256, text.substr(kSha256Prefix.size()), what);
  }
  if (text.starts_with(kGitPrefix)) return make_file_hash(HashKind::kGitSha1, text.substr(kGitPrefix.size()), what);
  return Error{ErrorCode::kInvalidInput, fmt::format("{}: a hash starts with sha256: or git-sha1:", what)};
}

std::string sha256_hex(std::string_view text) {
  Hasher hasher(HashKind::kSha256, std::ssize(text));
  hasher.update(std::as_bytes(std::span(text)));
  return hasher.finish().hex;
}

Hasher::Hasher(HashKind kind, std::int64_t file_bytes) : state_(new State{kind, {}}) {
  state_->context.reset(EVP_MD_CTX_new());
  R1_ASSERT(state_->context != nullptr, "out of memory");
  const EVP_MD* digest = kind == HashKind::kSha256 ? EVP_sha256() : EVP_sha1();
  R1_ASSERT(EVP_DigestInit_ex(state_->context.get(), digest, nullptr) == 1, "OpenSSL has no such digest");
  if (kind == HashKind::kSha256) return;
  const std::string header = fmt::format("blob {}", file_bytes);
  update(std::as_bytes(std::span(header.c_str(), header.size() + 1)));  // with its terminating zero
}

Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;
Hasher::~Hasher() = default;

void Hasher::update(std::span<const std::byte> bytes) {
  R1_ASSERT(EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) == 1, "update after finish");
}

FileHash Hasher::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int n_bytes = 0;
  R1_ASSERT(EVP_DigestFinal_ex(state_->context.get(), digest.data(), &n_bytes) == 1, "finished twice");
  return {state_->kind, hex_of(std::span(digest).first(n_bytes))};
}

Status hash_prefix(Hasher& hasher, int descriptor, std::int64_t bytes, FunctionRef<void(std::int64_t)> on_progress) {
  std::vector<std::byte> chunk(std::size_t{1} << 20);
  for (std::int64_t done = 0; done < bytes;) {
    const auto wanted = static_cast<std::size_t>(std::min<std::int64_t>(std::ssize(chunk), bytes - done));
    const ssize_t n = ::pread(descriptor, chunk.data(), wanted, done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error{ErrorCode::kIo, fmt::format("reading what is to be hashed: {}", std::strerror(errno))};
    if (n == 0) return Error{ErrorCode::kIo, fmt::format("hashing: the file ends at {} of {} bytes", done, bytes)};
    hasher.update(std::span(chunk).first(static_cast<std::size_t>(n)));
    done += n;
    on_progress(done);
  }
  return {};
}

}  // namespace r1
