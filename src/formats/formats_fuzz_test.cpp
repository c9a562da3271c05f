// formats_fuzz_test.cpp: cut, flipped and overwritten files. Whatever the bytes, a reader gives tensors that lie within
// them or an Error of one line, and needs little memory for it. The same mutations every time.
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include <gtest/gtest.h>

#include "base/rng.h"
#include "base/temp_folder_for_tests.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"

namespace r1 {
namespace {

// While it lives, the process can't grow by more than n bytes: an allocation that believes a header ends the test.
// Sanitizers keep terabytes of address space for themselves; with them it does nothing.
class LittleMemory {
 public:
  explicit LittleMemory(rlim_t n_bytes) {
    ::getrlimit(RLIMIT_AS, &before_);
    const rlim_t used = used_bytes();
    if (used > (rlim_t{1} << 40)) return;
    const rlimit little{used + n_bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_AS, &little);
  }
  ~LittleMemory() { ::setrlimit(RLIMIT_AS, &before_); }
  LittleMemory(const LittleMemory&) = delete;
  LittleMemory& operator=(const LittleMemory&) = delete;

 private:
  static rlim_t used_bytes() {
    unsigned long pages = 0;
    std::FILE* file = std::fopen("/proc/self/statm", "r");
    if (file == nullptr) return ~rlim_t{0};
    if (std::fscanf(file, "%lu", &pages) != 1) pages = 0;
    std::fclose(file);
    return pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE));
  }
  rlimit before_{};
};

Status produce_zeros(std::int64_t n_bytes, const TensorSink& sink) {
  return sink(std::vector<std::byte>(static_cast<std::size_t>(n_bytes)));
}

// All value types, several tensors, the last of them a multiple of the alignment: no byte of it can be spared.
std::string small_gguf() {
  GgufMetadata metadata;
  metadata.set("general.architecture", std::string("deepseek2"));
  metadata.set("deepseek2.block_count", std::uint64_t{3});
  metadata.set("big", std::uint64_t{1} << 40);
  metadata.set("negative", std::int64_t{-1});
  metadata.set("rate", 0.5);
  metadata.set("flag", true);
  metadata.set("tokenizer.ggml.tokens", GgufArray{std::vector<std::string>{"a", "bc", ""}});
  metadata.set("tokenizer.ggml.token_type", GgufArray{std::vector<std::int64_t>{1, 1, 3}});
  metadata.set("scores", GgufArray{std::vector<double>{0.5, 1.5}});
  metadata.set("flags", GgufArray{std::vector<bool>{true, false}});
  const std::vector<AnnouncedTensor> tensors = {
      {"token_embd.weight", Dtype::kF16, {3, 7}}, {"blk.0.w", Dtype::kQ4_0, {2, 64}}, {"norm", Dtype::kF32, {8}}};
  const TempFolder folder;
  const auto produce = [&](std::size_t i, const TensorSink& sink) {
    return produce_zeros(*checked_bytes(tensors[i].dtype, tensors[i].shape), sink);
  };
  EXPECT_TRUE(GgufWriter(metadata, tensors).write(folder.path_of("m"), produce).ok());
  return *read_file(folder.path_of("m"), 1 << 20);
}

std::string small_safetensors() {
  const std::vector<AnnouncedTensor> tensors = {
      {"model.embed.weight", Dtype::kBF16, {3, 7}}, {"w", Dtype::kF8E4M3, {2, 9}}, {"s", Dtype::kF32, {}}};
  const TempFolder folder;
  const auto produce = [&](std::size_t i, const TensorSink& sink) {
    return produce_zeros(*checked_bytes(tensors[i].dtype, tensors[i].shape), sink);
  };
  EXPECT_TRUE(SafetensorsWriter(tensors).write(folder.path_of("m"), produce).ok());
  return *read_file(folder.path_of("m"), 1 << 20);
}

void expect_sound(const Error& error) {
  EXPECT_FALSE(error.message.empty());
  EXPECT_LT(error.message.size(), 1000u);
  EXPECT_EQ(error.message.find('\n'), std::string::npos) << error.message;
}

void expect_within(const std::vector<StoredTensor>& tensors, std::span<const std::byte> bytes) {
  for (const StoredTensor& tensor : tensors) {
    EXPECT_GE(tensor.data, bytes.data());
    EXPECT_LE(tensor.data + tensor.n_bytes, bytes.data() + bytes.size());
    EXPECT_EQ(tensor.n_bytes, *checked_bytes(tensor.dtype, tensor.shape));
  }
}

// True when the bytes were accepted. Parsed from a copy of their exact size, so that a sanitizer sees a step beyond.
bool parse_any(bool is_gguf, const std::string& text) {
  const std::vector<char> copy(text.begin(), text.end());
  const auto bytes = std::as_bytes(std::span(copy));
  if (is_gguf) {
    const auto contents = parse_gguf(bytes);
    contents.ok() ? expect_within(contents->tensors, bytes) : expect_sound(contents.error());
    return contents.ok();
  }
  const auto tensors = parse_safetensors(bytes);
  tensors.ok() ? expect_within(*tensors, bytes) : expect_sound(tensors.error());
  return tensors.ok();
}

std::string mutate(std::string bytes, Rng& rng) {
  constexpr std::uint64_t kEvil[] = {0,          1,           0x7f,       0xff,       0x7fffffff, 0x80000000,
                                     0xffffffff, 0x100000000, 1ull << 40, 1ull << 60, 1ull << 63, ~0ull};
  for (std::uint64_t n = 1 + rng.below(4); n > 0; --n) {
    const std::size_t at = rng.below(bytes.size());
    const std::size_t width = std::min<std::size_t>(bytes.size() - at, std::size_t{1} << rng.below(4));
    switch (rng.below(5)) {
      case 0:
        bytes[at] = static_cast<char>(rng.bits());
        break;
      case 1:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << rng.below(8)));
        break;
      case 2:
        std::memcpy(bytes.data() + at, &kEvil[rng.below(std::size(kEvil))], width);
        break;
      case 3:
        bytes.erase(at, width);
        break;
      case 4:
        bytes.insert(at, bytes.substr(rng.below(bytes.size()), width));
        break;
    }
    if (bytes.empty()) bytes = "x";
  }
  return bytes;
}

TEST(FormatsFuzz, AFileCutAtAnyByteIsAnError) {
  for (const bool is_gguf : {true, false}) {
    const std::string whole = is_gguf ? small_gguf() : small_safetensors();
    ASSERT_TRUE(parse_any(is_gguf, whole));
    for (std::size_t n = 0; n < whole.size(); ++n) {
      EXPECT_FALSE(parse_any(is_gguf, whole.substr(0, n))) << n << " of " << whole.size() << " bytes";
    }
  }
}

TEST(FormatsFuzz, MutatedFilesNeitherCrashNorTakeMemory) {
  constexpr int kMutations = 20'000;
  const std::string originals[] = {small_safetensors(), small_gguf()};
  const LittleMemory memory(std::size_t{8} << 20);
  for (const bool is_gguf : {true, false}) {
    Rng rng(2024, is_gguf ? 1 : 0);
    int n_accepted = 0;
    for (int i = 0; i < kMutations && !testing::Test::HasFailure(); ++i) {
      n_accepted += parse_any(is_gguf, mutate(originals[is_gguf ? 1 : 0], rng)) ? 1 : 0;
    }
    // Both ways out are reached: else the mutations test nothing.
    EXPECT_GT(n_accepted, kMutations / 100);
    EXPECT_LT(n_accepted, kMutations * 9 / 10);
  }
}

}  // namespace
}  // namespace r1
