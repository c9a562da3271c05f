// grammar_bench.cpp: what holding an answer to a grammar costs a token, with DeepSeek-V3's vocabulary (129,280 tokens).
//
// compile: a schema to a grammar. cold: a whole answer, all masks made for the first time; warm: made before. Both
// apply every mask to a row of scores, as sampling does; items are tokens,
// those the tokenizer gives the answer.
#include <benchmark/benchmark.h>

#include "base/ordered_json.h"
#include "grammar/json_schema.h"
#include "serve/answer_filter.h"
#include "tests/vocabularies.h"

namespace r1 {
namespace {

constexpr std::string_view kSchema = R"({"type": "object", "properties": {
  "name": {"type": "string", "maxLength": 40}, "kind": {"enum": ["river", "mountain", "city"]},
  "height_m": {"type": "number"}, "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 8},
  "near": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"},
    "km": {"type": "integer"}}, "required": ["name", "km"]}}, "notes": {"type": "string"}},
  "required": ["name", "kind", "height_m", "tags", "near", "notes"]})";

constexpr std::string_view kAnswer = R"({
  "name": "Matterhorn",
  "kind": "mountain",
  "height_m": 4478.3,
  "tags": ["Alps", "pyramid", "first climbed in 1865", "瑞士"],
  "near": [{"name": "Zermatt", "km": 10}, {"name": "Breuil-Cervinia", "km": 8}],
  "notes": "One of the highest summits of Europe; its four faces look to the four points of the compass, and \"Toblerone\" bars show it."
})";

Grammar grammar_of(std::string_view schema) {
  return schema.empty() ? *json_object_grammar()
                        : *json_schema_grammar(*parse_ordered_json(schema, "schema"), "schema");
}

// One answer, token by token, as the engine does it.
void hold(const Tokenizer& tokenizer, const std::vector<int>& ids, const std::shared_ptr<TokenMasks>& masks,
          std::vector<float>& scores) {
  AnswerFilter filter(tokenizer, ReasoningSplitter::Start::kAnswer, masks);
  for (const int id : ids) {
    benchmark::DoNotOptimize(filter.mask(scores));
    filter.accept(id);
  }
}

void register_all() {
  static const auto tokenizer = Tokenizer::from_hf_folder(npm_tokenizer_folder("deepseek_v3"));
  if (!tokenizer.ok()) {
    std::fprintf(stderr, "%s (tools/setup_npm.sh installs it)\n", tokenizer.error().message.c_str());
    return;
  }
  static const auto trie = std::make_shared<const TokenTrie>(*tokenizer);
  static const std::vector<int> ids = tokenizer->encode(kAnswer);
  static std::vector<float> scores(static_cast<std::size_t>(tokenizer->vocab_size()), 0.0f);
  for (const auto& [name, schema] : {std::pair("schema", kSchema), std::pair("object", std::string_view())}) {
    const std::string prefix = name;
    benchmark::RegisterBenchmark((prefix + "/compile").c_str(), [schema = schema](benchmark::State& state) {
      for (auto _ : state) benchmark::DoNotOptimize(grammar_of(schema));
    });
    for (const bool is_cold : {true, false}) {
      const auto run = [schema = schema, is_cold](benchmark::State& state) {
        auto masks = std::make_shared<TokenMasks>(grammar_of(schema), trie);
        if (!is_cold) hold(*tokenizer, ids, masks, scores);
        for (auto _ : state) {
          if (is_cold) masks = std::make_shared<TokenMasks>(grammar_of(schema), trie);
          hold(*tokenizer, ids, masks, scores);
        }
        state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(ids.size()));
      };
      benchmark::RegisterBenchmark((prefix + (is_cold ? "/cold" : "/warm")).c_str(), run)
          ->Unit(benchmark::kMillisecond);
    }
  }
}

}  // namespace
}  // namespace r1

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  r1::register_all();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
