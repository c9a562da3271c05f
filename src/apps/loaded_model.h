// loaded_model.h: a model ready to answer: weights, tokenizer, chat template and a running engine, from a path or a
// name in the store.
#pragma once

#include <memory>
#include <string>

#include "apps/model_text.h"
#include "base/result.h"
#include "engine/model_engine.h"
#include "model/weights.h"
#include "text/chat_template.h"

namespace CLI {
class App;
}

namespace r1 {

// The options of commands that run a model; each adds those that mean something to it.
struct EngineFlags {
  int n_threads = 0;  // 0: all cores this process may use
  bool pin = false;
  std::string numa = "off";  // off, spread
  int context_length = 0;    // 0: the model's own, at most kDefaultContext
  int max_running = 16;
  std::string prefix_cache;  // folder, each model's prefixes in one of its own; empty: in memory alone
  std::uint64_t prefix_cache_bytes = std::uint64_t{16} << 30;  // of each model
  bool share_prefixes = false;
  std::int64_t memory_bytes = 0;  // for weights and cache; 0: what the machine has free
  std::int64_t kv_bytes = 0;      // of the cache; 0: see engine_options
  std::string draft = "off";      // off, mtp
  std::string kv = "auto";        // f32, f16, bf16, q8_0; auto: f32 for models stored in F32, else f16

  void add_to(CLI::App& command);          // -t, --pin, --numa, --kv: all that computing alone needs
  void add_context_to(CLI::App& command);  // --context, --draft: where prompts are answered
  void add_parallel_to(CLI::App& command);
  void add_prefix_cache_to(CLI::App& command);
};

// Longer contexts are for those who ask: their cache is large, and few machines reach their end.
inline constexpr int kDefaultContext = 32768;

// Loads, with the pages of the file where --numa wants them: it has a say only until they are read.
Result<Model> load_model(const std::string& path, const EngineFlags& flags);

// A cache for several contexts at once, as far as a quarter of the memory that is free now, or of what memory_bytes
// leaves, allows; one always.
Result<ModelEngineOptions> engine_options(const EngineFlags& flags, const Model& model);

class LoadedModel {
 public:
  static Result<std::unique_ptr<LoadedModel>> load(const std::string& path_or_name, const EngineFlags& flags);

  static std::string name_of(const std::string& path_or_name);  // as the user called it, without folders
  const std::string& name() const { return name_; }
  const Model& model() const { return model_; }
  const Tokenizer& tokenizer() const { return text_.tokenizer; }
  // An Error where the model's is of no family known here: such a model can continue texts, not conversations.
  const Result<ChatTemplate>& chat_template() const { return chat_template_; }
  const SamplingParams& default_sampling() const { return default_sampling_; }
  ModelEngine& engine() { return *engine_; }

 private:
  LoadedModel(std::string name, Model model, ModelText text)
      : name_(std::move(name)),
        model_(std::move(model)),
        text_(std::move(text)),
        chat_template_(ChatTemplate::detect(text_.chat_template, text_.tokenizer)) {}

  std::string name_;
  Model model_;
  ModelText text_;
  Result<ChatTemplate> chat_template_;
  SamplingParams default_sampling_;
  std::unique_ptr<ModelEngine> engine_;  // last: ends before what it looks into
};

}  // namespace r1
