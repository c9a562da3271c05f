// json_schema.cpp: one method a type; what a $ref names becomes a rule, once.
#include "grammar/json_schema.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <set>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "grammar/pattern.h"
#include "grammar/undeclared_key.h"

namespace r1 {
namespace {

using Part = GrammarBuilder::Part;
using Clock = std::chrono::steady_clock;

constexpr int kNestingMax = 64;
constexpr std::size_t kPropertiesMax = 1000, kNameBytesMax = 256, kAlternativesMax = 1000;
constexpr std::int64_t kLengthMax = 1 << 20;  // the limit of states comes first
constexpr auto kTimeMax = std::chrono::milliseconds(500);

constexpr std::array<std::string_view, 13> kAnnotations = {
    "$schema", "$id",     "$comment",   "$defs",    "definitions", "title",    "description",
    "default", "example", "deprecated", "examples", "readOnly",    "writeOnly"};

bool holds(std::span<const std::string_view> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

const OrderedJson* member(const OrderedJson& object, std::string_view key) {
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

bool is_of_type(const OrderedJson& value, std::string_view type) {
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  if (type == "boolean") return value.is_boolean();
  return type == value.type_name();  // object, array, string, null
}

std::vector<std::string> names_of(const OrderedJson& properties) {
  std::vector<std::string> names;
  for (const auto& [name, value] : properties.items()) names.push_back(name);
  return names;
}

class SchemaCompiler {
 public:
  SchemaCompiler(const OrderedJson& root, const std::string& path, GrammarBuilder& builder, JsonParts& json)
      : root_(root), root_path_(path), builder_(builder), json_(json) {}

  Result<Part> compile() { return schema(root_, root_path_, 0); }

 private:
  using Keywords = std::vector<std::string_view>;

  static Error wrong(const std::string& path, std::string_view problem) {
    return {ErrorCode::kInvalidInput, fmt::format("'{}' {}", path, problem)};
  }
  static Error unsupported(const std::string& path, std::string_view problem) {
    return {ErrorCode::kUnsupported, fmt::format("'{}' {}", path, problem)};
  }

  Result<Part> schema(const OrderedJson& source, const std::string& path, int depth) {
    if (depth > kNestingMax) return unsupported(path, fmt::format("is nested deeper than {}", kNestingMax));
    if (builder_.is_full() || Clock::now() > deadline_)
      return Error{ErrorCode::kOutOfResource, fmt::format("'{}' is too large a schema to compile", root_path_)};
    if (source.is_boolean() && source.get<bool>()) return json_.any_value();
    if (!source.is_object()) return wrong(path, "must be a schema: an object, or true");
    for (const std::string_view keyword : {"$ref", "enum", "const", "anyOf", "allOf"}) {
      const OrderedJson* value = member(source, keyword);
      if (value == nullptr) continue;
      const std::string place = fmt::format("{}.{}", path, keyword);
      if (keyword == "enum" || keyword == "const") return values(source, keyword, path);
      R1_TRY_STATUS(only(source, path, {keyword}, fmt::format(" beside '{}'", keyword)));
      if (keyword == "$ref") return reference(*value, place, depth);
      return keyword == "anyOf" ? any_of(*value, place, depth) : all_of(*value, place, depth);
    }
    return typed(source, path, depth);
  }

  // No keywords but these and annotations.
  static Status only(const OrderedJson& source, const std::string& path, const Keywords& known,
                     std::string_view where = "") {
    for (const auto& [key, value] : source.items()) {
      if (!holds(known, key) && !holds(kAnnotations, key))
        return unsupported(fmt::format("{}.{}", path, key), fmt::format("is not supported{}", where));
    }
    return {};
  }

  Result<Part> reference(const OrderedJson& value, const std::string& path, int depth) {
    if (!value.is_string()) return wrong(path, "must be a string");
    const auto& name = value.get_ref<const std::string&>();
    const auto known = rules_.find(name);
    if (known != rules_.end()) return builder_.call(known->second);
    const OrderedJson* target = &root_;
    std::string target_path = root_path_;
    if (name != "#") {
      std::string_view rest = name;
      const bool is_defs = rest.starts_with("#/$defs/"), is_definitions = rest.starts_with("#/definitions/");
      if (!is_defs && !is_definitions)
        return unsupported(path,
                           fmt::format("must be \"#\" or begin with #/$defs/ or #/definitions/, not '{:.100}'", name));
      const std::string_view folder = is_defs ? "$defs" : "definitions";
      rest.remove_prefix(folder.size() + 3);
      const OrderedJson* definitions = member(root_, folder);
      target = definitions != nullptr && definitions->is_object() ? member(*definitions, rest) : nullptr;
      if (target == nullptr) return wrong(path, fmt::format("names '{:.100}', which is not there", name));
      target_path += fmt::format(".{}.{}", folder, rest);
    }
    const int rule = builder_.declare_rule();
    rules_.emplace(name, rule);
    R1_TRY(const Part body, schema(*target, target_path, depth + 1));
    builder_.define_rule(rule, body);
    return builder_.call(rule);
  }

  Result<Part> any_of(const OrderedJson& value, const std::string& path, int depth) {
    if (!value.is_array() || value.empty()) return wrong(path, "must be an array of schemas, not empty");
    if (value.size() > kAlternativesMax)
      return unsupported(path, fmt::format("has more than {} schemas", kAlternativesMax));
    std::vector<Part> ways;
    for (std::size_t i = 0; i < value.size(); ++i) {
      R1_TRY(const Part way, schema(value[i], fmt::format("{}[{}]", path, i), depth + 1));
      ways.push_back(way);
    }
    return builder_.choice(ways);
  }

  Result<Part> all_of(const OrderedJson& value, const std::string& path, int depth) {
    if (!value.is_array() || value.empty()) return wrong(path, "must be an array of schemas, not empty");
    if (value.size() > 1) return unsupported(path, "is supported with one schema only");
    return schema(value[0], path + "[0]", depth + 1);
  }

  // enum or const; those values that are of the type, if one is given.
  Result<Part> values(const OrderedJson& source, std::string_view keyword, const std::string& path) {
    R1_TRY_STATUS(only(source, path, {"type", keyword}, fmt::format(" beside '{}'", keyword)));
    R1_TRY(const std::vector<std::string> types, types_of(source, path));
    const OrderedJson& value = source[std::string(keyword)];
    const std::string place = fmt::format("{}.{}", path, keyword);
    if (keyword == "enum" && (!value.is_array() || value.empty())) return wrong(place, "must be an array, not empty");
    const OrderedJson list = keyword == "enum" ? value : OrderedJson::array({value});
    if (list.size() > kAlternativesMax)
      return unsupported(place, fmt::format("has more than {} values", kAlternativesMax));
    std::vector<Part> ways;
    for (const OrderedJson& one : list) {
      const auto fits = [&](const std::string& type) { return is_of_type(one, type); };
      if (types.empty() || std::any_of(types.begin(), types.end(), fits))
        ways.push_back(builder_.literal(one.dump(-1, ' ', false, OrderedJson::error_handler_t::replace)));
    }
    if (ways.empty()) return wrong(place, "has no value of the type beside it");
    return builder_.choice(ways);
  }

  static Result<std::vector<std::string>> types_of(const OrderedJson& source, const std::string& path) {
    constexpr std::array<std::string_view, 7> kTypes = {"object",  "array",   "string", "number",
                                                        "integer", "boolean", "null"};
    const OrderedJson* type = member(source, "type");
    if (type == nullptr) return std::vector<std::string>();
    const OrderedJson list = type->is_array() ? *type : OrderedJson::array({*type});
    std::vector<std::string> types;
    for (const OrderedJson& one : list) {
      if (!one.is_string() || !holds(kTypes, one.get_ref<const std::string&>()))
        return wrong(path + ".type",
                     "must be object, array, string, number, integer, boolean or null, or an array of those");
      types.push_back(one.get<std::string>());
    }
    if (types.empty()) return wrong(path + ".type", "must name a type");
    return types;
  }

  // By `type`; without one, by the keywords that say something of a type; without those anything goes.
  Result<Part> typed(const OrderedJson& source, const std::string& path, int depth) {
    static const std::map<std::string_view, Keywords> kKeywords = {
        {"object", {"properties", "required", "additionalProperties"}},
        {"array", {"items", "minItems", "maxItems"}},
        {"string", {"minLength", "maxLength", "pattern"}}};
    R1_TRY(std::vector<std::string> types, types_of(source, path));
    Keywords known = {"type"};
    for (const auto& [type, keywords] : kKeywords) {
      const bool says = std::any_of(keywords.begin(), keywords.end(), [&](auto key) { return source.contains(key); });
      const bool is_named = std::find(types.begin(), types.end(), type) != types.end();
      if (is_named || (types.empty() && says)) known.insert(known.end(), keywords.begin(), keywords.end());
      if (!source.contains("type") && says) types.emplace_back(type);
      if (!types.empty() && !source.contains("type")) break;
    }
    R1_TRY_STATUS(only(source, path, known));
    if (types.empty()) return json_.any_value();
    std::vector<Part> ways;
    for (const std::string& type : types) {
      R1_TRY(const Part way, of_type(type, source, path, depth));
      ways.push_back(way);
    }
    return builder_.choice(ways);
  }

  Result<Part> of_type(std::string_view type, const OrderedJson& source, const std::string& path, int depth) {
    if (type == "object") return object(source, path, depth);
    if (type == "array") return array(source, path, depth);
    if (type == "string") return string(source, path);
    if (type == "number") return json_.number();
    if (type == "integer") return json_.integer();
    if (type == "null") return builder_.literal("null");
    return builder_.choice({builder_.literal("true"), builder_.literal("false")});
  }

  // min… and max… of a schema; max -1: none.
  static Result<std::pair<int, int>> bounds(const OrderedJson& source, const std::string& path,
                                            std::string_view min_key, std::string_view max_key) {
    std::pair<int, int> result = {0, -1};
    for (const std::string_view key : {min_key, max_key}) {
      const OrderedJson* value = member(source, key);
      if (value == nullptr) continue;
      const std::string place = fmt::format("{}.{}", path, key);
      if (!value->is_number_integer() || *value < 0) return wrong(place, "must be an integer, not negative");
      if (*value > kLengthMax) return unsupported(place, fmt::format("is above {}", kLengthMax));
      (key == min_key ? result.first : result.second) = value->get<int>();
    }
    if (result.second >= 0 && result.first > result.second)
      return wrong(fmt::format("{}.{}", path, min_key),
                   fmt::format("is {}, above '{}', {}", result.first, max_key, result.second));
    return result;
  }

  Result<Part> string(const OrderedJson& source, const std::string& path) {
    R1_TRY(const auto lengths, bounds(source, path, "minLength", "maxLength"));
    const OrderedJson* pattern = member(source, "pattern");
    if (pattern == nullptr) return json_.string(lengths.first, lengths.second);
    const std::string place = path + ".pattern";
    if (!pattern->is_string()) return wrong(place, "must be a string");
    if (lengths != std::pair(0, -1)) return unsupported(place, "is not supported beside 'minLength' or 'maxLength'");
    auto part = pattern_string(pattern->get_ref<const std::string&>(), builder_, json_);
    if (!part.ok()) return with_context(part.error(), fmt::format("'{}'", place));
    return *part;
  }

  Result<Part> array(const OrderedJson& source, const std::string& path, int depth) {
    R1_TRY(const auto lengths, bounds(source, path, "minItems", "maxItems"));
    const OrderedJson* items = member(source, "items");
    if (lengths.second == 0)
      return json_.list(
          "[", [&] { return builder_.empty(); }, 0, 0, "]");
    const int rule = builder_.declare_rule();
    R1_TRY(const Part body,
           items == nullptr ? Result<Part>(json_.any_value()) : schema(*items, path + ".items", depth + 1));
    builder_.define_rule(rule, body);
    return json_.list(
        "[", [&] { return builder_.call(rule); }, lengths.first, lengths.second, "]");
  }

  Result<std::set<std::string>> required_of(const OrderedJson& source, const OrderedJson& properties,
                                            const std::string& path) {
    std::set<std::string> names;
    const OrderedJson* required = member(source, "required");
    if (required == nullptr) return names;
    if (!required->is_array()) return wrong(path + ".required", "must be an array of names");
    for (const OrderedJson& name : *required) {
      if (!name.is_string()) return wrong(path + ".required", "must be an array of names");
      const auto& text = name.get_ref<const std::string&>();
      if (!properties.contains(text))
        return unsupported(path + ".required", fmt::format("names '{:.100}', which 'properties' does not", text));
      names.insert(text);
    }
    return names;
  }

  // { then each property or not, in turn, then undeclared ones, }. One row of states, in which a member may begin: the
  // next, or one behind it if that is optional. Each member's comma leads on to the row, so that a text which stands
  // there is in few places for each property. Those with no required one behind them may be the last.
  Result<Part> object(const OrderedJson& source, const std::string& path, int depth) {
    static const OrderedJson kNone = OrderedJson::object();
    const OrderedJson* declared = member(source, "properties");
    if (declared != nullptr && !declared->is_object())
      return wrong(path + ".properties", "must be an object of schemas");
    const OrderedJson& properties = declared != nullptr ? *declared : kNone;
    if (properties.size() > kPropertiesMax)
      return unsupported(path + ".properties", fmt::format("has more than {} properties", kPropertiesMax));
    R1_TRY(const auto required, required_of(source, properties, path));
    const OrderedJson* others = member(source, "additionalProperties");
    const bool allows_others = others != nullptr ? *others != false : declared == nullptr;

    GrammarBuilder& b = builder_;
    const Part open = b.sequence({b.literal("{"), json_.space()});
    int row = b.add_state();
    b.jump(open.end, row);
    std::vector<int> last_ends;  // of the members that may be the last
    const auto add_member = [&](Part member, int next_in_row) {
      const Part comma = b.sequence({b.literal(","), json_.space()});
      b.jump(row, member.begin);
      b.jump(member.end, comma.begin);
      b.jump(comma.end, next_in_row);
      last_ends.push_back(member.end);
    };
    for (const auto& [name, property] : properties.items()) {
      if (name.size() > kNameBytesMax)
        return unsupported(path + ".properties", fmt::format("has a name longer than {} bytes", kNameBytesMax));
      R1_TRY(const Part value, schema(property, fmt::format("{}.properties.{}", path, name), depth + 1));
      const std::string key = OrderedJson(name).dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
      const int next_in_row = b.add_state();
      if (required.contains(name))
        last_ends.clear();
      else
        b.jump(row, next_in_row);
      add_member(json_.member(b.literal(key), value), next_in_row);
      row = next_in_row;
    }
    if (allows_others) {
      const std::string place = path + ".additionalProperties";
      R1_TRY(const Part value, others == nullptr ? Result<Part>(json_.any_value()) : schema(*others, place, depth + 1));
      add_member(json_.member(undeclared_key(builder_, names_of(properties)), value), row);
    }
    const Part brace = b.literal("}"), close = b.sequence({json_.space(), brace});
    for (const int end : last_ends) b.jump(end, close.begin);
    if (required.empty()) b.jump(open.end, brace.begin);
    return Part{open.begin, brace.end};
  }

  const OrderedJson& root_;
  const std::string& root_path_;
  GrammarBuilder& builder_;
  JsonParts& json_;
  std::map<std::string, int, std::less<>> rules_;  // by what $ref says
  const Clock::time_point deadline_ = Clock::now() + kTimeMax;
};

}  // namespace

Result<Part> json_schema_part(const OrderedJson& schema, const std::string& path, GrammarBuilder& builder,
                              JsonParts& json) {
  return SchemaCompiler(schema, path, builder, json).compile();
}

Result<Grammar> json_schema_grammar(const OrderedJson& schema, const std::string& path) {
  GrammarBuilder builder;
  JsonParts json(builder);
  R1_TRY(const Part part, json_schema_part(schema, path, builder, json));
  auto grammar = builder.finish(part);
  if (!grammar.ok()) return with_context(std::move(grammar).error(), fmt::format("'{}'", path));
  return grammar;
}

Result<Grammar> json_object_grammar() {
  GrammarBuilder builder;
  JsonParts json(builder);
  return builder.finish(json.any_object());
}

}  // namespace r1
