// schema_fuzz.cpp: libFuzzer on src/grammar; `make fuzz F=schema`. The input is a JSON Schema; texts are drawn from
// what compiles, and must be JSON.
#include <cstdlib>
#include <string>

#include <nlohmann/json.hpp>

#include "base/ordered_json.h"
#include "base/rng.h"
#include "grammar/automaton.h"
#include "grammar/json_schema.h"

namespace r1 {
namespace {

constexpr std::size_t kTextBytes = 300;

void draw(Automaton& automaton, Rng rng) {
  std::string text;
  int state = automaton.begin();
  while (text.size() < kTextBytes) {
    std::string live;
    for (int byte = 0; byte < 256; ++byte)
      if (automaton.next(state, static_cast<std::uint8_t>(byte)) != Automaton::kDead)
        live.push_back(static_cast<char>(byte));
    if (live.empty() || (automaton.accepts(state) && rng.below(3) == 0)) break;
    char c = live[rng.below(live.size())];
    for (const char closing : std::string_view("\"}]"))
      if (rng.below(3) == 0 && live.find(closing) != std::string::npos) c = closing;
    text.push_back(c);
    state = automaton.next(state, static_cast<std::uint8_t>(c));
  }
  const bool is_json = Json::accept(text);
  if (automaton.accepts(state) && !is_json) std::abort();
}

void compile(std::string_view text) {
  const auto schema = parse_ordered_json(text, "schema");
  if (!schema.ok()) return;
  auto grammar = json_schema_grammar(*schema, "schema");
  if (!grammar.ok()) {
    if (grammar.error().message.empty()) std::abort();
    return;
  }
  Automaton automaton(std::move(*grammar));
  for (std::uint64_t i = 0; i < 4; ++i) draw(automaton, Rng(text.size(), i));
}

}  // namespace
}  // namespace r1

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t n_bytes) {
  r1::compile({reinterpret_cast<const char*>(data), n_bytes});
  return 0;
}
