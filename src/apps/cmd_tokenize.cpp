// cmd_tokenize.cpp: `r1 tokenize MODEL [TEXT]`: text to ids, and ids to text.
#include <memory>
#include <string>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "apps/commands.h"
#include "apps/model_text.h"
#include "apps/standard_streams.h"
#include "apps/store.h"
#include "apps/token_ids.h"
#include "base/file.h"
#include "text/tokenizer.h"

namespace r1 {
namespace {

struct TokenizeOptions {
  std::string model, text, decode_ids;
  bool has_text = false, decodes = false, special = false;
};

Status decode(const TokenizeOptions& options, const Tokenizer& tokenizer) {
  std::string text = options.decode_ids;
  if (text == "-") {
    R1_TRY(text, read_stdin());
  }
  R1_TRY(const std::vector<int> ids, parse_token_ids(text, tokenizer.vocab_size()));
  return write_stdout(tokenizer.decode(ids, Tokenizer::ControlTokens::kShow));
}

Status encode(const TokenizeOptions& options, const Tokenizer& tokenizer) {
  std::string text = options.text;
  if (!options.has_text) {
    R1_TRY(text, read_stdin());
  }
  const std::vector<int> ids = options.special ? tokenizer.encode_with_control_tokens(text) : tokenizer.encode(text);
  return write_stdout(fmt::format("{{\"ids\":[{}]}}\n", fmt::join(ids, ",")));
}

Status tokenize(const TokenizeOptions& options) {
  R1_TRY(const std::string path, resolve_model(options.model));
  R1_TRY(const ModelText model, load_model_text(path));
  return options.decodes ? decode(options, model.tokenizer) : encode(options, model.tokenizer);
}

}  // namespace

void add_tokenize(CLI::App& app, Action& action) {
  auto options = std::make_shared<TokenizeOptions>();
  CLI::App* command = app.add_subcommand("tokenize", "text to token ids as {\"ids\":[...]}, or back");
  command->add_option("MODEL", options->model, "a GGUF file, a folder with tokenizer.json, or a name in the store")
      ->required();
  CLI::Option* text = command->add_option("TEXT", options->text, "the text; without it, stdin is read");
  CLI::Option* ids =
      command->add_option("--decode", options->decode_ids,
                          "print the text of these ids (\"1,2,3\"; \"-\": ids from stdin), bytes as they are");
  CLI::Option* special =
      command->add_flag("--special", options->special, "control tokens spelt out in the text become those tokens");
  ids->excludes(text);
  ids->excludes(special);
  command->callback([options, text, ids, &action] {
    options->has_text = text->count() > 0;
    options->decodes = ids->count() > 0;
    action = [options] { return tokenize(*options); };
  });
}

}  // namespace r1
