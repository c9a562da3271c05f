// lora.cpp: adapters laid out one after another, a before b; an expert's behind the expert's before it.
#include "train/lora.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "base/assert.h"
#include "base/rng.h"
#include "kernels/float_ops.h"

namespace r1 {
namespace {

constexpr std::string_view kSuffix = ".weight";
constexpr const char* kDefaultTargets[] = {"attention", "dense", "shared"};

// "attn_q" of "blk.3.attn_q.weight"; "" for what is no matrix of a layer.
std::string_view stem_of(const ParameterTensor& p) {
  std::string_view name = p.name;
  if (!p.is_matrix || !name.starts_with("blk.") || !name.ends_with(kSuffix)) return "";
  name = name.substr(name.find('.', 4) + 1);
  return name.substr(0, name.size() - kSuffix.size());
}

std::string_view group_of(std::string_view stem) {
  if (stem.starts_with("attn_")) return "attention";
  if (stem == "ffn_gate" || stem == "ffn_up" || stem == "ffn_down") return "dense";
  if (stem.ends_with("_shexp")) return "shared";
  if (stem.ends_with("_exps")) return "experts";
  return "";
}

std::string known_targets(std::span<const ParameterTensor> model) {
  std::set<std::string_view> groups, stems;
  for (const ParameterTensor& p : model) {
    const std::string_view stem = stem_of(p);
    if (!stem.empty()) stems.insert(stem);
    if (!group_of(stem).empty()) groups.insert(group_of(stem));
  }
  return fmt::format("{}; or {}", fmt::join(groups, ", "), fmt::join(stems, ", "));
}

}  // namespace

Result<std::vector<ParameterTensor>> lora_targets(const LoraConfig& config, std::span<const ParameterTensor> model) {
  std::vector<std::string> wanted = config.targets;
  if (wanted.empty()) wanted.assign(std::begin(kDefaultTargets), std::end(kDefaultTargets));
  std::vector<ParameterTensor> found;
  std::set<std::string_view> used;
  for (const ParameterTensor& p : model) {
    const std::string_view stem = stem_of(p);
    if (stem.empty()) continue;
    const auto target = std::find_if(wanted.begin(), wanted.end(),
                                     [&](const std::string& name) { return name == stem || name == group_of(stem); });
    if (target == wanted.end()) continue;
    used.insert(*target);
    found.push_back(p);
  }
  for (const std::string& target : config.targets) {
    if (used.contains(target)) continue;
    return Error{ErrorCode::kInvalidInput,
                 fmt::format("lora.targets: the model has no '{}', or it was named before; it has {}", target,
                             known_targets(model))};
  }
  return found;
}

LoraAdapters::LoraAdapters(const LoraConfig& config, const std::vector<ParameterTensor>& targets,
                           std::span<const float> values, std::uint64_t seed)
    : config_(config) {
  R1_ASSERT(config.is_on(), "adapters have a rank");
  for (const ParameterTensor& target : targets) add_target(target, values);
  draw(seed);
  for (const Matrix& m : matrices_) {
    by_weight_[reinterpret_cast<const std::byte*>(values.data() + m.value_offset)] = {
        .a = numbers_.data() + m.a_offset, .b = numbers_.data() + m.b_offset, .rank = config_.rank, .scale = scale()};
  }
}

void LoraAdapters::add_target(const ParameterTensor& target, std::span<const float> values) {
  const Shape& s = target.shape;
  const bool is_stacked = s.n_dims == 3;
  const std::int64_t n_matrices = is_stacked ? s[0] : 1, n_out = s.n_rows() / n_matrices, n_in = s.last();
  const std::int64_t rank = config_.rank;
  const auto place = [&](std::string_view suffix, const Shape& one) {
    const Shape shape = is_stacked ? Shape{n_matrices, one[0], one[1]} : one;
    const auto offset = static_cast<std::int64_t>(numbers_.size());
    tensors_.push_back(
        {.name = target.name + std::string(suffix), .shape = shape, .offset = offset, .is_matrix = true});
    numbers_.resize(numbers_.size() + static_cast<std::size_t>(shape.n_values()), 0.0f);
    return offset;
  };
  const std::int64_t a = place(".lora_a", {rank, n_in}), b = place(".lora_b", {n_out, rank});
  for (std::int64_t i = 0; i < n_matrices; ++i) {
    matrices_.push_back({.n_out = n_out,
                         .n_in = n_in,
                         .value_offset = target.offset + i * n_out * n_in,
                         .base_offset = static_cast<std::int64_t>(base_.size()) + i * n_out * n_in,
                         .a_offset = a + i * rank * n_in,
                         .b_offset = b + i * n_out * rank});
  }
  const float* first = values.data() + target.offset;
  base_.insert(base_.end(), first, first + s.n_values());
}

void LoraAdapters::draw(std::uint64_t seed) {
  for (std::size_t i = 0; i < tensors_.size(); i += 2) {  // a alone
    const ParameterTensor& a = tensors_[i];
    Rng rng(seed ^ 0x6c6f7261, i);
    const float stddev = 1.0f / std::sqrt(static_cast<float>(a.shape.last()));
    std::generate_n(numbers_.data() + a.offset, a.shape.n_values(), [&] { return stddev * rng.normal(); });
  }
}

// A factor of 0 is left out, which keeps even the sign of a base's 0.
void LoraAdapters::merge_row(const Matrix& m, std::int64_t row, std::span<const float> numbers,
                             std::span<float> values) const {
  float* sum = values.data() + m.value_offset + row * m.n_in;
  std::copy_n(base_.data() + m.base_offset + row * m.n_in, m.n_in, sum);
  for (int k = 0; k < config_.rank; ++k) {
    const float factor = scale() * numbers[static_cast<std::size_t>(m.b_offset + row * config_.rank + k)];
    if (factor != 0.0f) add_scaled(numbers.data() + m.a_offset + k * m.n_in, factor, sum, m.n_in);
  }
}

void LoraAdapters::merge(ThreadPool& pool, std::span<const float> numbers, std::span<float> values) const {
  R1_ASSERT(numbers.size() == numbers_.size(), "numbers of adapters like these");
  pool.run(static_cast<int>(matrices_.size()), [&](int i, int) {
    const Matrix& m = matrices_[static_cast<std::size_t>(i)];
    for (std::int64_t row = 0; row < m.n_out; ++row) merge_row(m, row, numbers, values);
  });
}

}  // namespace r1
