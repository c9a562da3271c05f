// cmd_inspect.cpp: `r1 inspect`, what is in a model's files.
#include <algorithm>
#include <memory>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/model_summary.h"
#include "apps/store.h"
#include "apps/units.h"
#include "base/json.h"

namespace r1 {
namespace {

struct InspectOptions {
  std::string model;
  bool show_tensors = false;
  bool as_json = false;
};

// ---- JSON ---------------------------------------------------------------------------------------------------------

OrderedJson census_json(const ModelSummary& summary) {
  OrderedJson types = OrderedJson::array();
  for (const TypeCensus& type : summary.census) {
    types.push_back({{"type", traits(type.dtype).name}, {"tensors", type.n_tensors}, {"bytes", type.n_bytes}});
  }
  return {{"bits_per_weight", summary.bits_per_weight()}, {"bytes", summary.n_weight_bytes}, {"types", types}};
}

OrderedJson tensors_json(const std::vector<StoredTensor>& tensors) {
  OrderedJson list = OrderedJson::array();
  for (const StoredTensor& tensor : tensors) {
    const auto dims = std::span(tensor.shape.dims).first(static_cast<std::size_t>(tensor.shape.n_dims));
    list.push_back({{"name", tensor.name},
                    {"type", traits(tensor.dtype).name},
                    {"shape", std::vector<std::int64_t>(dims.begin(), dims.end())},
                    {"bytes", tensor.n_bytes}});
  }
  return list;
}

void print_json(const InspectedModel& model) {
  const ModelSummary& s = model.summary;
  OrderedJson files = OrderedJson::array();
  for (const auto& [path, bytes] : s.files) files.push_back({{"path", path}, {"bytes", bytes}});
  const OrderedJson all = {
      {"path", s.path},
      {"name", s.name},
      {"format", s.format},
      {"architecture", s.architecture},
      {"files", files},
      {"file_bytes", s.file_bytes()},
      {"parameters", s.n_params},
      {"active_parameters", s.n_active_params},
      {"mtp_parameters", s.n_mtp_params},
      {"layers", s.n_layers},
      {"experts", {{"routed", s.n_routed_experts}, {"activated", s.n_activated_experts}}},
      {"context_length", s.context_length},
      {"tokenizer", {{"kind", s.tokenizer}, {"pre", s.pre_tokenizer}, {"vocab_size", s.vocab_size}}},
      {"chat_template", {{"family", s.template_family}, {"text", s.chat_template}}},
      {"runs", s.obstacle.empty()},
      {"obstacle", s.obstacle},
      {"quantisation", census_json(s)},
      {"metadata", metadata_json(model)},
      {"tensors", tensors_json(model.tensors)},
  };
  fmt::print("{}\n", all.dump(2, ' ', false, OrderedJson::error_handler_t::replace));
}

// ---- for people ---------------------------------------------------------------------------------------------------

std::string with_commas(std::int64_t n) {
  std::string digits = fmt::format("{}", n);
  for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

// "671 B (671,026,419,200)": three digits, and all of them.
std::string parameters(std::int64_t n) {
  constexpr std::string_view kUnits[] = {"", " k", " M", " B", " T"};
  if (n < 10'000) return with_commas(n);
  auto value = static_cast<double>(n);
  std::size_t unit = 0;
  for (; value >= 999.5 && unit + 1 < std::size(kUnits); ++unit) value /= 1000;
  return fmt::format("{:.{}f}{} ({})", value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0, kUnits[unit], with_commas(n));
}

// Text from a file, fit for one line of a terminal.
std::string one_line(std::string_view text, std::size_t max_bytes) {
  std::string line;
  for (const char c : text.substr(0, max_bytes)) line += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  while (text.size() > max_bytes && !line.empty() && (static_cast<unsigned char>(line.back()) & 0x80) != 0) {
    line.pop_back();  // perhaps half a character
  }
  return line + (text.size() > max_bytes ? "..." : "");
}

void print_fact(std::string_view name, std::string_view value) {
  if (!value.empty()) fmt::print("  {:<14}{}\n", name, value);
}

std::string experts_text(const ModelSummary& s) {
  if (s.n_routed_experts == 0) return "";
  return fmt::format("{} routed, {} per token", s.n_routed_experts, s.n_activated_experts);
}

std::string tokenizer_text(const ModelSummary& s) {
  if (s.tokenizer.empty() && s.vocab_size == 0) return "none";
  std::string text = s.tokenizer.empty() ? "none" : one_line(s.tokenizer, 40);
  if (!s.pre_tokenizer.empty()) text += ", pre-tokenizer " + one_line(s.pre_tokenizer, 40);
  return text + fmt::format(", {} tokens", with_commas(s.vocab_size));
}

std::string template_text(const ModelSummary& s) {
  if (!s.template_family.empty()) return s.template_family;
  return s.chat_template.empty() ? "none" : one_line(s.chat_template, 80);
}

void print_census(const ModelSummary& s) {
  if (s.census.empty()) return print_fact("quantisation", "no tensors: a vocabulary");
  fmt::print("  {:<14}{:.2f} bits per weight\n", "quantisation", s.bits_per_weight());
  const auto total = static_cast<double>(std::max<std::int64_t>(s.n_weight_bytes, 1));
  for (const TypeCensus& type : s.census) {
    fmt::print("    {:<8}{:>7} tensors  {:>8}  {:>5.1f} %\n", traits(type.dtype).name, with_commas(type.n_tensors),
               format_bytes(type.n_bytes), 100.0 * static_cast<double>(type.n_bytes) / total);
  }
}

void print_summary(const ModelSummary& s) {
  const std::string n_files = s.files.size() == 1 ? "" : fmt::format(" in {} files", s.files.size());
  const bool is_mixture = s.n_active_params != s.n_params;
  fmt::print("{}\n", one_line(s.name.empty() ? s.path : s.name, 100));
  print_fact("path", s.path);
  print_fact("size", format_bytes(s.file_bytes()) + n_files);
  print_fact("format", s.format);
  print_fact("architecture", s.architecture.empty() ? "not stated" : one_line(s.architecture, 60));
  print_fact("parameters", parameters(s.n_params));
  if (is_mixture) print_fact("active", parameters(s.n_active_params) + " per token");
  if (s.n_mtp_params > 0) print_fact("MTP layers", parameters(s.n_mtp_params) + ", not counted above");
  if (s.n_layers > 0) print_fact("layers", with_commas(s.n_layers));
  print_fact("experts", experts_text(s));
  if (s.context_length > 0) print_fact("context", with_commas(s.context_length) + " tokens");
  print_fact("tokenizer", tokenizer_text(s));
  print_fact("chat template", template_text(s));
  print_census(s);
  print_fact("runs here", s.obstacle.empty() ? "yes" : "no: " + one_line(s.obstacle, 300));
}

void print_tensors(const std::vector<StoredTensor>& tensors) {
  std::size_t name_width = 4, shape_width = 5;
  for (const StoredTensor& tensor : tensors) {
    name_width = std::max(name_width, tensor.name.size());
    shape_width = std::max(shape_width, to_string(tensor.shape).size());
  }
  fmt::print("\n{:<{}}  {:<8}  {:<{}}  {:>16}\n", "NAME", name_width, "TYPE", "SHAPE", shape_width, "BYTES");
  for (const StoredTensor& tensor : tensors) {
    fmt::print("{:<{}}  {:<8}  {:<{}}  {:>16}\n", tensor.name, name_width, traits(tensor.dtype).name,
               to_string(tensor.shape), shape_width, with_commas(tensor.n_bytes));
  }
}

Status inspect(const InspectOptions& options) {
  R1_TRY(const std::string path, resolve_model(options.model));
  R1_TRY(const InspectedModel model, inspect_model(path));
  if (options.as_json) {
    print_json(model);
    return {};
  }
  print_summary(model.summary);
  if (options.show_tensors) print_tensors(model.tensors);
  return {};
}

}  // namespace

void add_inspect(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("inspect", "show a model's architecture, size, tensors, quantisation, tokenizer");
  auto options = std::make_shared<InspectOptions>();
  command->add_option("MODEL", options->model, "a GGUF file, a Hugging Face folder, a .safetensors file, or a name")
      ->required();
  command->add_flag("--tensors", options->show_tensors, "list every tensor");
  command->add_flag("--json", options->as_json, "print everything as JSON");
  command->callback([&action, options] { action = [options] { return inspect(*options); }; });
}

}  // namespace r1
