// stage_config.cpp: keys to fields by one list, in which each field has its bounds.
#include "train/stage_config.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tasks/registry.h"
#include "train/config_keys.h"

namespace r1 {
namespace {

void read_schedule(ConfigKeys& keys, StageConfig& c) {
  keys.number("learning_rate", c.schedule.peak, 0, 1);
  c.schedule.last = c.schedule.peak / 10;
  keys.number("last_learning_rate", c.schedule.last, 0, 1);
  keys.number("warmup_steps", c.schedule.n_warmup, 0, 1e9);
  keys.number("decay_share", c.schedule.decay_share, 1e-3, 1);
  std::string kind;
  keys.text("schedule", kind);
  if (kind.empty()) return;
  auto named = schedule_named(kind);
  if (named.ok())
    c.schedule.kind = named.value();
  else
    keys.fail(named.error().message);
}

void read_mix(ConfigKeys& keys, StageConfig& c) {
  const Json* tasks = keys.find("tasks");
  if (tasks == nullptr) {
    for (const Task* task : all_tasks()) c.mix.push_back({task, 1});
    return;
  }
  if (!tasks->is_object() || tasks->empty()) return keys.fail("tasks must be an object of names and weights");
  for (const auto& [name, weight] : tasks->items()) {
    auto task = find_task(name);
    if (!task.ok()) return keys.fail(task.error().message);
    if (!weight.is_number() || !(weight.get<double>() > 0)) {
      return keys.fail(fmt::format("tasks: the weight of {} is {}, must be above 0", name, weight.dump()));
    }
    c.mix.push_back({task.value(), weight.get<double>()});
  }
}

Status read_grpo(const Json& json, GrpoConfig& g) {
  ConfigKeys keys(json, "grpo.");
  keys.number("prompts", g.n_prompts, 1, 1e5);
  keys.number("samples", g.n_samples, 2, 4096);
  keys.number("max_tokens", g.max_tokens, 1, 1e6);
  keys.boolean("divide_by_deviation", g.divide_by_deviation);
  keys.boolean("mean_of_sequences", g.mean_of_sequences);
  keys.number("kl_weight", g.kl_weight, 0, 10);
  keys.number("refresh_reference", g.refresh_reference, 1, 1e9);
  keys.number("clip_low", g.clip_low, 0, 1);
  keys.number("clip_high", g.clip_high, 0, 100);
  keys.number("minibatches", g.n_minibatches, 1, 1024);
  keys.number("accuracy_weight", g.accuracy_weight, 0, 100);
  keys.number("format_weight", g.format_weight, 0, 100);
  keys.number("language_weight", g.language_weight, 0, 100);
  return keys.finish();
}

void read_weights(ConfigKeys& keys, StageConfig& c) {
  std::string format = "f32";
  keys.text("weights", format);
  if (format == "bf16")
    c.weights = WeightFormat::kBF16;
  else if (format == "bf16-nearest")
    c.weights = WeightFormat::kBF16Nearest;
  else if (format != "f32")
    keys.fail(fmt::format("no weights '{}'; there are f32, bf16, bf16-nearest", format));
}

void read_optimizer(ConfigKeys& keys, StageConfig& c) {
  std::string kind = "adamw";
  keys.text("optimizer", kind);
  if (kind != "adamw" && kind != "muon") keys.fail(fmt::format("no optimizer '{}'; there are adamw, muon", kind));
  if (kind == "muon") c.optimizer.kind = OptimizerKind::kMuon;
  keys.number("muon_momentum", c.optimizer.muon_momentum, 0, 0.9999);
  keys.number("beta1", c.optimizer.adamw.beta1, 0, 0.9999);
  keys.number("beta2", c.optimizer.adamw.beta2, 0, 0.99999);
  keys.number("weight_decay", c.optimizer.adamw.weight_decay, 0, 10);
  keys.number("clip_norm", c.optimizer.adamw.clip_norm, 0, 1e6);
  keys.number("shares", c.n_shares, 1, 256);
  keys.number("rows_at_once", c.rows_at_once, 1, 1e6);
  keys.boolean("recompute", c.recompute);
  keys.number("balance_speed", c.balance_speed, 0, 1);
  keys.number("frozen_balance_share", c.frozen_balance_share, 0, 1);
  keys.number("balance_alpha", c.balance_alpha, 0, 1);
}

Status read_lora(const Json& json, LoraConfig& l) {
  ConfigKeys keys(json, "lora.");
  l.rank = 8;
  keys.number("rank", l.rank, 1, 4096);
  l.alpha = static_cast<float>(2 * l.rank);
  keys.number("alpha", l.alpha, 0, 1e6);
  if (const Json* targets = keys.find("targets")) {
    const bool are_names = targets->is_array() && !targets->empty() &&
                           std::all_of(targets->begin(), targets->end(), [](const Json& t) { return t.is_string(); });
    if (are_names)
      l.targets = targets->get<std::vector<std::string>>();
    else
      keys.fail(fmt::format("lora.targets must be names, not {}", targets->dump()));
  }
  return keys.finish();
}

Status check_lora(const StageConfig& c) {
  const auto wrong = [](std::string_view what) { return Error{ErrorCode::kInvalidInput, std::string(what)}; };
  if (c.from.empty()) return wrong("lora adapts a model that there is: name 'from'");
  if (c.balance_speed > 0) return wrong("balance_speed must be 0 with lora: routers' biases are the base's");
  if (c.optimizer.kind == OptimizerKind::kMuon) return wrong("optimizer muon is for whole matrices, not for lora's");
  if (c.weights != WeightFormat::kF32) return wrong("weights other than f32 are of whole models, not of lora's");
  return {};
}

Status read_reject(const Json& json, RejectConfig& r) {
  ConfigKeys keys(json, "reject.");
  keys.number("prompts", r.n_prompts, 1, 1e5);
  keys.number("samples", r.n_samples, 1, 4096);
  keys.number("max_tokens", r.max_tokens, 1, 1e6);
  keys.number("temperature", r.temperature, 1e-3, 10);
  keys.number("keep", r.keep, 1, 4096);
  return keys.finish();
}

Status check(const StageConfig& c) {
  if (c.from.empty() == c.shape.empty()) {
    return Error{ErrorCode::kInvalidInput,
                 "a stage begins with either a shape or a checkpoint: name 'shape' or 'from'"};
  }
  if (!c.shape.empty() && c.tokenizer.empty()) {
    return Error{ErrorCode::kInvalidInput, "a model from random weights needs a 'tokenizer'"};
  }
  if (c.kind == StageKind::kDistill && c.traces.empty() && c.teacher.empty()) {
    return Error{ErrorCode::kInvalidInput,
                 "distillation learns from a teacher's answers or distributions: name 'traces', 'teacher' or both"};
  }
  return c.lora.is_on() ? check_lora(c) : Status();
}

}  // namespace

Result<StageKind> stage_named(std::string_view name) {
  std::string names;
  for (const StageKind kind : kAllStages) {
    if (to_string(kind) == name) return kind;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", to_string(kind));
  }
  return Error{ErrorCode::kInvalidInput, fmt::format("no stage '{}'; there are {}", name, names)};
}

std::string_view to_string(StageKind kind) {
  switch (kind) {
    case StageKind::kPretrain:
      return "pretrain";
    case StageKind::kSft:
      return "sft";
    case StageKind::kGrpo:
      return "grpo";
    case StageKind::kReject:
      return "reject";
    case StageKind::kDistill:
      return "distill";
  }
  return "";
}

Result<StageConfig> read_stage_config(StageKind kind, std::string_view json, std::string_view what) {
  R1_TRY(const Json object, parse_json(json, what, {.max_depth = 8, .max_bytes = 1 << 20}));
  StageConfig c;
  c.kind = kind;
  if (kind == StageKind::kSft || kind == StageKind::kDistill) c.prompt_weight = 0.1f;
  if (kind == StageKind::kGrpo) {
    c.schedule.kind = ScheduleKind::kConstant;
    c.optimizer.adamw.weight_decay = 0;
    c.balance_speed = 0;
  }
  ConfigKeys keys(object, "");
  keys.text("shape", c.shape);
  keys.text("from", c.from);
  keys.text("tokenizer", c.tokenizer);
  keys.number("seed", c.seed, 0, 9e15);
  keys.number("steps", c.n_steps, 1, 1e9);
  keys.number("tokens_per_step", c.tokens_per_step, 1, 1e9);
  keys.number("prompt_weight", c.prompt_weight, 0, 1);
  keys.number("answer_alone", c.answer_alone, 0, 1);
  keys.number("save_every_seconds", c.save_every_seconds, 1, 1e9);
  keys.number("log_every", c.log_every, 1, 1e9);
  keys.number("sample_every", c.sample_every, 1, 1e9);
  if (kind == StageKind::kSft || kind == StageKind::kDistill) {
    keys.text("traces", c.traces);
    keys.number("traces_share", c.traces_share, 0, 1);
  }
  if (kind == StageKind::kDistill) {
    keys.text("teacher", c.teacher);
    keys.number("teacher_weight", c.teacher_weight, 0, 1);
    keys.number("teacher_temperature", c.teacher_temperature, 0.01, 100);
    if (c.teacher.empty()) c.teacher_weight = 0;
  }
  if (kind != StageKind::kGrpo && kind != StageKind::kReject) {
    keys.number("mtp_weight", c.mtp_weight, 0, 10);
    c.last_mtp_weight = c.mtp_weight / 3;
    keys.number("last_mtp_weight", c.last_mtp_weight, 0, 10);
    keys.number("mtp_weight_share", c.mtp_weight_share, 0, 1);
  }
  if (const Json* lora = keys.find("lora")) {
    R1_TRY_STATUS(read_lora(*lora, c.lora));
    c.balance_speed = 0;
  }
  read_schedule(keys, c);
  read_optimizer(keys, c);
  read_weights(keys, c);
  read_mix(keys, c);
  if (const Json* grpo = kind == StageKind::kGrpo ? keys.find("grpo") : nullptr) {
    R1_TRY_STATUS(read_grpo(*grpo, c.grpo));
  }
  if (const Json* reject = kind == StageKind::kReject ? keys.find("reject") : nullptr) {
    R1_TRY_STATUS(read_reject(*reject, c.reject));
  }
  const Status keys_status = keys.finish();
  if (!keys_status.ok()) return with_context(keys_status.error(), std::string(what));
  const Status status = check(c);
  if (!status.ok()) return with_context(status.error(), std::string(what));
  c.schedule.n_steps = c.n_steps;
  return c;
}

}  // namespace r1
