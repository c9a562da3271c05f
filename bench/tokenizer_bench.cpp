// tokenizer_bench.cpp: encoding in MB/s (the thread's CPU time) with real vocabularies from tests/node_modules.
//
// Names are TOKENIZER/TEXT. Texts: code (our own sources, in pieces of 10 kB), chinese (golden vectors, again and
// again), and a megabyte without a break: spaces, letters.
#include <benchmark/benchmark.h>

#include <filesystem>
#include <sstream>

#include "base/rng.h"
#include "tests/vocabularies.h"

namespace r1 {
namespace {

constexpr std::size_t kMegabyte = 1'000'000, kPieceBytes = 10'000;

std::string our_sources() {
  std::string text;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(R1_SOURCE_DIR "/src")) {
    if (entry.path().extension() == ".cpp") text += read_file(entry.path().string(), 1 << 24).value();
  }
  return text.substr(0, kMegabyte);
}

std::string chinese() {
  std::istringstream lines(
      read_file(R1_SOURCE_DIR "/tests/golden/tokenizer/deepseek_v3_tokenizer_vectors.jsonl", 1 << 24).value());
  std::string text;
  for (std::string line; std::getline(lines, line);) {
    const Json row = parse_json(line, "vectors").value();
    if (row["cat"] == "chinese" || row["cat"] == "real_zh") text += row["text"].get<std::string>();
  }
  std::string repeated;
  while (repeated.size() < kMegabyte) repeated += text;
  return repeated;
}

std::string random_letters() {
  Rng rng(1, 0);
  std::string text;
  for (std::size_t i = 0; i < kMegabyte; ++i) text.push_back(static_cast<char>('a' + rng.below(26)));
  return text;
}

void encode(benchmark::State& state, const Tokenizer& tokenizer, const std::string& text, std::size_t piece_bytes) {
  for (auto _ : state) {
    for (std::size_t i = 0; i < text.size(); i += piece_bytes)
      benchmark::DoNotOptimize(tokenizer.encode(std::string_view(text).substr(i, piece_bytes)));
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * static_cast<std::int64_t>(text.size()));
}

void register_all() {
  struct Text {
    const char* name;
    std::string text;
    std::size_t piece_bytes;
  };
  static const std::vector<Text> texts = {{"code", our_sources(), kPieceBytes},
                                          {"chinese", chinese(), kPieceBytes},
                                          {"spaces", std::string(kMegabyte, ' '), kMegabyte},
                                          {"letters", random_letters(), kMegabyte}};
  for (const std::string name : {"deepseek_v3", "qwen2_5", "llama3", "gpt2"}) {
    Result<Tokenizer> loaded = Tokenizer::from_hf_folder(npm_tokenizer_folder(name));
    if (!loaded.ok()) {
      std::fprintf(stderr, "%s: %s (tools/setup_npm.sh installs it)\n", name.c_str(), loaded.error().message.c_str());
      continue;
    }
    const auto tokenizer = std::make_shared<Tokenizer>(std::move(loaded).value());
    for (const Text& text : texts) {
      benchmark::RegisterBenchmark((name + "/" + text.name).c_str(), [tokenizer, &text](benchmark::State& state) {
        encode(state, *tokenizer, text.text, text.piece_bytes);
      })->Unit(benchmark::kMillisecond);
    }
  }
}

}  // namespace
}  // namespace r1

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  r1::register_all();
  benchmark::RunSpecifiedBenchmarks();
}
