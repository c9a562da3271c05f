// loaded_model.cpp: from files to an engine, and the defaults that fit the model.
#include "apps/loaded_model.h"

#include <unistd.h>

#include <algorithm>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/sampling_defaults.h"
#include "apps/store.h"
#include "base/cores.h"
#include "base/file.h"
#include "base/json.h"

namespace r1 {
namespace {

std::int64_t free_memory_bytes() { return std::int64_t{::sysconf(_SC_AVPHYS_PAGES)} * ::sysconf(_SC_PAGESIZE); }

Result<Dtype> kv_dtype(const std::string& flag, const Model& model) {
  if (flag == "auto") return model.weights.layers.front().wo.dtype == Dtype::kF32 ? Dtype::kF32 : Dtype::kF16;
  const auto dtype = dtype_from_name(flag);
  if (!dtype || (!is_plain_float(*dtype) && *dtype != Dtype::kQ8_0)) {
    return Error{ErrorCode::kInvalidInput, fmt::format("--kv {}: the cache can be f32, f16, bf16 or q8_0", flag)};
  }
  const int width = model.config.is_deepseek() ? model.config.mla_shape().latent_width() : model.config.head_dim;
  if (*dtype == Dtype::kQ8_0 && width % 32 != 0) {
    return Error{ErrorCode::kInvalidInput,
                 fmt::format("--kv q8_0: a head's row has {} numbers, and the format takes whole blocks of 32", width)};
  }
  return *dtype;
}

ThreadPool::Placement placement(const EngineFlags& flags) {
  if (flags.numa == "spread") return ThreadPool::Placement::kSpread;
  return flags.pin ? ThreadPool::Placement::kPinned : ThreadPool::Placement::kFree;
}

}  // namespace

void EngineFlags::add_to(CLI::App& command) {
  command.add_option("-t,--threads", n_threads, "compute threads (default: all cores)")->check(CLI::Range(1, 1024));
  command.add_flag("--pin", pin, "each compute thread stays on a core of its own, a NUMA node's cores after another's");
  command
      .add_option("--numa", numa,
                  "spread: the model's pages lie on all nodes of memory in turn, and so do the threads, pinned")
      ->check(CLI::IsMember({"off", "spread"}))
      ->capture_default_str();
  command.add_option("--kv", kv, "numbers of the cache: f32, f16, bf16, q8_0, auto")->capture_default_str();
}

void EngineFlags::add_context_to(CLI::App& command) {
  command
      .add_option("--context", context_length,
                  "tokens of prompt and answer together (default: the model's, at most 32768)")
      ->check(CLI::Range(1, 1 << 26));
  command
      .add_option("--draft", draft,
                  "mtp: guess a token ahead by the model's own multi-token prediction; the answer stays the same")
      ->check(CLI::IsMember({"off", "mtp"}))
      ->capture_default_str();
}

void EngineFlags::add_parallel_to(CLI::App& command) {
  command.add_option("--parallel", max_running, "answers computed at the same time")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
}

void EngineFlags::add_prefix_cache_to(CLI::App& command) {
  command.add_option("--prefix-cache", prefix_cache, "folder that keeps computed prefixes beyond memory and restarts");
  command.add_option("--prefix-cache-bytes", prefix_cache_bytes, "of each model, on disk (as 20GB or 8GiB)")
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 50))
      ->default_str("16GiB");
  command.add_flag("--share-prefixes", share_prefixes,
                   "accounts use each other's cached prefixes: they can tell from times what others have sent");
}

Result<Model> load_model(const std::string& path, const EngineFlags& flags) {
  if (flags.numa == "spread") R1_TRY_STATUS(interleave_memory());
  return load_model(path);
}

Result<ModelEngineOptions> engine_options(const EngineFlags& flags, const Model& model) {
  if (flags.context_length > model.config.context_length) {
    return Error{ErrorCode::kInvalidInput, fmt::format("--context {}: this model was made for {} at most",
                                                       flags.context_length, model.config.context_length)};
  }
  ModelEngineOptions options;
  options.n_threads = flags.n_threads > 0 ? flags.n_threads : n_usable_cores();
  options.placement = placement(flags);
  options.context_length =
      flags.context_length > 0 ? flags.context_length : std::min(model.config.context_length, kDefaultContext);
  options.max_running = flags.max_running;
  options.draft = flags.draft == "mtp";
  R1_TRY(options.kv_dtype, kv_dtype(flags.kv, model));
  const std::int64_t block_bytes = model.config.kv_layout(options.kv_dtype, options.draft).block_bytes();
  const std::int64_t one_context =
      (options.context_length + KvCache::kBlockTokens - 1) / KvCache::kBlockTokens * block_bytes;
  const std::int64_t wanted = one_context * std::min(flags.max_running, 8);
  const std::int64_t free =
      flags.memory_bytes > 0 ? std::min(free_memory_bytes(), flags.memory_bytes) : free_memory_bytes();
  options.kv_bytes = flags.kv_bytes > 0 ? flags.kv_bytes : std::max(one_context, std::min(wanted, free / 4));
  return options;
}

std::string LoadedModel::name_of(const std::string& path_or_name) {
  std::string path = path_or_name;
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path.substr(path.find_last_of('/') + 1);
}

Result<std::unique_ptr<LoadedModel>> LoadedModel::load(const std::string& path_or_name, const EngineFlags& flags) {
  R1_TRY(const std::string path, resolve_model(path_or_name));
  R1_TRY(Model model, load_model(path, flags));
  R1_TRY(ModelText text, load_model_text(path));
  if (text.tokenizer.vocab_size() > model.config.vocab_size) {
    return Error{ErrorCode::kInvalidInput, fmt::format("{}: the tokenizer has {} tokens, the model {}", path,
                                                       text.tokenizer.vocab_size(), model.config.vocab_size)};
  }
  std::unique_ptr<LoadedModel> loaded(new LoadedModel(name_of(path_or_name), std::move(model), std::move(text)));
  const Result<ChatTemplate>& chat = loaded->chat_template_;
  const TemplateFamily family = chat.ok() ? chat->family() : TemplateFamily::kPlain;
  R1_TRY(loaded->default_sampling_, recommended_sampling(path, loaded->model_, family));
  R1_TRY(ModelEngineOptions options, engine_options(flags, loaded->model_));
  if (!flags.prefix_cache.empty()) options.prefix_folder = flags.prefix_cache + "/" + loaded->name_;
  options.prefix_bytes = static_cast<std::int64_t>(flags.prefix_cache_bytes);
  options.share_prefixes = flags.share_prefixes;
  R1_TRY(loaded->engine_, ModelEngine::start(loaded->model_, options));
  return loaded;
}

}  // namespace r1
