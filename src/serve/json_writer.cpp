// json_writer.cpp: JSON strings, RFC 8259.
#include "serve/json_writer.h"

#include "text/utf8.h"

namespace r1 {
namespace {

void append_escaped(std::string& out, char c) {
  constexpr char kHex[] = "0123456789abcdef";
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += "\\u00";
      out += kHex[static_cast<unsigned char>(c) >> 4];
      out += kHex[c & 15];
  }
}

bool is_plain(char c) { return static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\' && c != 0x7f; }

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const Utf8Unit unit = first_utf8_unit(text);
    const auto n_bytes = static_cast<std::size_t>(unit.n_bytes);
    if (unit.kind != Utf8Unit::Kind::kCharacter)
      out += "\xEF\xBF\xBD";
    else if (n_bytes == 1 && !is_plain(text[0]))
      append_escaped(out, text[0]);
    else
      out.append(text.substr(0, n_bytes));
    text.remove_prefix(n_bytes);
  }
  out += '"';
}

}  // namespace r1
