// cmd_tokenize.cpp: `r1 tokenize MODEL [TEXT]`: text to ids, and ids to text.
#include <charconv>
#include <cstdio>
#include <memory>
#include <string>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "apps/commands.h"
#include "apps/model_text.h"
#include "apps/store.h"
#include "base/file.h"
#include "text/tokenizer.h"

namespace r1 {
namespace {

struct Options {
  std::string model, text, decode_ids;
  bool has_text = false, decodes = false, special = false;
};

Result<std::string> read_stdin() {
  std::string text;
  char chunk[1 << 16];
  while (const std::size_t n = std::fread(chunk, 1, sizeof chunk, stdin)) text.append(chunk, n);
  if (std::ferror(stdin) != 0) return Error{ErrorCode::kIo, "reading the text from stdin failed"};
  return text;
}

Status write_stdout(std::string_view bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size() && std::fflush(stdout) == 0) return {};
  return Error{ErrorCode::kIo, "writing to stdout failed"};
}

// "1,2 3": ids between commas, white space or the brackets of our own output.
Result<std::vector<int>> parse_ids(std::string_view text, int vocab_size) {
  constexpr std::string_view kBetween = ", \t\r\n[]";
  std::vector<int> ids;
  for (std::size_t i = text.find_first_not_of(kBetween); i < text.size(); i = text.find_first_not_of(kBetween, i)) {
    const std::string_view word = text.substr(i, std::min(text.find_first_of(kBetween, i), text.size()) - i);
    int id = 0;
    const auto [end, problem] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (problem != std::errc() || end != word.data() + word.size() || id < 0 || id >= vocab_size) {
      return Error{ErrorCode::kInvalidInput,
                   fmt::format("--decode: '{}' is not a token id; this model's go from 0 to {}", word, vocab_size - 1)};
    }
    ids.push_back(id);
    i += word.size();
  }
  return ids;
}

Status decode(const Options& options, const Tokenizer& tokenizer) {
  std::string text = options.decode_ids;
  if (text == "-") {
    R1_TRY(text, read_stdin());
  }
  R1_TRY(const std::vector<int> ids, parse_ids(text, tokenizer.vocab_size()));
  return write_stdout(tokenizer.decode(ids, Tokenizer::ControlTokens::kShow));
}

Status encode(const Options& options, const Tokenizer& tokenizer) {
  std::string text = options.text;
  if (!options.has_text) {
    R1_TRY(text, read_stdin());
  }
  const std::vector<int> ids = options.special ? tokenizer.encode_with_control_tokens(text) : tokenizer.encode(text);
  return write_stdout(fmt::format("{{\"ids\":[{}]}}\n", fmt::join(ids, ",")));
}

Status tokenize(const Options& options) {
  R1_TRY(const std::string path, resolve_model(options.model));
  R1_TRY(const ModelText model, load_model_text(path));
  return options.decodes ? decode(options, model.tokenizer) : encode(options, model.tokenizer);
}

}  // namespace

void add_tokenize(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("tokenize", "text to token ids as {\"ids\":[...]}, or back");
  command->add_option("MODEL", options->model, "a GGUF file, or a folder with tokenizer.json")->required();
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
