// cmd_score.cpp: `r1 score MODEL --ids 1,2,3`: what the model thinks of a given text, token by token (teacher forcing).
#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <numeric>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/loaded_model.h"
#include "apps/standard_streams.h"
#include "apps/store.h"
#include "apps/token_ids.h"
#include "base/json.h"
#include "kernels/float_ops.h"
#include "model/forward.h"

namespace r1 {
namespace {

constexpr int kTopTokens = 10;

struct Options {
  EngineFlags engine;
  std::string model, ids, text, logits_path, mla = "expanded";
  bool has_text = false;
  int chunk = 512;
};

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

OrderedJson top_tokens(const float* logits, int n, double log_sum) {
  std::vector<int> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  const int n_top = std::min(n, kTopTokens);
  std::partial_sort(order.begin(), order.begin() + n_top, order.end(),
                    [&](int a, int b) { return logits[a] > logits[b] || (logits[a] == logits[b] && a < b); });
  OrderedJson top = OrderedJson::array();
  for (int i = 0; i < n_top; ++i) {
    const int id = order[static_cast<std::size_t>(i)];
    top.push_back({{"id", id}, {"logprob", logits[id] - log_sum}});
  }
  return top;
}

// Where --logits go, if anywhere.
class LogitsFile {
 public:
  static Result<LogitsFile> create(const std::string& path) {
    LogitsFile logits(path);
    if (path.empty()) return logits;
    logits.file_.reset(std::fopen(path.c_str(), "wb"));
    if (!logits.file_) return logits.failure("creating");
    return logits;
  }
  Status write(std::span<const float> row) {
    if (!file_ || std::fwrite(row.data(), sizeof(float), row.size(), file_.get()) == row.size()) return {};
    return failure("writing");
  }
  Status flush() {
    if (!file_ || std::fflush(file_.get()) == 0) return {};
    return failure("writing");
  }

 private:
  explicit LogitsFile(std::string path) : path_(std::move(path)) {}
  Error failure(const char* doing) const {
    return {ErrorCode::kIo, fmt::format("{} {}: {}", doing, path_, std::strerror(errno))};
  }
  std::string path_;
  File file_;
};

// Prints the lines of a chunk; `next_logprob` carries the logprob of the following chunk's first token over.
Status print_lines(std::span<const int> tokens, std::size_t first, Tensor logits, double& next_logprob,
                   LogitsFile& logits_file) {
  const auto vocab_size = static_cast<int>(logits.n_cols());
  std::vector<float> scratch(static_cast<std::size_t>(vocab_size));
  for (std::int64_t row = 0; row < logits.n_rows(); ++row) {
    const float* values = logits.row(row);
    R1_TRY_STATUS(logits_file.write({values, scratch.size()}));
    std::copy_n(values, vocab_size, scratch.begin());
    const float best = max_value(values, vocab_size);
    const double log_sum = best + std::log(static_cast<double>(exp_and_sum(scratch.data(), best, vocab_size)));
    const std::size_t position = first + static_cast<std::size_t>(row);
    OrderedJson line = {{"position", position}, {"id", tokens[position]}};
    line["logprob"] = position == 0 ? OrderedJson() : OrderedJson(next_logprob);
    line["top"] = top_tokens(values, vocab_size, log_sum);
    R1_TRY_STATUS(write_stdout(line.dump() + "\n"));
    if (position + 1 < tokens.size()) next_logprob = values[tokens[position + 1]] - log_sum;
  }
  return {};
}

Result<std::vector<int>> tokens_to_score(const Options& options, const std::string& path, const Model& model) {
  if (!options.has_text) return parse_token_ids(options.ids, model.config.vocab_size);
  R1_TRY(const ModelText text, load_model_text(path));
  std::vector<int> tokens = text.tokenizer.encode(options.text);
  if (text.tokenizer.adds_bos()) tokens.insert(tokens.begin(), text.tokenizer.bos_id());
  return tokens;
}

Status score(const Options& options) {
  R1_TRY(const std::string path, resolve_model(options.model));
  R1_TRY(const Model model, load_model(path));
  R1_TRY(const std::vector<int> tokens, tokens_to_score(options, path, model));
  if (tokens.empty()) return Error{ErrorCode::kInvalidInput, "nothing to score: no tokens"};
  R1_TRY(LogitsFile logits_file, LogitsFile::create(options.logits_path));

  R1_TRY(const ModelEngineOptions engine, engine_options(options.engine, model));
  ThreadPool pool(engine.n_threads);
  Arena arena;
  const int n_blocks = static_cast<int>(tokens.size() / KvCache::kBlockTokens) + 1;
  KvCache kv(model.config.kv_layout(engine.kv_dtype), n_blocks);
  std::vector<KvBlockId> blocks(static_cast<std::size_t>(n_blocks));
  std::iota(blocks.begin(), blocks.end(), 0);
  std::vector<int> positions(tokens.size());
  std::iota(positions.begin(), positions.end(), 0);
  const Forward forward(model.config, model.weights);
  const MlaKernel kernel = options.mla == "absorbed" ? MlaKernel::kAbsorbed : MlaKernel::kExpanded;

  double next_logprob = 0;
  for (std::size_t first = 0; first < tokens.size(); first += static_cast<std::size_t>(options.chunk)) {
    const std::size_t n = std::min(static_cast<std::size_t>(options.chunk), tokens.size() - first);
    const SequenceRows sequence{0, static_cast<int>(n), static_cast<int>(first), blocks, kernel};
    const Batch batch{std::span(tokens).subspan(first, n),
                      std::span(positions).subspan(first, n),
                      {&sequence, 1},
                      std::span(positions).first(n)};
    const ArenaScope scope(arena);
    Pass pass{.pool = pool, .arena = arena, .batch = batch, .kv = kv};
    R1_TRY_STATUS(print_lines(tokens, first, forward(pass), next_logprob, logits_file));
  }
  return logits_file.flush();
}

}  // namespace

void add_score(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("score",
                         "teacher-forced log-probabilities, one JSON line per token: its id, its logprob after "
                         "the tokens before it, and the 10 likeliest tokens after it");
  command->add_option("MODEL", options->model, "a path, or a name in the store")->required();
  CLI::Option* ids = command->add_option("--ids", options->ids, "token ids: 1,2,3");
  CLI::Option* text =
      command->add_option("--text", options->text, "a text; begins with BOS where the model's prompts do");
  ids->excludes(text);
  command->add_option("--logits", options->logits_path,
                      "write the logits as raw float32 [tokens, vocab_size] to this file");
  command->add_option("--chunk", options->chunk, "tokens computed at once; changes no bit")
      ->check(CLI::Range(1, 1 << 16))
      ->capture_default_str();
  command->add_option("--mla", options->mla, "which kernel computes latent attention")
      ->check(CLI::IsMember({"expanded", "absorbed"}))
      ->capture_default_str();
  options->engine.add_to(*command);
  command->callback([options, ids, text, &action] {
    if (ids->count() + text->count() == 0) throw CLI::RequiredError("--ids or --text");
    options->has_text = text->count() > 0;
    action = [options] { return score(*options); };
  });
}

}  // namespace r1
