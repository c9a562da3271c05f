// gguf_test.cpp: what a good GGUF file gives, and what each kind of bad one is told.
#include "formats/gguf.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/temp_folder_for_tests.h"
#include "formats/gguf_bytes_for_tests.h"

namespace r1 {
namespace {

constexpr std::uint32_t kF32 = 0, kQ4_0 = 2, kIq2Xxs = 16;

std::string error_of(const GgufBytes& bytes) {
  const Result<GgufContents> contents = parse_gguf(bytes.span());
  return contents.ok() ? "no error" : contents.error().message;
}

// One shard of a split file with one tensor called `name`.
std::string shard(int number, int count, int n_tensors, std::string_view name) {
  GgufBytes bytes;
  bytes.header(1, 4).key("general.architecture", GgufType::kString).text("llama");
  bytes.key("split.no", GgufType::kU16).raw(static_cast<std::uint16_t>(number));
  bytes.key("split.count", GgufType::kU16).raw(static_cast<std::uint16_t>(count));
  bytes.key("split.tensors.count", GgufType::kI32).raw(std::int32_t{n_tensors});
  return bytes.tensor(name, {4}, kF32, 0).pad(32).data(16, '\0').string();
}

TEST(Gguf, ReadsEveryKindOfMetadata) {
  GgufBytes bytes;
  bytes.header(0, 14);
  bytes.key("u8", GgufType::kU8).raw(std::uint8_t{200}).key("i8", GgufType::kI8).raw(std::int8_t{-5});
  bytes.key("u16", GgufType::kU16).raw(std::uint16_t{60000}).key("i16", GgufType::kI16).raw(std::int16_t{-300});
  bytes.key("u32", GgufType::kU32).raw(4000000000u).key("i32", GgufType::kI32).raw(-7);
  bytes.key("u64", GgufType::kU64).raw(std::uint64_t{1} << 60).key("i64", GgufType::kI64).raw(-(std::int64_t{1} << 60));
  bytes.key("f32", GgufType::kF32).raw(0.5f).key("f64", GgufType::kF64).raw(0.1);
  bytes.key("bool", GgufType::kBool).raw(std::uint8_t{1}).key("string", GgufType::kString).text("text");
  bytes.array("names", GgufType::kString, 2).text("a").text("");
  bytes.array("numbers", GgufType::kI16, 3).raw(std::int16_t{1}).raw(std::int16_t{-2}).raw(std::int16_t{3});

  const Result<GgufContents> contents = parse_gguf(bytes.span());
  ASSERT_TRUE(contents.ok()) << contents.error().message;
  const GgufMetadata& metadata = contents->metadata;
  EXPECT_EQ(*metadata.integer("u8"), 200);
  EXPECT_EQ(*metadata.integer("i8"), -5);
  EXPECT_EQ(*metadata.integer("u16"), 60000);
  EXPECT_EQ(*metadata.integer("i16"), -300);
  EXPECT_EQ(*metadata.integer("u32"), 4000000000);
  EXPECT_EQ(*metadata.integer("i32"), -7);
  EXPECT_EQ(*metadata.integer("u64"), std::int64_t{1} << 60);
  EXPECT_EQ(*metadata.integer("i64"), -(std::int64_t{1} << 60));
  EXPECT_EQ(*metadata.number("f32"), 0.5);
  EXPECT_EQ(*metadata.number("f64"), 0.1);
  EXPECT_EQ(*metadata.number("i32"), -7.0);
  EXPECT_TRUE(*metadata.boolean("bool", false));
  EXPECT_EQ(*metadata.string("string"), "text");
  EXPECT_EQ(**metadata.strings("names"), (std::vector<std::string>{"a", ""}));
  EXPECT_EQ(**metadata.integers("numbers"), (std::vector<std::int64_t>{1, -2, 3}));
}

TEST(Gguf, MissingKeysGiveTheFallbackAndWrongTypesAnError) {
  GgufMetadata metadata;
  metadata.set("name", std::string("r1"));
  EXPECT_EQ(*metadata.integer("absent", 7), 7);
  EXPECT_EQ(*metadata.string("absent", "x"), "x");
  EXPECT_EQ(metadata.integer("absent").error().message, "the metadata has no key 'absent'");
  EXPECT_EQ(metadata.integer("name", 7).error().message, "metadata key 'name' must be an integer, but is a string");
  EXPECT_EQ(metadata.strings("name").error().message,
            "metadata key 'name' must be an array of strings, but is a string");
}

TEST(Gguf, ShapesAreSlowestFirstAndDataLiesAtItsOffset) {
  GgufBytes bytes;
  bytes.header(2, 0).tensor("a", {3}, kF32, 32).tensor("b", {32, 2}, kQ4_0, 64).pad(32);
  bytes.data(32, 'x').data(12, 'a').data(20, 'x').data(36, 'b');
  const Result<GgufContents> contents = parse_gguf(bytes.span());
  ASSERT_TRUE(contents.ok()) << contents.error().message;
  const StoredTensor &a = contents->tensors[0], &b = contents->tensors[1];
  EXPECT_EQ(a.shape, (Shape{3}));
  EXPECT_EQ(a.n_bytes, 12);
  EXPECT_EQ(static_cast<char>(a.data[0]), 'a');
  EXPECT_EQ(b.shape, (Shape{2, 32}));
  EXPECT_EQ(b.dtype, Dtype::kQ4_0);
  EXPECT_EQ(b.n_bytes, 36);
  EXPECT_EQ(static_cast<char>(b.data[35]), 'b');
}

TEST(Gguf, HonoursLargeAlignments) {
  for (const std::uint32_t alignment : {8u, 4096u, 1u << 20}) {
    GgufBytes bytes;
    bytes.header(1, 1).key("general.alignment", GgufType::kU32).raw(alignment);
    bytes.tensor("a", {1}, kF32, alignment).pad(alignment).data(alignment, 'x').data(4, 'a');
    const Result<GgufContents> contents = parse_gguf(bytes.span());
    ASSERT_TRUE(contents.ok()) << contents.error().message;
    EXPECT_EQ(static_cast<char>(contents->tensors[0].data[0]), 'a');
  }
}

TEST(Gguf, OtherVersionsAndByteOrdersAreNamed) {
  EXPECT_EQ(error_of(GgufBytes().raw('x').data(40, 0)), "not a GGUF file: it doesn't start with 'GGUF'");
  EXPECT_EQ(error_of(GgufBytes().raw(kGgufMagic).raw(2u).data(40, 0)), "GGUF version 2, this reader knows 3");
  EXPECT_EQ(error_of(GgufBytes().raw(kGgufMagic).raw(3u << 24).data(40, 0)),
            "a big-endian GGUF file, this reader knows little-endian ones");
}

TEST(Gguf, CountsAreHeldAgainstTheBytesThereAre) {
  constexpr std::uint64_t kHuge[] = {3, std::uint64_t{1} << 31, std::uint64_t{1} << 60, ~std::uint64_t{0}};
  for (const std::uint64_t n : kHuge) {
    EXPECT_EQ(error_of(GgufBytes().header(n, 0).data(40, 0)),
              fmt::format("{} tensors announced, 40 bytes are left", n));
    EXPECT_EQ(error_of(GgufBytes().header(0, n).data(40, 0)),
              fmt::format("{} metadata keys announced, 40 bytes are left", n));
    for (const GgufType type : {GgufType::kU8, GgufType::kF64, GgufType::kBool, GgufType::kString, GgufType::kArray}) {
      EXPECT_NE(error_of(GgufBytes().header(0, 1).array("list", type, n).data(2, 0)), "no error");
    }
  }
  EXPECT_EQ(error_of(GgufBytes().header(0, 1).raw(~std::uint64_t{0}).data(40, 0)),
            "metadata key at byte 32 needs 18446744073709551615 bytes, 40 are left");
}

TEST(Gguf, ShapesThatMakeNoSenseAreRefused) {
  const auto error_of_tensor = [](std::vector<std::uint64_t> dims, std::uint32_t type) {
    return error_of(GgufBytes().header(1, 0).tensor("w", std::move(dims), type, 0).pad(32).data(4096, 0));
  };
  constexpr std::uint64_t kHalf = std::uint64_t{1} << 32;
  EXPECT_EQ(error_of_tensor({}, kF32), "tensor 'w': 0 dimensions, there can be 1 to 4");
  EXPECT_EQ(error_of_tensor({1, 1, 1, 1, 1}, kF32), "tensor 'w': 5 dimensions, there can be 1 to 4");
  EXPECT_EQ(error_of_tensor({4, 0}, kF32), "tensor 'w': a dimension of 0");
  EXPECT_EQ(error_of_tensor({std::uint64_t{1} << 63}, kF32), "tensor 'w': a dimension of 9223372036854775808");
  EXPECT_NE(error_of_tensor({kHalf, kHalf}, kF32), "no error");            // the product overflows
  EXPECT_NE(error_of_tensor({std::uint64_t{1} << 62}, kF32), "no error");  // the bytes overflow
  EXPECT_NE(error_of_tensor({std::uint64_t{1} << 50}, kF32), "no error");  // the place overflows the file
  EXPECT_NE(error_of_tensor({33}, kQ4_0), "no error");                     // half a block
}

TEST(Gguf, TypesThisBuildCannotReadAreNamed) {
  const std::string error = error_of(GgufBytes().header(1, 0).tensor("w", {256}, kIq2Xxs, 0).pad(32).data(66, 0));
  EXPECT_EQ(error.substr(0, error.find(", this")), "tensor 'w': type 16 (IQ2_XXS)");
  EXPECT_NE(error_of(GgufBytes().header(1, 0).tensor("w", {256}, 77, 0).pad(32).data(66, 0)).find("type 77 (unknown)"),
            std::string::npos);
}

TEST(Gguf, PlacesOutsideTheDataAreRefused) {
  const auto error_at = [](std::uint64_t offset) {
    return error_of(GgufBytes().header(1, 0).tensor("w", {8}, kF32, offset).pad(32).data(64, 0));
  };
  EXPECT_EQ(error_at(32), "no error");
  EXPECT_EQ(error_at(8), "tensor 'w' lies at offset 8, no multiple of the alignment 32");
  EXPECT_EQ(error_at(64), "tensor 'w' has 32 bytes at offset 64, but the file ends at 64: is it cut short?");
  EXPECT_NE(error_at(~std::uint64_t{31}), "no error");
}

TEST(Gguf, OverlappingAndRepeatedTensorsAreRefused) {
  GgufBytes overlapping, repeated, keys;
  overlapping.header(2, 0).tensor("a", {16}, kF32, 0).tensor("b", {8}, kF32, 32).pad(32).data(64, 0);
  EXPECT_EQ(error_of(overlapping), "tensors 'a' and 'b' overlap");
  repeated.header(2, 0).tensor("a", {8}, kF32, 0).tensor("a", {8}, kF32, 32).pad(32).data(64, 0);
  EXPECT_EQ(error_of(repeated), "tensor 'a' comes twice");
  keys.header(0, 2).key("k", GgufType::kU8).raw('\1').key("k", GgufType::kU8).raw('\2');
  EXPECT_EQ(error_of(keys), "metadata key 'k' comes twice");
}

TEST(Gguf, AlignmentsThatAreNoneAreRefused) {
  for (const std::uint64_t alignment : {std::uint64_t{0}, std::uint64_t{3}, std::uint64_t{48}, ~std::uint64_t{0}}) {
    GgufBytes bytes;
    bytes.header(0, 1).key("general.alignment", GgufType::kU64).raw(alignment);
    EXPECT_NE(error_of(bytes.data(4096, 0)), "no error") << alignment;
  }
}

TEST(Gguf, OddMetadataIsRefused) {
  EXPECT_EQ(error_of(GgufBytes().header(0, 1).key("k", GgufType::kBool).raw(std::uint8_t{2})),
            "metadata key 'k': a boolean is 2, neither 0 nor 1");
  EXPECT_EQ(error_of(GgufBytes().header(0, 1).text("k").raw(13u).data(8, 0)),
            "metadata key 'k': a value of type 13, which GGUF doesn't have");
  EXPECT_EQ(error_of(GgufBytes().header(0, 1).array("k", GgufType::kArray, 1).raw(4u).raw(std::uint64_t{0})),
            "metadata key 'k': an array of arrays, which no known key is");
  EXPECT_EQ(error_of(GgufBytes().header(0, 1).key("a\nb", GgufType::kU8).raw('\1')),
            "metadata key 'a\\x0ab' is not a name");
  EXPECT_NE(error_of(GgufBytes().header(0, 1).key("", GgufType::kU64).raw(std::uint64_t{0})), "no error");
}

TEST(Gguf, AnyShardOpensThemAll) {
  const TempFolder folder;
  folder.write("m-00001-of-00003.gguf", shard(0, 3, 3, "a"));
  const std::string middle = folder.write("m-00002-of-00003.gguf", shard(1, 3, 3, "b"));
  folder.write("m-00003-of-00003.gguf", shard(2, 3, 3, "c"));
  const Result<GgufFile> file = GgufFile::open(middle);
  ASSERT_TRUE(file.ok()) << file.error().message;
  ASSERT_EQ(file->tensors().size(), 3u);
  EXPECT_EQ(file->tensors()[2].name, "c");
  EXPECT_EQ(file->files().size(), 3u);
  EXPECT_EQ(file->file_bytes(), 3 * static_cast<std::int64_t>(shard(0, 3, 3, "a").size()));
  EXPECT_FALSE(file->metadata().has("split.count"));
  EXPECT_EQ(*file->metadata().string("general.architecture"), "llama");
}

TEST(Gguf, ShardsThatDisagreeAreRefused) {
  const auto error_with = [](const std::string& second, bool write_second = true) {
    const TempFolder folder;
    const std::string first = folder.write("m-00001-of-00002.gguf", shard(0, 2, 2, "a"));
    if (write_second) folder.write("m-00002-of-00002.gguf", second);
    const Result<GgufFile> file = GgufFile::open(first);
    return file.ok() ? "no error" : file.error().message;
  };
  const auto ends_with = [](const std::string& text, std::string_view end) {
    return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
  };
  EXPECT_EQ(error_with(shard(1, 2, 2, "b")), "no error");
  EXPECT_PRED2(ends_with, error_with("", false), "m-00002-of-00002.gguf: No such file or directory");
  EXPECT_PRED2(ends_with, error_with(shard(1, 3, 2, "b")), "split.count is 3, but the file's name says 2");
  EXPECT_PRED2(ends_with, error_with(shard(0, 2, 2, "b")), "split.no is 0, but the file's name says 1");
  EXPECT_PRED2(ends_with, error_with(shard(1, 2, 2, "a")), "tensor 'a' comes twice");
  const TempFolder folder;
  const std::string alone = folder.write("renamed.gguf", shard(0, 2, 2, "a"));
  EXPECT_PRED2(ends_with, GgufFile::open(alone).error().message, "split.count is 2, but the file's name says 1");
  folder.write("n-00001-of-00002.gguf", shard(0, 2, 5, "a"));
  const std::string short_of = folder.write("n-00002-of-00002.gguf", shard(1, 2, 5, "b"));
  EXPECT_PRED2(ends_with, GgufFile::open(short_of).error().message, "split.tensors.count is 5, but the shards hold 2");
}

}  // namespace
}  // namespace r1
