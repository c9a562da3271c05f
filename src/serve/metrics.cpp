// metrics.cpp: one family after the other, each with its help and type, then its samples.
#include "serve/metrics.h"

#include <array>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace r1 {
namespace {

constexpr std::array<std::string_view, kFinishReasons> kFinishNames = {"stop", "length", "cancelled", "error",
                                                                       "repetition"};

std::string label(std::string_view name, std::string_view value) {
  std::string text = std::string(name) + "=\"";
  for (const char c : value) {
    if (c == '\n') {
      text += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') text += '\\';
    text += c;
  }
  return text + '"';
}

class Text {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    text += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
  }
  // `labels` without braces; "": none.
  void sample(std::string_view labels, double value, std::string_view suffix = "") {
    text += fmt::format("{}{}", name_, suffix);
    if (!labels.empty()) text += fmt::format("{{{}}}", labels);
    text += fmt::format(" {}\n", value);
  }
  void sample(std::string_view labels, std::int64_t value) { sample(labels, static_cast<double>(value)); }
  void single(std::string_view name, std::string_view type, std::string_view help, std::int64_t value) {
    family(name, type, help);
    sample("", value);
  }

  // Prometheus wants each bucket to hold those below it too.
  void histogram(const std::string& labels, const HistogramCounts& counts) {
    std::int64_t n = 0;
    for (std::size_t i = 0; i < counts.buckets.size(); ++i) {
      n += counts.buckets[i];
      const std::string bound =
          i < kHistogramBounds_s.size() ? fmt::format("{}", kHistogramBounds_s[i]) : std::string("+Inf");
      sample(labels + ',' + label("le", bound), static_cast<double>(n), "_bucket");
    }
    sample(labels, counts.sum_s, "_sum");
    sample(labels, static_cast<double>(n), "_count");
  }

  std::string text;

 private:
  std::string_view name_;
};

struct EngineCounts {
  std::string labels;
  EngineStats stats;
};

void append_models(Text& out, std::span<const ModelCounts> models) {
  out.family("r1_model_loaded", "gauge", "1: the model is in memory; 0: it will be loaded when it is asked for.");
  for (const ModelCounts& model : models) out.sample(label("model", model.name), std::int64_t{model.is_loaded});
  out.family("r1_model_bytes", "gauge", "What the model takes in memory, once loaded.");
  for (const ModelCounts& model : models) out.sample(label("model", model.name), model.bytes);
  out.family("r1_model_loads_total", "counter", "How often the model was loaded.");
  for (const ModelCounts& model : models) out.sample(label("model", model.name), model.n_loads);
}

// Of models that have experts, once something was sampled of them: engine/expert_watch.h.
void append_experts(Text& out, std::vector<EngineCounts> models) {
  std::erase_if(models, [](const EngineCounts& model) { return model.stats.expert_bytes_needed == 0; });
  out.family("r1_expert_bytes_sampled_total", "counter", "Bytes of experts that sampled tokens needed.");
  for (const EngineCounts& model : models) out.sample(model.labels, model.stats.expert_bytes_needed);
  out.family("r1_expert_bytes_resident_total", "counter", "Those of them that were in memory, and not on disk alone.");
  for (const EngineCounts& model : models) out.sample(model.labels, model.stats.expert_bytes_resident);
  out.family("r1_expert_hit_ratio", "gauge", "The second of them by the first, since the start.");
  for (const EngineCounts& model : models)
    out.sample(model.labels, double(model.stats.expert_bytes_resident) / double(model.stats.expert_bytes_needed));
}

void append_engines(Text& out, const std::vector<EngineCounts>& models) {
  struct Family {
    std::string_view name, type, help;
    double (*value)(const EngineStats& stats);
  };
  constexpr std::array kFamilies = {
      Family{"r1_answers_running", "gauge", "Answers being written.", [](auto& s) { return double(s.n_running); }},
      Family{"r1_answers_waiting", "gauge", "Answers that wait for their turn.",
             [](auto& s) { return double(s.n_waiting); }},
      Family{"r1_prompt_tokens_total", "counter", "Tokens of prompts, cached ones among them.",
             [](auto& s) { return double(s.prompt_tokens); }},
      Family{"r1_prompt_tokens_cached_total", "counter", "Tokens of prompts found in the prefix cache.",
             [](auto& s) { return double(s.cached_tokens); }},
      Family{"r1_prefix_cache_hit_ratio", "gauge",
             "Share of the prompt tokens found in the prefix cache, since the start.",
             [](auto& s) { return s.prompt_tokens > 0 ? double(s.cached_tokens) / double(s.prompt_tokens) : 0.0; }},
      Family{"r1_completion_tokens_total", "counter", "Tokens written, thinking among them.",
             [](auto& s) { return double(s.completion_tokens); }},
      Family{"r1_draft_tokens_total", "counter", "Tokens guessed ahead by multi-token prediction, and checked.",
             [](auto& s) { return double(s.drafted_tokens); }},
      Family{"r1_draft_tokens_accepted_total", "counter", "Those of them that were right.",
             [](auto& s) { return double(s.accepted_tokens); }},
      Family{"r1_kv_blocks", "gauge", "Blocks of 64 tokens in the KV cache.",
             [](auto& s) { return double(s.kv_blocks_total); }},
      Family{"r1_kv_blocks_free", "gauge", "KV blocks that no running answer holds.",
             [](auto& s) { return double(s.kv_blocks_free); }},
  };
  for (const Family& family : kFamilies) {
    out.family(family.name, family.type, family.help);
    for (const EngineCounts& model : models) out.sample(model.labels, family.value(model.stats));
  }
  append_experts(out, models);
  out.family("r1_answers_total", "counter", "Answers that ended, by how.");
  for (const EngineCounts& model : models)
    for (std::size_t i = 0; i < kFinishNames.size(); ++i)
      out.sample(model.labels + ',' + label("finish", kFinishNames[i]), model.stats.finished[i]);
  out.family("r1_time_to_first_token_seconds", "histogram", "From submission to the first token.");
  for (const EngineCounts& model : models) out.histogram(model.labels, model.stats.to_first_token);
  out.family("r1_time_between_tokens_seconds", "histogram", "From one token of an answer to its next.");
  for (const EngineCounts& model : models) out.histogram(model.labels, model.stats.between_tokens);
}

}  // namespace

std::string metrics_text(const ServerCounts& server, std::span<const ModelCounts> models) {
  Text out;
  out.family("r1_build_info", "gauge", "The version that runs.");
  out.sample(label("version", R1_VERSION), std::int64_t{1});
  out.single("r1_start_time_seconds", "gauge", "When the server started, in seconds of the epoch.", server.started_s);
  out.single("r1_ready", "gauge", "1: new requests are answered; 0: loading or stopping.", server.is_ready ? 1 : 0);
  const HttpServerStats& http = server.http;
  out.single("r1_http_connections", "gauge", "Open connections.", http.n_connections);
  out.single("r1_http_answering", "gauge", "Requests being answered.", http.n_answering);
  out.single("r1_http_streaming", "gauge", "Those of them that stream.", http.n_streaming);
  out.single("r1_http_requests_total", "counter", "Requests read to their end.", http.requests);
  out.single("r1_http_clients_gone_total", "counter", "Clients that left before their answer was complete.",
             http.clients_gone);
  out.family("r1_http_responses_total", "counter", "Responses, by status; a stream counts when it begins.");
  for (const auto& [status, n] : http.responses) out.sample(label("status", std::to_string(status)), n);
  out.single("r1_model_bytes_max", "gauge", "What loaded models may take together; 0: no limit.",
             server.model_bytes_max);
  append_models(out, models);
  std::vector<EngineCounts> engines;
  for (const ModelCounts& model : models)
    if (model.stats) engines.push_back({label("model", model.name), *model.stats});
  append_engines(out, engines);
  return std::move(out.text);
}

}  // namespace r1
