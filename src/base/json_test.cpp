// json_test.cpp: what the JSON door lets in and how it says no.
#include "base/json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace r1 {
namespace {

TEST(Json, RefusesDeepNestingBeforeBuildingIt) {
  const std::string deep = std::string(100000, '[') + std::string(100000, ']');
  const auto parsed = parse_json(deep, "body");
  ASSERT_FALSE(parsed.ok());
  EXPECT_NE(parsed.error().message.find("nested deeper than 64"), std::string::npos);
  EXPECT_TRUE(
      parse_json(R"({"text": "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["})", "body").ok());
}

TEST(Json, NamesTheFieldThatHasTheWrongType) {
  const Json object =
      *parse_json(R"({"n": "7", "x": 1.5, "big": 18446744073709551615, "one": 1.0, "none": null})", "body");
  EXPECT_NE(json_int(object, "n", 0).error().message.find("'n' must be an integer"), std::string::npos);
  EXPECT_FALSE(json_int(object, "x", 0).ok());
  EXPECT_FALSE(json_int(object, "big", 0).ok());
  EXPECT_EQ(*json_int(object, "one", 0), 1);
  EXPECT_EQ(*json_int(object, "none", 9), 9);
  EXPECT_EQ(*json_int(object, "absent", 9), 9);
  EXPECT_EQ(*json_string(object, "n", ""), "7");
}

TEST(Json, CutTextIsAnErrorNotACrash) {
  const std::string text = R"({"a": [1, 2, {"b": "c\u00e9"}], "d": -1.5e3})";
  for (std::size_t length = 0; length < text.size(); ++length)
    EXPECT_FALSE(parse_json(text.substr(0, length), "cut").ok());
  EXPECT_TRUE(parse_json(text, "whole").ok());
}

}  // namespace
}  // namespace r1
