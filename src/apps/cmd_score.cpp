// cmd_score.cpp: `r1 score MODEL --ids 1,2,3`: what the model thinks of a given text, token by token (teacher forcing).
#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/loaded_model.h"
#include "apps/recode_weights.h"
#include "apps/score_summary.h"
#include "apps/score_windows.h"
#include "apps/standard_streams.h"
#include "apps/store.h"
#include "apps/token_ids.h"
#include "base/file.h"
#include "base/json.h"
#include "kernels/float_ops.h"
#include "model/forward.h"

namespace r1 {
namespace {

constexpr int kTopTokens = 10;
constexpr std::int64_t kMaxTextBytes = 64 << 20;

struct ScoreOptions {
  EngineFlags engine;
  std::string model, ids, text, file, logits_path, base_path, weights, mla = "expanded";
  bool has_text = false, is_summary = false, is_exact = false;
  int chunk = 512;
  int stride = 0;  // 0: half the context
};

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

// Where the rows go, in the order of the text: to stdout, a line each or summed up, and to the file of --logits.
class Output {
 public:
  Output(std::span<const int> tokens, LogitsFile logits, std::optional<ScoreSummary> summary)
      : tokens_(tokens), logits_file_(std::move(logits)), summary_(std::move(summary)) {}

  // The rows of the tokens from `position` on.
  Status take(std::size_t position, Tensor logits) {
    const auto vocab_size = static_cast<int>(logits.n_cols());
    scratch_.resize(static_cast<std::size_t>(vocab_size));
    for (std::int64_t row = 0; row < logits.n_rows(); ++row, ++position) {
      const float* values = logits.row(row);
      R1_TRY_STATUS(logits_file_.write({values, scratch_.size()}));
      std::copy_n(values, vocab_size, scratch_.begin());
      const float best = max_value(values, vocab_size);
      const double log_sum = best + std::log(static_cast<double>(exp_and_sum(scratch_.data(), best, vocab_size)));
      const int next_id = position + 1 < tokens_.size() ? tokens_[position + 1] : -1;
      R1_TRY_STATUS(summary_ ? summary_->add({values, scratch_.size()}, log_sum, next_id)
                             : print_line(position, values, vocab_size, log_sum));
      if (next_id >= 0) next_logprob_ = values[next_id] - log_sum;
    }
    return {};
  }

  Status finish() {
    if (summary_) R1_TRY_STATUS(write_stdout(summary_->json()));
    return logits_file_.flush();
  }

 private:
  Status print_line(std::size_t position, const float* logits, int vocab_size, double log_sum) const {
    OrderedJson line = {{"position", position}, {"id", tokens_[position]}};
    line["logprob"] = position == 0 ? OrderedJson() : OrderedJson(next_logprob_);
    line["top"] = top_tokens(logits, vocab_size, log_sum);
    return write_stdout(line.dump() + "\n");
  }

  std::span<const int> tokens_;
  LogitsFile logits_file_;
  std::optional<ScoreSummary> summary_;  // none: a line each
  std::vector<float> scratch_;           // [vocab_size]
  double next_logprob_ = 0;              // of the first token of the next row
};

struct Scored {
  std::vector<int> tokens;
  bool begins_with_bos = false;  // then every window does
};

Result<Scored> tokens_to_score(const ScoreOptions& options, const std::string& path, const Model& model) {
  Scored scored;
  if (!options.has_text) {
    R1_TRY(scored.tokens, parse_token_ids(options.ids, model.config.vocab_size));
  } else {
    R1_TRY(const ModelText text, load_model_text(path));
    std::string contents = options.text;
    if (!options.file.empty()) {
      R1_TRY(contents, read_file(options.file, kMaxTextBytes));
    }
    scored.tokens = text.tokenizer.encode(contents);
    scored.begins_with_bos = text.tokenizer.adds_bos();
    if (scored.begins_with_bos) scored.tokens.insert(scored.tokens.begin(), text.tokenizer.bos_id());
  }
  if (scored.tokens.empty()) return Error{ErrorCode::kInvalidInput, "nothing to score: no tokens"};
  return scored;
}

Result<std::size_t> stride_of(const ScoreOptions& options, int context_length) {
  if (options.stride > context_length) {
    return Error{ErrorCode::kInvalidInput,
                 fmt::format("--stride {}: longer than the context of {}, tokens between the windows would have no row",
                             options.stride, context_length)};
  }
  return static_cast<std::size_t>(options.stride > 0 ? options.stride : std::max(1, context_length / 2));
}

// Computes one window after another, in chunks; the cache holds one window.
class WindowForward {
 public:
  WindowForward(const Model& model, const ModelEngineOptions& engine, const ScoreOptions& options, std::size_t n_tokens)
      : pool_(engine.n_threads, engine.placement),
        kv_(model.config.kv_layout(engine.kv_dtype), static_cast<int>(n_tokens / KvCache::kBlockTokens) + 1),
        blocks_(n_tokens / KvCache::kBlockTokens + 1),
        positions_(n_tokens),
        forward_(model.config, model.weights),
        kernel_(options.mla == "absorbed" ? MlaKernel::kAbsorbed : MlaKernel::kExpanded),
        chunk_(static_cast<std::size_t>(options.chunk)) {
    std::iota(blocks_.begin(), blocks_.end(), 0);
    std::iota(positions_.begin(), positions_.end(), 0);
  }

  // take(i, logits): those of the tokens i, i + 1, ... for all i from `fresh` on.
  template <typename Take>
  Status run(std::span<const int> tokens, std::size_t fresh, Take take) {
    for (std::size_t first = 0; first < tokens.size(); first += chunk_) {
      const std::size_t n = std::min(chunk_, tokens.size() - first);
      const std::size_t n_known = std::min(n, fresh > first ? fresh - first : 0);
      const SequenceRows sequence{0, static_cast<int>(n), static_cast<int>(first), blocks_, kernel_};
      const Batch batch{tokens.subspan(first, n),
                        std::span(positions_).subspan(first, n),
                        {&sequence, 1},
                        std::span(positions_).subspan(n_known, n - n_known)};
      const ArenaScope scope(arena_);
      Pass pass{.pool = pool_, .arena = arena_, .batch = batch, .kv = kv_};
      const Tensor logits = forward_(pass);
      if (n_known < n) R1_TRY_STATUS(take(first + n_known, logits));
    }
    return {};
  }

 private:
  ThreadPool pool_;
  Arena arena_;
  KvCache kv_;
  std::vector<KvBlockId> blocks_;
  std::vector<int> positions_;
  Forward forward_;
  MlaKernel kernel_;
  std::size_t chunk_;
};

Status recode(const ScoreOptions& options, Model& model) {
  if (!options.weights.empty()) {
    const auto dtype = dtype_from_name(options.weights);
    if (!dtype) return Error{ErrorCode::kInvalidInput, fmt::format("--weights {}: no such format", options.weights)};
    R1_TRY_STATUS(recode_weights(model, *dtype));
  }
  return options.is_exact ? recode_weights(model, Dtype::kF32) : Status{};
}

Status score_in_windows(const ScoreOptions& options, const Model& model, const ModelEngineOptions& engine,
                        const Scored& scored, Output& output) {
  R1_TRY(const std::size_t stride, stride_of(options, engine.context_length));
  const auto context = static_cast<std::size_t>(engine.context_length);
  WindowForward forward(model, engine, options, std::min(scored.tokens.size(), context));
  for (const ScoreWindow& window : score_windows(scored.tokens.size(), context, stride)) {
    std::vector<int> tokens(scored.tokens.begin() + static_cast<std::ptrdiff_t>(window.first),
                            scored.tokens.begin() + static_cast<std::ptrdiff_t>(window.end));
    // In the place of a token that an earlier window has scored. With a stride of a whole context there is none.
    if (scored.begins_with_bos && window.fresh > window.first) tokens[0] = scored.tokens[0];
    R1_TRY_STATUS(forward.run(tokens, window.fresh - window.first,
                              [&](std::size_t i, Tensor logits) { return output.take(window.first + i, logits); }));
  }
  return output.finish();
}

// Opening the file of --logits empties it.
Status check_logits_path(const ScoreOptions& options) {
  std::error_code failed;  // of files that aren't there: not the same one
  if (options.base_path.empty() || !std::filesystem::equivalent(options.logits_path, options.base_path, failed)) {
    return {};
  }
  return Error{ErrorCode::kInvalidInput,
               fmt::format("--logits {} would overwrite the file of --base", options.logits_path)};
}

Status score(const ScoreOptions& options) {
  R1_TRY_STATUS(check_logits_path(options));
  R1_TRY(const std::string path, resolve_model(options.model));
  R1_TRY(Model model, load_model(path, options.engine));
  R1_TRY(const Scored scored, tokens_to_score(options, path, model));
  R1_TRY(const ModelEngineOptions engine, engine_options(options.engine, model));  // the cache is that of the file
  R1_TRY_STATUS(recode(options, model));
  std::optional<ScoreSummary> summary;
  if (options.is_summary) {
    R1_TRY(summary, ScoreSummary::create(options.base_path, scored.tokens.size(), model.config.vocab_size));
  }
  R1_TRY(LogitsFile logits_file, LogitsFile::create(options.logits_path));
  Output output(scored.tokens, std::move(logits_file), std::move(summary));
  return score_in_windows(options, model, engine, scored, output);
}

}  // namespace

void add_score(CLI::App& app, Action& action) {
  auto options = std::make_shared<ScoreOptions>();
  CLI::App* command = app.add_subcommand(
      "score",
      "teacher-forced log-probabilities, one JSON line per token: its id, its logprob after "
      "the tokens before it, and the 10 likeliest tokens after it. A text longer than the context is "
      "scored in windows of one context, each beginning --stride tokens after the one before; a "
      "token's line comes from the first window that has it, so it has at least context - stride "
      "tokens before it");
  command->add_option("MODEL", options->model, "a path, or a name in the store")->required();
  CLI::Option* ids = command->add_option("--ids", options->ids, "token ids: 1,2,3");
  CLI::Option* text =
      command->add_option("--text", options->text, "a text; begins with BOS where the model's prompts do");
  CLI::Option* file = command->add_option("--file", options->file, "the same, from a file");
  ids->excludes(text)->excludes(file);
  text->excludes(file);
  CLI::Option* summary = command->add_flag("--summary", options->is_summary, "one line: the perplexity of the text");
  command
      ->add_option("--base", options->base_path,
                   "logits of another run (--logits) to which the summary adds its Kullback-Leibler divergence")
      ->needs(summary);
  command->add_option("--weights", options->weights,
                      "recode the matrices to this format first, where their rows hold whole blocks");
  command->add_flag("--exact", options->is_exact,
                    "decode the weights to f32 first, so that activations are not rounded to 8 bit");
  command->add_option("--logits", options->logits_path,
                      "write the logits as raw float32 [tokens, vocab_size] to this file");
  command->add_option("--chunk", options->chunk, "tokens computed at once; changes no bit")
      ->check(CLI::Range(1, 1 << 16))
      ->capture_default_str();
  command->add_option("--stride", options->stride, "tokens between the beginnings of windows (default: half a context)")
      ->check(CLI::Range(1, 1 << 26));
  command->add_option("--mla", options->mla, "which kernel computes latent attention")
      ->check(CLI::IsMember({"expanded", "absorbed"}))
      ->capture_default_str();
  options->engine.add_to(*command);
  command
      ->add_option("--context", options->engine.context_length,
                   "tokens of a window (default: the model's context, at most 32768)")
      ->check(CLI::Range(1, 1 << 26));
  command->callback([options, ids, text, file, &action] {
    if (ids->count() + text->count() + file->count() == 0) throw CLI::RequiredError("--ids, --text or --file");
    options->has_text = ids->count() == 0;
    action = [options] { return score(*options); };
  });
}

}  // namespace r1
