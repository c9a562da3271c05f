// writers_test.cpp: what is written is what is read, and a failure leaves nothing behind.
#include <sys/resource.h>

#include <csignal>
#include <cstring>

#include <gtest/gtest.h>

#include "base/rng.h"
#include "base/temp_folder_for_tests.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"

namespace r1 {
namespace {

// Bytes that tell tensors and positions apart.
std::vector<std::byte> bytes_for(std::size_t tensor, std::int64_t n_bytes) {
  Rng rng(7, tensor);
  std::vector<std::byte> bytes(static_cast<std::size_t>(n_bytes));
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(rng.bits());
  return bytes;
}

// Produces bytes_for() in pieces of odd sizes.
auto producer(const std::vector<AnnouncedTensor>& tensors) {
  return [&tensors](std::size_t i, const TensorSink& sink) -> Status {
    const auto bytes = bytes_for(i, *checked_bytes(tensors[i].dtype, tensors[i].shape));
    for (std::size_t start = 0; start < bytes.size(); start += 999) {
      R1_TRY_STATUS(sink(std::span(bytes).subspan(start, std::min<std::size_t>(999, bytes.size() - start))));
    }
    return {};
  };
}

void expect_same(const std::vector<AnnouncedTensor>& written, const std::vector<StoredTensor>& read) {
  ASSERT_EQ(written.size(), read.size());
  for (std::size_t i = 0; i < written.size(); ++i) {
    const auto found =
        std::find_if(read.begin(), read.end(), [&](auto& tensor) { return tensor.name == written[i].name; });
    ASSERT_NE(found, read.end()) << written[i].name;
    EXPECT_EQ(found->dtype, written[i].dtype);
    EXPECT_EQ(found->shape, written[i].shape);
    const auto bytes = bytes_for(i, found->n_bytes);
    EXPECT_EQ(std::memcmp(bytes.data(), found->data, bytes.size()), 0) << written[i].name;
  }
}

std::vector<AnnouncedTensor> all_gguf_types() {
  std::vector<AnnouncedTensor> tensors;
  for (const DtypeTraits& type : all_dtypes()) {
    if (type.ggml_type >= 0) tensors.push_back({"blk." + std::string(type.name), type.dtype, {3, 5, 256}});
  }
  tensors.push_back({"odd", Dtype::kF16, {7}});
  tensors.push_back({"last", Dtype::kF32, {1, 2, 3, 4}});
  return tensors;
}

std::vector<AnnouncedTensor> all_safetensors_types() {
  std::vector<AnnouncedTensor> tensors;
  for (const DtypeTraits& type : all_dtypes()) {
    if (!type.safetensors.empty()) tensors.push_back({"layer." + std::string(type.name), type.dtype, {3, 5, 37}});
  }
  tensors.push_back({"scalar", Dtype::kF32, {}});
  return tensors;
}

// While it lives, files can't grow beyond n bytes: what a full disk looks like to a writer.
class SmallDisk {
 public:
  explicit SmallDisk(rlim_t n_bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    previous_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{n_bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &small);
  }
  ~SmallDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, previous_handler_);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

 private:
  rlimit before_{};
  void (*previous_handler_)(int) = nullptr;
};

TEST(GgufWriter, WhatIsWrittenIsRead) {
  GgufMetadata metadata;
  metadata.set("general.architecture", std::string("deepseek2"));
  metadata.set("count", std::uint64_t{61});
  metadata.set("large", std::uint64_t{1} << 40);
  metadata.set("negative", std::int64_t{-3});
  metadata.set("rate", 0.25);
  metadata.set("flag", true);
  metadata.set("tokens", GgufArray{std::vector<std::string>{"a", "", "\xe2\x96\x81"}});
  metadata.set("types", GgufArray{std::vector<std::int64_t>{1, -1}});
  metadata.set("wide", GgufArray{std::vector<std::int64_t>{std::int64_t{1} << 40}});
  metadata.set("scores", GgufArray{std::vector<double>{0.5, -1.0}});
  metadata.set("flags", GgufArray{std::vector<bool>{true, false}});
  metadata.set("empty", GgufArray{std::vector<std::string>{}});

  for (const std::uint64_t alignment : {8, 32, 4096}) {
    const TempFolder folder;
    const std::vector<AnnouncedTensor> tensors = all_gguf_types();
    metadata.set("general.alignment", alignment);
    ASSERT_TRUE(GgufWriter(metadata, tensors).write(folder.path_of("m.gguf"), producer(tensors)).ok());
    const auto file = GgufFile::open(folder.path_of("m.gguf"));
    ASSERT_TRUE(file.ok()) << file.error().message;
    expect_same(tensors, file->tensors());
    for (const StoredTensor& tensor : file->tensors()) {
      EXPECT_EQ((tensor.data - file->files()[0].bytes().data()) % static_cast<std::ptrdiff_t>(alignment), 0);
    }
    EXPECT_EQ(*file->metadata().integer("count"), 61);
    EXPECT_EQ(*file->metadata().integer("large"), std::int64_t{1} << 40);
    EXPECT_EQ(*file->metadata().integer("negative"), -3);
    EXPECT_EQ(*file->metadata().number("rate"), 0.25);
    EXPECT_TRUE(*file->metadata().boolean("flag", false));
    EXPECT_EQ((**file->metadata().strings("tokens"))[2], "\xe2\x96\x81");
    EXPECT_EQ(**file->metadata().integers("types"), (std::vector<std::int64_t>{1, -1}));
    EXPECT_EQ((**file->metadata().integers("wide"))[0], std::int64_t{1} << 40);
    EXPECT_EQ((**file->metadata().strings("empty")).size(), 0u);
    EXPECT_EQ(folder.n_entries(), 1);
  }
}

TEST(GgufWriter, RefusesWhatTheFormatCannotHold) {
  const TempFolder folder;
  const auto error_for = [&](std::vector<AnnouncedTensor> tensors) {
    return GgufWriter({}, tensors).write(folder.path_of("m.gguf"), producer(tensors)).error().message;
  };
  EXPECT_EQ(error_for({{"w", Dtype::kF8E4M3, {2, 2}}}), "tensor 'w': GGUF has no type F8_E4M3");
  EXPECT_EQ(error_for({{"w", Dtype::kF32, {}}}), "tensor 'w': GGUF has no tensors without dimensions");
  EXPECT_EQ(error_for({{"w", Dtype::kF32, {2, 0}}}), "tensor 'w': shape [2, 0] is empty");
  EXPECT_EQ(error_for({{"w", Dtype::kF32, {1}}, {"w", Dtype::kF32, {1}}}), "tensor 'w' comes twice");
  EXPECT_NE(error_for({{std::string(64, 'x'), Dtype::kF32, {1}}}), "");
  EXPECT_NE(error_for({{"w", Dtype::kQ4_K, {2, 100}}}), "");
  EXPECT_EQ(folder.n_entries(), 0);
}

TEST(GgufWriter, AFullDiskIsOneErrorAndLeavesTheOldFile) {
  const TempFolder folder;
  const std::string path = folder.write("m.gguf", "old");
  const std::vector<AnnouncedTensor> tensors = {{"w", Dtype::kF32, {1024, 1024}}};
  Status status;
  {
    const SmallDisk disk(1 << 20);
    status = GgufWriter({}, tensors).write(path, producer(tensors));
  }
  EXPECT_EQ(status.error().message, "making room for " + path + " (4194400 bytes): File too large");
  EXPECT_EQ(*read_file(path, 100), "old");
  EXPECT_EQ(folder.n_entries(), 1);
}

TEST(GgufWriter, NothingIsSeenUntilItIsComplete) {
  const TempFolder folder;  // on a file system with O_TMPFILE, as Linux's own are
  int n_entries_while_writing = -1;
  const auto produce = [&](std::size_t, const TensorSink& sink) {
    n_entries_while_writing = folder.n_entries();
    return sink(std::vector<std::byte>(16));
  };
  ASSERT_TRUE(GgufWriter({}, {{"w", Dtype::kF32, {4}}}).write(folder.path_of("m.gguf"), produce).ok());
  EXPECT_EQ(n_entries_while_writing, 0);
  EXPECT_EQ(folder.n_entries(), 1);
}

TEST(GgufWriter, AProducerIsHeldToWhatWasAnnounced) {
  const TempFolder folder;
  const GgufWriter writer({}, {{"w", Dtype::kF32, {4}}});
  const auto error_with = [&](std::size_t n_bytes) {
    const std::vector<std::byte> bytes(n_bytes);
    const auto produce = [&](std::size_t, const TensorSink& sink) { return sink(bytes); };
    const Status status = writer.write(folder.path_of("m.gguf"), produce);
    return status.ok() ? "no error" : status.error().message;
  };
  EXPECT_EQ(error_with(15), "tensor w: 15 bytes, 16 were announced");
  EXPECT_EQ(error_with(17), "tensor w: more than the 16 bytes announced");
  EXPECT_EQ(folder.n_entries(), 0);
  EXPECT_EQ(error_with(16), "no error");
}

TEST(SafetensorsWriter, WhatIsWrittenIsReadAndAligned) {
  const TempFolder folder;
  const std::vector<AnnouncedTensor> tensors = all_safetensors_types();
  ASSERT_TRUE(SafetensorsWriter(tensors).write(folder.path_of("m.safetensors"), producer(tensors)).ok());
  const auto file = SafetensorsFile::open(folder.path_of("m.safetensors"));
  ASSERT_TRUE(file.ok()) << file.error().message;
  expect_same(tensors, file->tensors());
  const auto in_place = parse_safetensors(file->files()[0].bytes());
  for (const StoredTensor& tensor : *in_place) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.data) % traits(tensor.dtype).block_bytes, 0u) << tensor.name;
  }
}

TEST(SafetensorsWriter, ShardsHoldWholeTensorsAndAnIndex) {
  const TempFolder folder;
  const std::vector<AnnouncedTensor> tensors = all_safetensors_types();
  ASSERT_TRUE(SafetensorsWriter(tensors).write_folder(folder.path(), 4000, producer(tensors)).ok());
  const auto file = SafetensorsFile::open(folder.path());
  ASSERT_TRUE(file.ok()) << file.error().message;
  expect_same(tensors, file->tensors());
  EXPECT_GT(file->files().size(), 1u);
  EXPECT_EQ(folder.n_entries(), static_cast<int>(file->files().size()) + 1);

  const TempFolder whole;
  ASSERT_TRUE(SafetensorsWriter(tensors).write_folder(whole.path(), 1 << 20, producer(tensors)).ok());
  EXPECT_TRUE(file_exists(whole.path_of("model.safetensors")));
}

TEST(SafetensorsWriter, AFailureInALaterShardRemovesTheEarlier) {
  const TempFolder folder;
  const std::vector<AnnouncedTensor> tensors = {{"a", Dtype::kF32, {4}}, {"b", Dtype::kF32, {4}}};
  const auto good = producer(tensors);
  const auto fails_on_b = [&](std::size_t i, const TensorSink& sink) -> Status {
    if (i == 1) return Error{ErrorCode::kIo, "the source went away"};
    return good(i, sink);
  };
  const Status status = SafetensorsWriter(tensors).write_folder(folder.path(), 16, fails_on_b);
  EXPECT_EQ(status.error().message, "tensor b: the source went away");
  EXPECT_EQ(folder.n_entries(), 0);
}

}  // namespace
}  // namespace r1
