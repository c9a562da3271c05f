// recipes.cpp: the recipes that come with the program. What their numbers were chosen by: docs/recipe.md.
#include <fmt/format.h>

#include "train/recipe.h"

namespace r1 {
namespace {

// 1.0M parameters active of 1.7M, and the layer for multi-token prediction. models/r1-nano.gguf was made in several
// rounds (models/README.md), before the tasks' weights here became what the later ones had found. A student and its
// control arm begin at the same base.
constexpr std::string_view kNano = R"({"name": "nano", "stages": [
  {"name": "vocabulary", "stage": "tokenizer", "config": {"vocab": 1024, "problems": 2000}},
  {"name": "pretrain", "stage": "pretrain", "config": {
    "shape": "nano-1m+mtp", "tokenizer": "@vocabulary", "seed": 1, "steps": 3000, "tokens_per_step": 4096,
    "mtp_weight": 0.3,
    "optimizer": "muon", "schedule": "wsd", "decay_share": 0.1, "learning_rate": 1e-2, "last_learning_rate": 3e-3,
    "warmup_steps": 100, "beta2": 0.98, "weight_decay": 0.02, "prompt_weight": 0.1, "answer_alone": 0.05, "log_every": 20,
    "tasks": {"addition": 1, "subtraction": 1, "multiplication": 1.5, "products": 1, "countdown3": 1.5, "countdown4": 2,
      "game24": 0.3, "chains": 4, "expressions": 2, "equations": 2, "word_problems": 2.5, "decimals": 1.5,
      "comparisons": 1, "letters": 1.5, "dates": 1, "sequences": 1.2, "logic": 1, "chat": 0.7}}},
  {"name": "cold-start", "stage": "sft", "config": {
    "from": "@pretrain", "seed": 2, "steps": 700, "tokens_per_step": 8192, "mtp_weight": 0.3,
    "optimizer": "muon", "schedule": "cosine", "learning_rate": 5e-3,
    "last_learning_rate": 1e-4, "warmup_steps": 20, "beta2": 0.98, "weight_decay": 0.02, "prompt_weight": 0.05,
    "log_every": 10,
    "tasks": {"addition": 1, "subtraction": 1, "multiplication": 1.5, "products": 1, "countdown3": 1.5, "countdown4": 2,
      "game24": 0.3, "chains": 4, "expressions": 2, "equations": 2, "word_problems": 2.5, "decimals": 1.5,
      "comparisons": 1, "letters": 1.5, "dates": 1, "sequences": 1.2, "logic": 1, "chat": 0.7}}},
  {"name": "cold-start-scores", "stage": "eval", "config": {"from": "@cold-start", "problems": 150, "samples": 8, "max_tokens": 320}},
  {"name": "rl", "stage": "grpo", "config": {
    "from": "@cold-start", "seed": 3, "steps": 64, "schedule": "cosine", "learning_rate": 6e-4, "last_learning_rate": 1e-4,
    "warmup_steps": 5, "log_every": 1, "sample_every": 25, "grpo": {"prompts": 32, "samples": 16, "max_tokens": 320},
    "tasks": {"countdown4": 5, "countdown3": 2, "game24": 2, "chains": 0.5, "comparisons": 0.5, "dates": 0.7, "sequences": 0.5,
      "logic": 0.7, "equations": 0.4, "expressions": 0.4, "word_problems": 0.4, "letters": 0.3, "decimals": 0.3,
      "multiplication": 0.3, "products": 0.2, "addition": 0.2, "subtraction": 0.2, "chat": 0.3}}},
  {"name": "rl-scores", "stage": "eval", "config": {"from": "@rl", "problems": 150, "samples": 8, "max_tokens": 320}},
  {"name": "rejection", "stage": "reject", "config": {
    "from": "@rl", "seed": 4, "steps": 28, "log_every": 1, "tasks": {"countdown4": 4, "countdown3": 2, "game24": 2},
    "reject": {"prompts": 256, "samples": 4, "max_tokens": 320, "keep": 1}}},
  {"name": "second-sft", "stage": "sft", "config": {
    "from": "@rl", "seed": 5, "steps": 3000, "tokens_per_step": 4096, "mtp_weight": 0.3,
    "optimizer": "muon", "schedule": "cosine", "learning_rate": 5e-3, "last_learning_rate": 1e-5, "warmup_steps": 30,
    "beta2": 0.98, "weight_decay": 0.02, "prompt_weight": 0.05, "log_every": 20, "traces": "@rejection", "traces_share": 0.3,
    "tasks": {"addition": 1.5, "subtraction": 1.5, "multiplication": 0.5, "products": 1, "chains": 3, "expressions": 2.5,
      "equations": 1.5, "word_problems": 2.5, "decimals": 2, "comparisons": 3, "letters": 3, "dates": 2.5, "sequences": 2,
      "logic": 4, "chat": 2}}},
  {"name": "second-sft-scores", "stage": "eval", "config": {"from": "@second-sft", "problems": 150, "samples": 8, "max_tokens": 320}},
  {"name": "second-rl", "stage": "grpo", "config": {
    "from": "@second-sft", "seed": 6, "steps": 40, "schedule": "cosine", "learning_rate": 1e-4, "last_learning_rate": 1e-5,
    "warmup_steps": 5, "log_every": 1, "sample_every": 25,
    "grpo": {"prompts": 32, "samples": 16, "max_tokens": 320, "language_weight": 0.1}}},
  {"name": "final-scores", "stage": "eval", "config": {"from": "@second-rl", "problems": 150, "samples": 8, "max_tokens": 320}},
  {"name": "answers", "stage": "reject", "config": {
    "from": "@second-rl", "seed": 13, "steps": 24, "log_every": 1,
    "reject": {"prompts": 256, "samples": 4, "max_tokens": 320, "keep": 2}}},
  {"name": "qwen2-base", "stage": "pretrain", "config": {
    "shape": "student-qwen2", "tokenizer": "@vocabulary", "seed": 7, "steps": 1200, "tokens_per_step": 4096,
    "schedule": "wsd", "decay_share": 0.1, "learning_rate": 2.5e-3, "last_learning_rate": 1e-3, "warmup_steps": 100,
    "beta2": 0.98, "weight_decay": 0.02, "prompt_weight": 0.1, "answer_alone": 0.05, "log_every": 20}},
  {"name": "qwen2-student", "stage": "distill", "config": {
    "from": "@qwen2-base", "traces": "@answers", "seed": 8, "steps": 1000, "tokens_per_step": 4096,
    "schedule": "cosine", "learning_rate": 2e-3, "last_learning_rate": 1e-4, "warmup_steps": 20, "beta2": 0.98,
    "weight_decay": 0.02, "log_every": 20}},
  {"name": "qwen2-student-scores", "stage": "eval", "config": {"from": "@qwen2-student", "problems": 150, "samples": 8, "max_tokens": 320}},
  {"name": "qwen2-control", "stage": "grpo", "config": {
    "from": "@qwen2-base", "seed": 9, "steps": 60, "learning_rate": 2e-4, "warmup_steps": 5, "log_every": 1,
    "grpo": {"prompts": 32, "samples": 16, "max_tokens": 320}}},
  {"name": "qwen2-control-scores", "stage": "eval", "config": {"from": "@qwen2-control", "problems": 150, "samples": 8, "max_tokens": 320}},
  {"name": "llama-base", "stage": "pretrain", "config": {
    "shape": "student-llama", "tokenizer": "@vocabulary", "seed": 10, "steps": 1200, "tokens_per_step": 4096,
    "schedule": "wsd", "decay_share": 0.1, "learning_rate": 2.5e-3, "last_learning_rate": 1e-3, "warmup_steps": 100,
    "beta2": 0.98, "weight_decay": 0.02, "prompt_weight": 0.1, "answer_alone": 0.05, "log_every": 20}},
  {"name": "llama-student", "stage": "distill", "config": {
    "from": "@llama-base", "traces": "@answers", "seed": 11, "steps": 1000, "tokens_per_step": 4096,
    "schedule": "cosine", "learning_rate": 2e-3, "last_learning_rate": 1e-4, "warmup_steps": 20, "beta2": 0.98,
    "weight_decay": 0.02, "log_every": 20}},
  {"name": "llama-student-scores", "stage": "eval", "config": {"from": "@llama-student", "problems": 150, "samples": 8, "max_tokens": 320}},
  {"name": "llama-control", "stage": "grpo", "config": {
    "from": "@llama-base", "seed": 12, "steps": 60, "learning_rate": 2e-4, "warmup_steps": 5, "log_every": 1,
    "grpo": {"prompts": 32, "samples": 16, "max_tokens": 320}}},
  {"name": "llama-control-scores", "stage": "eval", "config": {"from": "@llama-control", "problems": 150, "samples": 8, "max_tokens": 320}},
  {"name": "model", "stage": "export", "config": {"from": "@second-rl", "type": "q8_0"}}
]})";

// The chain in a minute or two: comparison of decimals by a model of 0.15M; what `make test` sees learn.
constexpr std::string_view kNanoCi = R"({"name": "nano-ci", "stages": [
  {"name": "vocabulary", "stage": "tokenizer", "config": {"vocab": 512, "problems": 200}},
  {"name": "cold-start", "stage": "sft", "config": {
    "shape": "nano-0.15m+mtp", "tokenizer": "@vocabulary", "seed": 1, "steps": 280, "tokens_per_step": 2048,
    "mtp_weight": 0.3,
    "optimizer": "muon", "schedule": "wsd", "learning_rate": 1e-2, "last_learning_rate": 2e-3, "warmup_steps": 30, "beta2": 0.98,
    "weight_decay": 0.02, "tasks": {"decimals": 1}}},
  {"name": "cold-start-scores", "stage": "eval", "config": {
    "from": "@cold-start", "problems": 50, "samples": 4, "max_tokens": 80, "tasks": ["decimals"]}},
  {"name": "rl", "stage": "grpo", "config": {
    "from": "@cold-start", "seed": 2, "steps": 50, "learning_rate": 3e-4, "log_every": 1, "tasks": {"decimals": 1},
    "grpo": {"prompts": 32, "samples": 16, "max_tokens": 80, "format_weight": 0.3}}},
  {"name": "rl-scores", "stage": "eval", "config": {
    "from": "@rl", "problems": 50, "samples": 4, "max_tokens": 80, "tasks": ["decimals"]}},
  {"name": "rejection", "stage": "reject", "config": {
    "from": "@rl", "seed": 3, "steps": 2, "tasks": {"decimals": 1}, "reject": {"prompts": 64, "max_tokens": 80}}},
  {"name": "student", "stage": "distill", "config": {
    "shape": "student-llama", "tokenizer": "@vocabulary", "traces": "@rejection", "steps": 20, "tokens_per_step": 1024}},
  {"name": "model", "stage": "export", "config": {"from": "@rl", "type": "q8_0"}}
]})";

struct BuiltIn {
  std::string_view name, json;
};
constexpr BuiltIn kBuiltIn[] = {{"nano", kNano}, {"nano-ci", kNanoCi}};

}  // namespace

Result<std::string_view> built_in_recipe(std::string_view name) {
  std::string names;
  for (const BuiltIn& recipe : kBuiltIn) {
    if (recipe.name == name) return recipe.json;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", recipe.name);
  }
  return Error{ErrorCode::kNotFound, fmt::format("no recipe '{}'; there are {}, or a .json file", name, names)};
}

}  // namespace r1
