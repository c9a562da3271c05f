// pull_plan_test.cpp: the answers of registries, good ones and damaged ones.
#include "apps/pull_plan.h"

#include <string>

#include <gtest/gtest.h>

#include "base/rng.h"

namespace r1 {
namespace {

const std::string kSha256(64, 'a'), kSha1(40, 'b');
const std::string kTree = R"([
  {"type": "directory", "oid": ")" +
                          kSha1 + R"(", "size": 0, "path": "figures"},
  {"type": "file", "oid": ")" +
                          kSha1 + R"(", "size": 1519, "path": ".gitattributes"},
  {"type": "file", "oid": ")" +
                          kSha1 + R"(", "size": 9, "path": "model-00001-of-000002.safetensors",
   "lfs": {"oid": ")" + kSha256 +
                          R"(", "size": 5234139343, "pointerSize": 135}, "xetHash": "x"},
  {"type": "file", "oid": ")" +
                          kSha1 + R"(", "size": 686, "path": "config.json"},
  {"type": "file", "oid": ")" +
                          kSha1 + R"(", "size": 10, "path": "modeling_deepseek.py"},
  {"type": "file", "oid": ")" +
                          kSha1 + R"(", "size": 10, "path": "figures/config.json"},
  {"type": "file", "oid": ")" +
                          kSha1 + R"(", "size": 8, "path": "chat_template.jinja"},
  {"type": "file", "oid": ")" +
                          kSha1 + R"(", "size": 7, "path": "tokenizer.json"}])";

PypiWheel wheel() {
  PypiWheel wheel;
  wheel.package = "pkg";
  wheel.filename = "pkg-1.whl";
  wheel.hash = {HashKind::kSha256, kSha256};
  return wheel;
}

std::string index_with(const std::string& url, const std::string& hash = kSha256) {
  return R"({"files": [{"filename": "pkg-1.whl", "hashes": {"sha256": ")" + hash + R"("}, "url": ")" + url + R"("}]})";
}

TEST(HubTree, TakesTheFilesOfAModelSmallOnesFirst) {
  const auto files = parse_hub_tree(kTree, "t").value();
  ASSERT_EQ(files.size(), 4u);
  EXPECT_EQ(files[0].path, "chat_template.jinja");
  EXPECT_EQ(files[0].hash.kind, HashKind::kGitSha1);
  EXPECT_EQ(files[1].path, "config.json");
  EXPECT_EQ(files[2].path, "tokenizer.json");
  EXPECT_EQ(files[3].path, "model-00001-of-000002.safetensors");
  EXPECT_EQ(files[3].hash.hex, kSha256);
  EXPECT_EQ(files[3].bytes, 5234139343) << "the length of the file, not of the pointer to it";
}

TEST(HubTree, SurvivesDamage) {
  Rng rng(3, 0);
  for (int round = 0; round < 3000; ++round) {
    std::string text = kTree;
    for (int edit = 0; edit < 3; ++edit) text[rng.below(text.size())] = static_cast<char>(rng.below(256));
    const auto files = parse_hub_tree(round % 2 == 0 ? text : text.substr(0, rng.below(text.size())), "t");
    if (!files.ok()) continue;
    for (const ManifestFile& file : *files) EXPECT_TRUE(is_safe_path(file.path) && file.bytes >= 0);
  }
}

TEST(HubRevision, IsACommit) {
  EXPECT_EQ(parse_hub_revision(R"({"sha": ")" + kSha1 + "\"}", "r").value(), kSha1);
  for (const char* text : {"{}", "[]", "{\"sha\": 5}", "{\"sha\": \"main\"}", "{\"sha\": \"../../x\"}"}) {
    EXPECT_FALSE(parse_hub_revision(text, "r").ok()) << text;
  }
}

TEST(PypiIndex, GivesTheAddressOfThePinnedWheel) {
  const std::string index = "https://h/simple/pkg/";
  EXPECT_EQ(parse_pypi_index(index_with("https://f/p.whl"), index, wheel()).value(), "https://f/p.whl");
  EXPECT_EQ(parse_pypi_index(index_with("../../f/p.whl"), index, wheel()).value(), "https://h/f/p.whl");
}

TEST(PypiIndex, RefusesAnotherHashAnotherSchemeAndLosingTls) {
  const std::string index = "https://h/simple/pkg/";
  EXPECT_FALSE(parse_pypi_index(index_with("https://f/p.whl", kSha1), index, wheel()).ok());
  EXPECT_FALSE(parse_pypi_index(index_with("http://f/p.whl"), index, wheel()).ok());
  EXPECT_FALSE(parse_pypi_index(index_with("file:///etc/passwd"), index, wheel()).ok());
  EXPECT_FALSE(parse_pypi_index("<!doctype html>", index, wheel()).ok());
  EXPECT_FALSE(parse_pypi_index(R"({"files": [1, {"filename": 3}]})", index, wheel()).ok());
  EXPECT_FALSE(parse_pypi_index(R"({"files": [{"filename": "pkg-1.whl"}]})", index, wheel()).ok());
  EXPECT_FALSE(parse_pypi_index(R"({"files": [{"filename": "pkg-1.whl", "hashes": []}]})", index, wheel()).ok());
}

TEST(ShardIndex, MustBeCoveredByTheList) {
  const FileHash hash{HashKind::kSha256, kSha256};
  const Manifest manifest{"o", {{"a.safetensors", 1, hash}, {"b.safetensors", 1, hash}}};
  EXPECT_TRUE(check_shards_are_listed(R"({"weight_map": {"x": "a.safetensors"}})", manifest).ok());
  EXPECT_FALSE(check_shards_are_listed(R"({"weight_map": {"x": "c.safetensors"}})", manifest).ok());
  for (const char* text : {"", "[]", "{}", "{\"weight_map\": 5}", "{\"weight_map\": {\"x\": 5}}"}) {
    EXPECT_FALSE(check_shards_are_listed(text, manifest).ok()) << text;
  }
}

TEST(Manifest, OfAWheelIsWhatIsInIt) {
  const FileHash hash{HashKind::kSha256, kSha256};
  const PullPlan plan{"o", {{"u", {"p.whl", 5, hash}}}, PullPlan::Unpack{"p/m.gguf", {"m.gguf", 9, hash}}};
  const Manifest manifest = manifest_of(plan);
  ASSERT_EQ(manifest.files.size(), 1u);
  EXPECT_EQ(manifest.files[0].path, "m.gguf");
  EXPECT_EQ(total_bytes(manifest), 9);
}

}  // namespace
}  // namespace r1
