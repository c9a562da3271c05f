// json_writer_test.cpp: whatever goes in, valid JSON that says the same comes out.
#include "serve/json_writer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/rng.h"
#include "serve/http_message.h"

namespace r1 {
namespace {

std::string written(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

TEST(JsonWriter, WhatItWritesReadsBackAsTheSame) {
  for (const std::string_view text :
       {std::string_view("plain"), std::string_view(""), std::string_view("\"\\\n\r\t\b\f\x01\x1f\x7f"),
        std::string_view("a\0b", 3), std::string_view("\u00e9 \u4f60 \U0001F600 \u2028"),
        std::string_view("</script>")})
    EXPECT_EQ(nlohmann::json::parse(written(text)).get<std::string>(), text);
}

TEST(JsonWriter, BrokenUtf8BecomesTheReplacementCharacter) {
  EXPECT_EQ(written("a\xff"
                    "b"),
            "\"a\xEF\xBF\xBD"
            "b\"");
  EXPECT_EQ(written("\xe4\xbd"), "\"\xEF\xBF\xBD\"");
  EXPECT_EQ(written("\xed\xa0\x80").find("\xed\xa0"), std::string::npos) << "a surrogate is not a character";
  EXPECT_EQ(written("\xf4\x90\x80\x80").find('\xf4'), std::string::npos) << "nothing is above U+10FFFF";
  EXPECT_EQ(written("\xc0\xaf").find('\xc0'), std::string::npos) << "overlong";
}

TEST(JsonWriter, AnyBytesGiveValidJson) {
  Rng rng(3, 0);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(rng.below(12), ' ');
    for (char& byte : bytes) byte = static_cast<char>(rng.below(2) == 0 ? rng.below(256) : 0xC0 + rng.below(64));
    EXPECT_TRUE(nlohmann::json::accept(written(bytes)));
  }
}

TEST(HttpMessage, ErrorBodiesHaveTheFourFieldsOfBothDialects) {
  const auto body = nlohmann::json::parse(error_body(422, "too \"hot\"", "temperature", "out_of_range"));
  EXPECT_EQ(body, (nlohmann::json{{"error",
                                   {{"message", "too \"hot\""},
                                    {"type", "invalid_request_error"},
                                    {"param", "temperature"},
                                    {"code", "out_of_range"}}}}));
  EXPECT_TRUE(nlohmann::json::parse(error_body(500, "x"))["error"]["param"].is_null());
}

TEST(HttpMessage, HeadersAreFoundInAnyCase) {
  HttpRequest request;
  request.headers = {{"Content-Type", "a"}, {"HOST", "b"}, {"host", "c"}};
  EXPECT_EQ(request.header("content-type"), "a");
  EXPECT_EQ(request.header("Host"), "b");
  EXPECT_EQ(request.header("Hos"), "");
}

}  // namespace
}  // namespace r1
