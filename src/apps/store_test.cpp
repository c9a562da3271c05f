// store_test.cpp: names, paths and locks of the store, in a folder of the test's own.
#include "apps/store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

#include "apps/catalogue.h"
#include "apps/manifest.h"
#include "base/file.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

class StoreTest : public testing::Test {
 protected:
  StoreTest() {
    std::string pattern = testing::TempDir() + "r1_store_XXXXXX";
    home_ = ::mkdtemp(pattern.data());
  }
  ~StoreTest() override { fs::remove_all(home_); }

  void put(const std::string& path, const std::string& contents) {
    fs::create_directories(fs::path(home_ + "/" + path).parent_path());
    ASSERT_TRUE(write_file_atomically(home_ + "/" + path, contents).ok());
  }
  std::string message_of(const std::string& text) {
    const auto resolved = resolve_model(Store(home_), text);
    return resolved.ok() ? "resolved to " + *resolved : resolved.error().message;
  }

  std::string home_;
};

TEST_F(StoreTest, APathComesBeforeAName) {
  put("models/tiny/config.json", "{}");
  const std::string path = home_ + "/models";
  EXPECT_EQ(resolve_model(Store(home_), path).value(), path);
}

TEST_F(StoreTest, ANameBecomesTheFolderOrItsOneGgufFile) {
  put("models/tiny/config.json", "{}");
  put("models/smol:1/a.gguf", "x");
  put("models/big/b-00001-of-00002.gguf", "x");
  put("models/big/b-00002-of-00002.gguf", "x");
  put("models/moe/Mixture-of-Experts.Q4_K_M.gguf", "x");
  const Store store(home_);
  EXPECT_EQ(resolve_model(store, "tiny").value(), home_ + "/models/tiny");
  EXPECT_EQ(resolve_model(store, "smol:1").value(), home_ + "/models/smol:1/a.gguf");
  EXPECT_EQ(resolve_model(store, "big").value(), home_ + "/models/big/b-00001-of-00002.gguf");
  ASSERT_TRUE(resolve_model(store, "moe").ok());
  EXPECT_EQ(resolve_model(store, "moe").value(), home_ + "/models/moe/Mixture-of-Experts.Q4_K_M.gguf");
}

TEST_F(StoreTest, AKnownNameThatIsNotThereSaysWhatToPull) {
  EXPECT_EQ(message_of("smollm2:135m"), "smollm2:135m is not in the store yet: run `r1 pull smollm2:135m`");
  put("models/.pulling/smollm2:135m/x.partial", "x");
  EXPECT_EQ(message_of("smollm2:135m"), "smollm2:135m is only partly here: run `r1 pull smollm2:135m`");
}

TEST_F(StoreTest, AnUnknownNameGetsTheNearOnes) {
  EXPECT_NE(message_of("smolm2:135m").find("did you mean smollm2:135m?"), std::string::npos);
  EXPECT_NE(message_of("deepseek-r1").find("deepseek-r1:671b"), std::string::npos);
  EXPECT_NE(message_of("qqqq").find("known names: smollm2:135m, deepseek-r1:1.5b"), std::string::npos);
}

TEST_F(StoreTest, APathThatIsNotThereIsCalledAFile) {
  EXPECT_EQ(message_of("no/such.gguf"), "no/such.gguf: no such file or folder");
  EXPECT_EQ(message_of("such.gguf"), "such.gguf: no such file or folder");
}

TEST_F(StoreTest, RemovesOnlyNamesOfTheStore) {
  put("models/tiny/config.json", "{}");
  put("precious/file", "x");
  const Store store(home_);
  for (const char* name : {"../precious", "..", ".", "", "/", "tiny/../../precious", ".pulling", "tiny/"}) {
    EXPECT_FALSE(store.remove(name).ok()) << name;
  }
  EXPECT_TRUE(file_exists(home_ + "/precious/file"));
  EXPECT_EQ(store.remove("tiny").value(), 2);
  EXPECT_FALSE(file_exists(home_ + "/models/tiny"));
}

TEST_F(StoreTest, RemovingALinkedModelLeavesWhatItPointsAt) {
  put("precious/config.json", "{}");
  fs::create_directories(home_ + "/models");
  fs::create_directory_symlink(home_ + "/precious", home_ + "/models/linked");
  EXPECT_TRUE(Store(home_).remove("linked").ok());
  EXPECT_FALSE(file_exists(home_ + "/models/linked"));
  EXPECT_TRUE(file_exists(home_ + "/precious/config.json"));
}

TEST_F(StoreTest, OneHoldsALockAtATime) {
  const Store store(home_);
  {
    const auto held = store.lock("tiny");
    ASSERT_TRUE(held.ok());
    EXPECT_FALSE(store.lock("tiny").ok());
    EXPECT_TRUE(store.lock("other").ok());
  }
  EXPECT_TRUE(store.lock("tiny").ok());
}

TEST_F(StoreTest, ListsFinishedAndUnfinishedModels) {
  const FileHash hash{HashKind::kSha256, std::string(64, 'a')};
  put("models/tiny/config.json", "{}");
  put("models/.pulling/later/w.safetensors.partial", "123");
  ASSERT_TRUE(write_manifest(home_ + "/models/.pulling/later", {"somewhere", {{"w.safetensors", 1000, hash}}}).ok());
  put("models/not a model name/config.json", "{}");
  const auto models = Store(home_).list();
  ASSERT_EQ(models.size(), 2u);
  EXPECT_EQ(models[0].name, "later");
  EXPECT_EQ(models[0].kind, "unfinished");
  EXPECT_EQ(models[0].total_bytes, 1000);
  EXPECT_EQ(models[1].name, "tiny");
  EXPECT_EQ(models[1].kind, "safetensors");
  EXPECT_EQ(models[1].bytes, 2);
}

TEST(StorePlace, ComesFromTheFirstVariableThatIsSet) {
  ::setenv("HOME", "/h", 1);
  ::unsetenv("XDG_DATA_HOME");
  ::unsetenv("R1_HOME");
  EXPECT_EQ(Store::of_environment()->home(), "/h/.local/share/r1");
  ::setenv("XDG_DATA_HOME", "/x", 1);
  EXPECT_EQ(Store::of_environment()->home(), "/x/r1");
  ::setenv("R1_HOME", "/r", 1);
  EXPECT_EQ(Store::of_environment()->home(), "/r");
  ::unsetenv("XDG_DATA_HOME");
  ::unsetenv("R1_HOME");
}

TEST(ModelName, IsOnePathComponentThatIsNotHidden) {
  for (const char* good : {"smollm2:135m", "deepseek-r1:1.5b", "A_b.c", "1"}) EXPECT_TRUE(is_model_name(good)) << good;
  for (const char* bad : {"", ".", "..", ".hidden", "a/b", "a b", "-rf", ":x", "a\n", "\xc3\xa9"}) {
    EXPECT_FALSE(is_model_name(bad)) << bad;
  }
  EXPECT_FALSE(is_model_name(std::string(97, 'a')));
}

TEST(SafePath, StaysBelowItsFolder) {
  for (const char* good : {"a", "a/b.c", "...", "..a", "model-00001-of-000163.safetensors"}) {
    EXPECT_TRUE(is_safe_path(good)) << good;
  }
  for (const char* bad : {"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/../b", "a\\b", "a\tb"}) {
    EXPECT_FALSE(is_safe_path(bad)) << bad;
  }
  EXPECT_FALSE(is_safe_path(std::string_view("a\0b", 3)));
}

}  // namespace
}  // namespace r1
