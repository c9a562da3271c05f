// metrics_test.cpp: the text is what Prometheus' format says (a parser of it stands here), and counts what happened.
#include "serve/metrics.h"

#include <gtest/gtest.h>

#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "serve/script_model.h"

namespace r1 {
namespace {

using Labels = std::map<std::string, std::string>;

struct Family {
  std::string type, help;
  std::map<std::string, std::map<Labels, double>> samples;  // by name: a histogram has three
};

// The text format, version 0.0.4, without timestamps. Strict: what it does not know fails the test.
class Parser {
 public:
  explicit Parser(std::string_view text) {
    EXPECT_TRUE(text.ends_with('\n'));
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = text.find('\n', at);
      rest_ = text.substr(at, end - at);
      at = end + 1;
      if (take("# HELP ")) {
        current_ = take_name();
        EXPECT_FALSE(families.contains(current_)) << "a family comes once: " << current_;
        expect(" ");
        families[current_].help = rest_;
        EXPECT_FALSE(rest_.empty()) << current_;
      } else if (take("# TYPE ")) {
        EXPECT_EQ(take_name(), current_);
        expect(" ");
        families[current_].type = rest_;
      } else {
        read_sample();
      }
    }
  }

  double value(const std::string& name, const Labels& labels) {
    std::string family = name;
    for (const std::string suffix : {"_bucket", "_sum", "_count"})
      if (!families.contains(family) && name.ends_with(suffix)) family = name.substr(0, name.size() - suffix.size());
    const auto& samples = families[family].samples[name];
    const auto found = samples.find(labels);
    EXPECT_NE(found, samples.end()) << name;
    return found == samples.end() ? -1 : found->second;
  }

  std::map<std::string, Family> families;

 private:
  bool take(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }
  void expect(std::string_view text) { EXPECT_TRUE(take(text)) << "'" << text << "' wanted before: " << rest_; }
  std::string take_name() {
    std::size_t n = 0;
    while (n < rest_.size() && (std::isalnum(static_cast<unsigned char>(rest_[n])) || rest_[n] == '_')) ++n;
    EXPECT_GT(n, 0u) << rest_;
    EXPECT_FALSE(std::isdigit(static_cast<unsigned char>(rest_[0])));
    std::string name(rest_.substr(0, n));
    rest_.remove_prefix(n);
    return name;
  }
  std::string take_label_value() {
    std::string value;
    expect("\"");
    while (!rest_.empty() && rest_[0] != '"') {
      if (take("\\\\"))
        value += '\\';
      else if (take("\\\""))
        value += '"';
      else if (take("\\n"))
        value += '\n';
      else
        value += rest_[0], rest_.remove_prefix(1);
    }
    expect("\"");
    return value;
  }
  void read_sample() {
    const std::string name = take_name();
    const std::string suffix = name.starts_with(current_) ? name.substr(current_.size()) : "?";
    const bool is_histogram = families[current_].type == "histogram";
    const std::set<std::string> suffixes =
        is_histogram ? std::set<std::string>{"_bucket", "_sum", "_count"} : std::set<std::string>{""};
    EXPECT_TRUE(suffixes.contains(suffix)) << name << " in the family " << current_;
    Labels labels;
    if (take("{")) {
      do {
        const std::string label = take_name();
        expect("=");
        EXPECT_TRUE(labels.emplace(label, take_label_value()).second) << label;
      } while (take(","));
      expect("}");
    }
    expect(" ");
    double value = 0;
    const auto [end, failed] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    EXPECT_TRUE(failed == std::errc() && end == rest_.data() + rest_.size()) << rest_;
    EXPECT_TRUE(families[current_].samples[name].emplace(labels, value).second) << "twice: " << name;
    const bool is_counter = families[current_].type == "counter";
    EXPECT_TRUE(!is_counter || (name.ends_with("_total") && value >= 0)) << name;
  }

  std::string_view rest_;
  std::string current_;
};

void expect_rising_buckets(Parser& parsed, const std::string& name, const Labels& labels, double n) {
  double below = 0;
  for (const double bound : kHistogramBounds_s) {
    Labels bucket = labels;
    bucket["le"] = fmt::format("{}", bound);
    const double value = parsed.value(name + "_bucket", bucket);
    EXPECT_GE(value, below) << bound;
    below = value;
  }
  Labels all = labels;
  all["le"] = "+Inf";
  EXPECT_EQ(parsed.value(name + "_bucket", all), n);
  EXPECT_EQ(parsed.value(name + "_count", labels), n);
}

TEST(Metrics, TextIsPrometheusFormatAndCountsWhatHappened) {
  auto model = ScriptModel::from_script(*Script::parse(
      R"({"model": "a \"b\\", "answers": [{"cached_tokens": 2, "steps": [{"text": "one two three"}]}]})", "test"));
  ASSERT_TRUE(model.ok());
  const ServedModel served = (*model)->served();
  for (int i = 0; i < 2; ++i) {
    TokenStream stream = *served.engine->submit({.prompt = {65, 66, 67, 68}, .end_ids = {Script::kEndId}});
    while (!stream.next().finish) {
    }
  }
  const Labels labels = {{"model", "a \"b\\"}};
  ServerCounts counts{.started_s = 1'700'000'000, .is_ready = true};
  counts.http.responses = {{200, 5}, {404, 1}};
  const std::vector<ModelCounts> models = {{served.name, true, 4096, 2, served.engine->stats()},
                                           {"asleep", false, 1 << 20, 0, {}}};
  Parser parsed(metrics_text(counts, models));
  for (const auto& [name, family] : parsed.families) {
    const bool is_known = family.type == "gauge" || family.type == "counter" || family.type == "histogram";
    EXPECT_TRUE(is_known) << name << ": " << family.type;
  }
  EXPECT_EQ(parsed.value("r1_ready", {}), 1);
  EXPECT_EQ(parsed.value("r1_start_time_seconds", {}), 1'700'000'000);
  EXPECT_EQ(parsed.value("r1_http_responses_total", {{"status", "200"}}), 5);
  EXPECT_EQ(parsed.value("r1_model_loaded", labels), 1);
  EXPECT_EQ(parsed.value("r1_model_loaded", {{"model", "asleep"}}), 0);
  EXPECT_EQ(parsed.value("r1_model_bytes", {{"model", "asleep"}}), 1 << 20);
  EXPECT_EQ(parsed.value("r1_model_loads_total", labels), 2);
  EXPECT_EQ(parsed.families["r1_answers_running"].samples["r1_answers_running"].size(), 1u) << "of the loaded ones";
  EXPECT_EQ(parsed.value("r1_prompt_tokens_total", labels), 8);
  EXPECT_EQ(parsed.value("r1_prompt_tokens_cached_total", labels), 4);
  EXPECT_EQ(parsed.value("r1_prefix_cache_hit_ratio", labels), 0.5);
  EXPECT_EQ(parsed.value("r1_completion_tokens_total", labels), 8) << "three words and the end";
  EXPECT_EQ(parsed.value("r1_answers_total", {{"model", "a \"b\\"}, {"finish", "stop"}}), 2);
  EXPECT_EQ(parsed.value("r1_answers_total", {{"model", "a \"b\\"}, {"finish", "repetition"}}), 0);
  EXPECT_TRUE(parsed.families["r1_expert_hit_ratio"].samples.empty()) << "there are no experts";
  expect_rising_buckets(parsed, "r1_time_to_first_token_seconds", labels, 2);
  expect_rising_buckets(parsed, "r1_time_between_tokens_seconds", labels, 6);
  EXPECT_GT(parsed.value("r1_time_to_first_token_seconds_sum", labels), 0);
}

TEST(Metrics, TheShareOfExpertsInMemoryIsThatOfTheirBytes) {
  EngineStats stats;
  stats.expert_bytes_needed = 4096;
  stats.expert_bytes_resident = 1024;
  const std::vector<ModelCounts> models = {{"sparse", true, 4096, 1, stats}, {"dense", true, 4096, 1, EngineStats{}}};
  Parser parsed(metrics_text({}, models));
  const Labels labels = {{"model", "sparse"}};
  EXPECT_EQ(parsed.value("r1_expert_bytes_sampled_total", labels), 4096);
  EXPECT_EQ(parsed.value("r1_expert_bytes_resident_total", labels), 1024);
  EXPECT_EQ(parsed.value("r1_expert_hit_ratio", labels), 0.25);
  EXPECT_EQ(parsed.families["r1_expert_hit_ratio"].samples["r1_expert_hit_ratio"].size(), 1u);
}

TEST(Metrics, WithoutModelsTheServerIsCountedAlone) {
  Parser parsed(metrics_text({}, {}));
  EXPECT_EQ(parsed.value("r1_ready", {}), 0);
  EXPECT_TRUE(parsed.families["r1_answers_running"].samples.empty());
}

}  // namespace
}  // namespace r1
