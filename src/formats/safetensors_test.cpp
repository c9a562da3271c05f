// safetensors_test.cpp: what a good safetensors file or folder gives, and what each kind of bad one is told.
#include "formats/safetensors.h"

#include <cstring>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/temp_folder_for_tests.h"

namespace r1 {
namespace {

std::string file_of(std::string_view header, std::size_t n_data) {
  const std::uint64_t length = header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  bytes += header;
  for (std::size_t i = 0; i < n_data; ++i) bytes += static_cast<char>(i);
  return bytes;
}

std::string error_of(std::string_view header, std::size_t n_data) {
  const std::string bytes = file_of(header, n_data);
  const auto tensors = parse_safetensors(std::as_bytes(std::span(bytes)));
  return tensors.ok() ? "no error" : tensors.error().message;
}

std::string one_tensor(std::string_view name) {
  return file_of(fmt::format(R"({{"{}":{{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}}})", name), 8);
}

TEST(Safetensors, ReadsEveryTypeInOrderOfPlace) {
  const std::string bytes = file_of(R"({"__metadata__":{"format":"pt"},
      "i64":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},
      "f32":{"dtype":"F32","shape":[],"data_offsets":[8,12]},
      "i32":{"dtype":"I32","shape":[1],"data_offsets":[12,16]},
      "f8":{"dtype":"F8_E4M3","shape":[2,3],"data_offsets":[20,26]},
      "none":{"dtype":"F16","shape":[0,7],"data_offsets":[20,20]},
      "bf16":{"dtype":"BF16","shape":[1,2],"data_offsets":[16,20]},
      "f16":{"data_offsets":[26,28],"shape":[1],"dtype":"F16"}}  )",
                                    28);
  const auto tensors = parse_safetensors(std::as_bytes(std::span(bytes)));
  ASSERT_TRUE(tensors.ok()) << tensors.error().message;
  std::vector<std::string> names;
  for (const StoredTensor& tensor : *tensors) names.push_back(tensor.name);
  EXPECT_EQ(names, (std::vector<std::string>{"i64", "f32", "i32", "bf16", "none", "f8", "f16"}));
  EXPECT_EQ((*tensors)[1].shape, Shape{});
  EXPECT_EQ((*tensors)[5].shape, (Shape{2, 3}));
  EXPECT_EQ((*tensors)[5].dtype, Dtype::kF8E4M3);
  EXPECT_EQ(static_cast<int>((*tensors)[6].data[0]), 26);
}

TEST(Safetensors, HeaderLengthIsHeldAgainstTheFile) {
  for (const std::uint64_t length : {std::uint64_t{9}, std::uint64_t{100'000'000}, ~std::uint64_t{0}}) {
    std::string bytes(16, ' ');
    std::memcpy(bytes.data(), &length, sizeof length);
    EXPECT_FALSE(parse_safetensors(std::as_bytes(std::span(bytes))).ok()) << length;
  }
}

TEST(Safetensors, OffsetsMustFitTheShapeAndTheData) {
  const auto error_with = [](std::string_view shape, std::string_view offsets) {
    return error_of(fmt::format(R"({{"a":{{"dtype":"F32","shape":{},"data_offsets":{}}}}})", shape, offsets), 8);
  };
  EXPECT_EQ(error_with("[2]", "[0,8]"), "no error");
  EXPECT_EQ(error_with("[3]", "[0,12]"),
            "tensor 'a': data_offsets 0 to 12, but the data has 8 bytes: is the file cut short?");
  EXPECT_EQ(error_with("[3]", "[0,8]"), "tensor 'a': [3] of F32 is 12 bytes, but data_offsets 0 to 8 are 8");
  EXPECT_EQ(error_with("[1]", "[0,4]"), "4 bytes at the end belong to no tensor");
  EXPECT_EQ(error_with("[1]", "[4,8]"), "4 bytes before tensor 'a' belong to none");
  for (const auto* shape : {"[4294967296,4294967296]", "[4611686018427387905]", "[18446744073709551615]", "[-2]",
                            "[2.0]", "[1,1,1,1,2]", "2", "null", "[[2]]", "[\"2\"]", "[99999999999999999999999]"}) {
    EXPECT_NE(error_with(shape, "[0,8]"), "no error") << shape;
  }
  for (const auto* offsets : {"[8,0]", "[0]", "[]", "[0,8,8]", "[-8,0]", "[18446744073709551608,0]", "{}"}) {
    EXPECT_NE(error_with("[2]", offsets), "no error") << offsets;
  }
}

TEST(Safetensors, OverlapsAndRepeatsAreRefused) {
  EXPECT_EQ(error_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},
                         "b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                     8),
            "tensors 'a' and 'b' overlap");
  EXPECT_EQ(error_of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},
                         "a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                     8),
            "tensor 'a' comes twice");
}

TEST(Safetensors, HeadersThatAreNotTensorsAreRefused) {
  for (const auto* header :
       {"", "[]", "7", "{", R"({"a":3})", R"({"a":[]})", R"({"a":{"dtype":{}}})", R"({"a":{"x":"y"}})",
        R"({"__metadata__":{"a":{}}})", R"({"a":{}})", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}x)"}) {
    EXPECT_NE(error_of(header, 8), "no error") << header;
  }
  EXPECT_EQ(error_of(R"({"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}})", 8),
            "tensor 'a': type 'F64', this build reads F32, F16, BF16, F8_E4M3, I32, I64");
  const std::string deep = std::string(100'000, '[');
  EXPECT_NE(error_of(deep, 8), "no error");
}

TEST(Safetensors, TensorsAtOddAddressesAreAlignedOnOpening) {
  const TempFolder folder;
  const std::string path = folder.write("odd.safetensors", file_of(R"({"a":{"dtype":"F8_E4M3","shape":[1],
      "data_offsets":[0,1]},"b":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}})",
                                                                   5));
  const auto file = SafetensorsFile::open(path);
  ASSERT_TRUE(file.ok()) << file.error().message;
  const StoredTensor& b = file->tensors()[1];
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(b.data) % 4, 0u);
  EXPECT_EQ(static_cast<int>(b.data[0]), 1);
}

TEST(Safetensors, AFolderIsItsOneFileOrAllShardsOfItsIndex) {
  const TempFolder folder;
  EXPECT_EQ(SafetensorsFile::open(folder.path()).error().code, ErrorCode::kNotFound);
  folder.write("x-1.safetensors", one_tensor("a"));
  folder.write("x-2.safetensors", one_tensor("b"));
  folder.write("model.safetensors.index.json", R"({"weight_map":{"a":"x-1.safetensors","b":"x-2.safetensors"}})");
  const auto sharded = SafetensorsFile::open(folder.path());
  ASSERT_TRUE(sharded.ok()) << sharded.error().message;
  EXPECT_EQ(sharded->tensors().size(), 2u);
  EXPECT_EQ(sharded->files().size(), 2u);
  folder.write("model.safetensors", one_tensor("c"));
  EXPECT_EQ(SafetensorsFile::open(folder.path())->tensors()[0].name, "c");
}

TEST(Safetensors, IndexesThatLieAreRefused) {
  const TempFolder folder;
  folder.write("x-1.safetensors", one_tensor("a"));
  folder.write("x-2.safetensors", one_tensor("a"));
  const std::string index = folder.path_of("model.safetensors.index.json");
  const auto error_with = [&](const std::string& json) {
    folder.write("model.safetensors.index.json", json);
    const auto file = SafetensorsFile::open(folder.path());
    return file.ok() ? "no error" : file.error().message;
  };
  EXPECT_EQ(error_with(R"({"weight_map":{"a":"x-1.safetensors"}})"), "no error");
  EXPECT_EQ(error_with(R"({"weight_map":{"a":"../../etc/passwd"}})"),
            index + ": tensor 'a' is said to be in '../../etc/passwd', which is not a file name");
  for (const auto* name : {"/etc/passwd", "..", "", "sub/x-1.safetensors", "a\\u0000b", "a\\nb"}) {
    EXPECT_NE(error_with(fmt::format(R"({{"weight_map":{{"a":"{}"}}}})", name)).find("which is not a file name"),
              std::string::npos)
        << name;
  }
  EXPECT_EQ(error_with(R"({"weight_map":{"a":"x-1.safetensors","b":"x-1.safetensors"}})"),
            index + ": tensor 'b' is said to be in x-1.safetensors, but is not");
  EXPECT_EQ(error_with(R"({"weight_map":{"a":"x-3.safetensors"}})"),
            folder.path_of("x-3.safetensors") + ": No such file or directory");
  EXPECT_EQ(error_with(R"({"weight_map":{"a":"x-1.safetensors","c":"x-2.safetensors"}})"),
            folder.path() + ": tensor 'a' comes twice");
  for (const auto* json : {"[]", "{}", "7", R"({"weight_map":[]})", R"({"weight_map":{"a":1}})", "{"}) {
    EXPECT_NE(error_with(json), "no error") << json;
  }
}

}  // namespace
}  // namespace r1
