// log_test.cpp: what a line says in both formats, and what it never says.
#include "base/log.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace r1 {
namespace {

TEST(Log, AJsonLineKeepsTypesAndSurvivesAnyText) {
  const std::string text = log_text(LogFormat::kJson, "a \"quoted\"\nline\xff",
                                    {{"status", std::int64_t{200}}, {"path", "/v1"}, {"client_gone", false}});
  const auto line = nlohmann::json::parse("{" + text + "}");
  EXPECT_EQ(text.find('\n'), std::string::npos) << "one line";
  EXPECT_EQ(line["message"], "a \"quoted\"\nline\xEF\xBF\xBD");
  EXPECT_EQ(line["status"], 200);
  EXPECT_EQ(line["path"], "/v1");
  EXPECT_EQ(line["client_gone"], false);
}

TEST(Log, TextIsForPeople) {
  EXPECT_EQ(log_text(LogFormat::kText, "answered", {{"status", std::int64_t{200}}, {"path", "/v1"}}),
            "answered status=200 path=/v1");
}

TEST(Log, KeysAreBlottedOut) {
  const std::string key = "sk-r1-0123456789abcdef0123456789abcdef";
  for (const LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    const std::string text = log_text(format, "with " + key + ", and " + key, {{"id", std::string_view(key)}});
    EXPECT_EQ(text.find("0123456789"), std::string::npos) << text;
    EXPECT_NE(text.find("with sk-***, and sk-***"), std::string::npos) << text;
  }
  EXPECT_EQ(log_text(LogFormat::kText, "a risk-free desk-top, sk-short", {}), "a risk-free desk-top, sk-short");
}

}  // namespace
}  // namespace r1
