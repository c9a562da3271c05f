// cmd_train.cpp: `r1 train`: a tokenizer, the stages of training, evaluation, and the file that comes of it.
#include <cstdio>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "apps/commands.h"
#include "apps/interrupt.h"
#include "apps/standard_streams.h"
#include "apps/store.h"
#include "apps/train_progress.h"
#include "apps/trained_export.h"
#include "apps/trained_import.h"
#include "base/cores.h"
#include "base/file.h"
#include "tasks/registry.h"
#include "train/evaluate.h"
#include "train/learner.h"
#include "train/report.h"
#include "train/stage.h"
#include "train/tokenizer_corpus.h"

namespace r1 {
namespace {

constexpr std::int64_t kMaxConfigBytes = 1 << 20;

struct TrainOptions {
  std::string config, folder, file, type = "q8_0", page = "report.html", svg_folder, shape;
  int n_workers = 0;  // 0: all cores
  int vocab_size = 1024;
  std::uint64_t n_problems = 2000;
  std::vector<std::string> tasks;
  EvalConfig eval;
  std::string split = "test";
  bool json = false;

  int workers() const { return n_workers > 0 ? n_workers : n_usable_cores(); }
};

Status train_tokenizer(const TrainOptions& options) {
  R1_TRY(const Vocabulary vocabulary, train_task_vocabulary(options.vocab_size, options.n_problems));
  return write_file_atomically(options.file, vocabulary_json(vocabulary) + "\n");
}

Status run(StageKind kind, const TrainOptions& options) {
  R1_TRY(const std::string text, read_file(options.config, kMaxConfigBytes));
  R1_TRY(const StageConfig config, read_stage_config(kind, text, options.config));
  const InterruptScope interrupt;
  const auto stopped = [&] { return interrupt.pressed(); };
  R1_TRY(const bool complete, run_stage({.config = config,
                                         .config_text = text,
                                         .folder = options.folder,
                                         .n_workers = options.workers(),
                                         .is_stopped = stopped,
                                         .on_progress = [](const StageProgress& p) { print_progress(p); }}));
  if (!complete) fmt::print(stderr, "stopped; the same command goes on from here\n");
  return {};
}

Status print_scores(const std::vector<TaskScore>& scores, bool as_json) {
  if (as_json) return write_stdout(scores_json(scores));
  std::string table =
      fmt::format("{:<16}{:>14}{:>9}{:>9}{:>9}{:>9}\n", "TASK", "PASS@1", "PASS@N", "CONS@N", "FORMAT", "LENGTH");
  for (const TaskScore& s : scores) {
    table += fmt::format("{:<16}{:>7.1f} ±{:>4.1f}{:>9.1f}{:>9.1f}{:>9.1f}{:>9.0f}\n", s.task->name, 100 * s.pass_at_1,
                         100 * s.standard_error, 100 * s.pass_at_n, 100 * s.majority, 100 * s.format, s.mean_length);
  }
  return write_stdout(table);
}

Status evaluate_file(TrainOptions options) {
  std::vector<const Task*> tasks;
  for (const std::string& name : options.tasks) {
    R1_TRY(const Task* task, find_task(name));
    tasks.push_back(task);
  }
  options.eval.split = *split_named(options.split);
  R1_TRY(const std::vector<TaskScore> scores,
         evaluate_checkpoint(options.file, options.workers(), options.eval, std::move(tasks)));
  return print_scores(scores, options.json);
}

void add_stage(CLI::App& train, StageKind kind, const char* summary, const std::shared_ptr<TrainOptions>& options,
               Action& action) {
  CLI::App* stage = train.add_subcommand(std::string(to_string(kind)), summary);
  stage->add_option("--config", options->config, "JSON: what the stage begins with and how it goes (docs/recipe.md)")
      ->required();
  stage->add_option("--run", options->folder, "folder of the run; one that was begun goes on")->required();
  stage->add_option("--workers", options->n_workers, "cores; changes no result")->check(CLI::Range(1, 1024));
  stage->callback([kind, options, &action] { action = [kind, options] { return run(kind, *options); }; });
}

}  // namespace

void add_train(CLI::App& app, Action& action) {
  auto options = std::make_shared<TrainOptions>();
  CLI::App* train =
      app.add_subcommand("train", "train a small reasoning model: tokenizer, pretrain, sft, grpo, eval, export");
  train->require_subcommand(1);

  CLI::App* tokenizer = train->add_subcommand("tokenizer", "learn a vocabulary from the tasks' texts");
  tokenizer->add_option("FILE", options->file, "what to write")->required();
  tokenizer->add_option("--vocab", options->vocab_size, "tokens, control tokens and bytes among them")
      ->check(CLI::Range(300, 65536));
  tokenizer->add_option("--problems", options->n_problems, "problems of each task to learn from")
      ->check(CLI::Range(1, 1'000'000));
  tokenizer->callback([options, &action] { action = [options] { return train_tokenizer(*options); }; });

  add_stage(*train, StageKind::kPretrain, "from random weights: next tokens of questions and worked answers", options,
            action);
  add_stage(*train, StageKind::kSft, "supervised fine-tuning on worked answers", options, action);
  add_stage(*train, StageKind::kGrpo, "reinforcement learning: groups of answers, rule rewards", options, action);
  add_stage(*train, StageKind::kReject, "rejection sampling: the model's own right answers, as traces", options,
            action);
  add_stage(*train, StageKind::kDistill, "a student learns a teacher's answers", options, action);

  CLI::App* eval = train->add_subcommand("eval", "held-out accuracy of a checkpoint, task by task");
  eval->add_option("CHECKPOINT", options->file, "checkpoint.r1train of a run")->required();
  eval->add_option("--tasks", options->tasks, "names from `r1 tasks list`; all by default")->delimiter(',');
  eval->add_option("--split", options->split, "validation, or test (the default)")
      ->check(CLI::IsMember({"train", "validation", "test"}));
  eval->add_option("-n,--problems", options->eval.n_problems, "of each task")->check(CLI::Range(1, 1'000'000));
  eval->add_option("--samples", options->eval.n_samples, "answers to each")->check(CLI::Range(1, 1024));
  eval->add_option("--temperature", options->eval.temperature, "1 by default; 0: greedy")->check(CLI::Range(0.0, 10.0));
  eval->add_option("--max-tokens", options->eval.max_tokens, "of an answer")->check(CLI::Range(1, 1'000'000));
  eval->add_option("--workers", options->n_workers, "cores; changes no result")->check(CLI::Range(1, 1024));
  eval->add_flag("--json", options->json, "print a JSON array");
  eval->callback([options, &action] { action = [options] { return evaluate_file(*options); }; });

  CLI::App* report = train->add_subcommand("report", "a run as an HTML page: curves, scores, samples");
  report->add_option("RUN", options->folder, "a stage's folder, or one of stages' folders")->required();
  report->add_option("-o,--output", options->page, "report.html by default");
  report->add_option("--svg", options->svg_folder, "folder for the charts alone, as SVG files");
  report->callback([options, &action] {
    action = [options] { return write_report(options->folder, options->page, options->svg_folder); };
  });

  CLI::App* imported = train->add_subcommand("import", "a GGUF file of a shape that is trained here, as a checkpoint");
  imported->add_option("MODEL", options->file, "a file, or a name of `r1 list`; r1-nano is built in")->required();
  imported->add_option("CHECKPOINT", options->folder, "what to write, for a stage's `from`")->required();
  imported->add_option("--shape", options->shape, "the file's own shape with +mtp behind: that layer begins at random");
  imported->callback([options, &action] {
    action = [options]() -> Status {
      R1_TRY(const std::string path, resolve_model(options->file));
      return import_trained(path, options->folder, options->shape);
    };
  });

  CLI::App* exported = train->add_subcommand("export", "a checkpoint's model as a GGUF file");
  exported->add_option("CHECKPOINT", options->file, "checkpoint.r1train of a run")->required();
  exported->add_option("GGUF", options->folder, "what to write")->required();
  exported->add_option("--type", options->type, "f32, f16, bf16 or q8_0 (the default)");
  exported->callback([options, &action] {
    action = [options] { return export_trained(options->file, options->folder, options->type); };
  });
}

}  // namespace r1
