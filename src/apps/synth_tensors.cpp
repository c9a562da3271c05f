// synth_tensors.cpp: which tensors a synthetic model has, from the table the loader uses, and how their values lie.
#include <cmath>

#include <fmt/format.h>

#include "apps/synth.h"
#include "apps/type_mix.h"
#include "formats/tensor_names.h"
#include "model/tensor_table.h"
#include "ops/rope.h"

namespace r1 {
namespace {

// FNV-1a of the tensor's GGUF name and its expert: the same numbers under Hugging Face's name for it.
std::uint64_t stream_of(std::string_view gguf_name, int expert) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : fmt::format("{}#{}", gguf_name, expert)) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  return hash;
}

struct Scale {
  float mean, stddev;
};

// Products of unit-sized inputs stay unit-sized; the exceptions say why.
Scale scale_of(std::string_view name, const Shape& shape, const ModelConfig& c) {
  const float by_width = 1.0f / std::sqrt(static_cast<float>(shape.last()));
  if (contains(name, "norm")) return {1.0f, 0.1f};
  if (contains(name, ".bias")) return {0.0f, 0.1f};
  if (contains(name, "ffn_gate_inp")) return {0.0f, 2.0f * by_width};  // experts far enough apart to choose by
  // The residual stream keeps the token, and small errors stay small: else every rounding flips experts further on.
  if (contains(name, "attn_output") || contains(name, "ffn_down")) return {0.0f, 0.3f * by_width};
  if (contains(name, "token_embd")) return {0.0f, c.tied_head ? 2.5f * by_width : 0.5f};
  if (name == kGgufNames.head) return {0.0f, 2.5f * by_width};  // logits a few units apart
  return {0.0f, by_width};
}

RandomMatrix matrix_of(std::string_view gguf_name, const Shape& shape, const ModelConfig& c, int expert = 0) {
  const Scale scale = scale_of(gguf_name, shape, c);
  return {stream_of(gguf_name, expert), shape.n_rows(), shape.last(), scale.mean, scale.stddev};
}

// One file's tensors, one after the other.
class Tensors {
 public:
  explicit Tensors(const ModelConfig& config) : c_(config) {}
  std::vector<SynthTensor> take() { return std::move(tensors_); }

 protected:
  const ModelConfig& c_;
  std::vector<SynthTensor> tensors_;
};

class GgufTensors : public Tensors {
 public:
  GgufTensors(const ModelConfig& config, const TypeMix& mix) : Tensors(config), mix_(mix) {}

  void add(const std::string& name, const Shape& shape, int layer, MatrixView view = {}) {
    add(name, shape, layer, {matrix_of(name, shape, c_)}, view);
  }
  void add(const std::string& name, const Shape& shape, int layer, std::vector<RandomMatrix> matrices,
           MatrixView view = {}) {
    const Dtype dtype = choose_dtype(mix_, {name, shape, layer, c_.n_layers, c_.is_deepseek()});
    tensors_.push_back({{name, dtype, shape}, std::move(matrices), view, {}});
  }
  void add_layer(int layer, MlaTensors mla);
  void add_rope_factors();

 private:
  void add_split_kv_b(int layer);
  void add_experts(int layer);
  const TypeMix& mix_;
};

void GgufTensors::add_split_kv_b(int layer) {
  const int nope = c_.qk_nope_head_dim, v = c_.v_head_dim;
  const RandomMatrix joined =
      matrix_of(gguf_layer_name(layer, "attn_kv_b.weight"), {c_.n_heads * (nope + v), c_.kv_lora_rank}, c_);
  add(gguf_layer_name(layer, "attn_k_b.weight"), {c_.n_heads, c_.kv_lora_rank, nope}, layer, {joined},
      {MatrixView::Kind::kKeys, c_.n_heads, nope});
  add(gguf_layer_name(layer, "attn_v_b.weight"), {c_.n_heads, v, c_.kv_lora_rank}, layer, {joined},
      {MatrixView::Kind::kValues, c_.n_heads, nope});
}

void GgufTensors::add_experts(int layer) {
  for (const ExpertSpec& spec : expert_tensors()) {
    const std::string name = gguf_layer_name(layer, spec.gguf);
    const Shape one = spec.shape(c_);
    std::vector<RandomMatrix> matrices;
    matrices.reserve(static_cast<std::size_t>(c_.route.n_routed_experts));
    for (int expert = 0; expert < c_.route.n_routed_experts; ++expert) {
      matrices.push_back(matrix_of(name, one, c_, expert));
    }
    add(name, {c_.route.n_routed_experts, one[0], one[1]}, layer, std::move(matrices));
  }
}

void GgufTensors::add_layer(int layer, MlaTensors mla) {
  for (const TensorSpec& spec : layer_tensors()) {
    if (!spec.wanted(c_, layer)) continue;
    if (spec.gguf == "attn_k_b.weight" || spec.gguf == "attn_v_b.weight") continue;  // made from kv_b
    if (spec.gguf == "attn_kv_b.weight" && mla == MlaTensors::kSplit) {
      add_split_kv_b(layer);
      continue;
    }
    const bool is_rotated = spec.gguf == "attn_q.weight" || spec.gguf == "attn_k.weight";
    MatrixView view;
    if (is_rotated && c_.architecture == Architecture::kLlama) {
      view = {MatrixView::Kind::kRotaryPairs, spec.gguf == "attn_q.weight" ? c_.n_heads : c_.n_kv_heads, 0};
    }
    add(gguf_layer_name(layer, spec.gguf), spec.shape(c_), layer, view);
  }
  if (c_.is_moe_layer(layer)) add_experts(layer);
}

// Llama 3's scaling as the converter stores it: what each frequency is divided by.
void GgufTensors::add_rope_factors() {
  std::vector<float> factors = rope_frequencies(c_.rope);
  for (std::size_t i = 0; i < factors.size(); ++i) {
    const float exponent = -2.0f * static_cast<float>(i) / static_cast<float>(c_.rope.n_dims);
    factors[i] = std::pow(c_.rope.theta, exponent) / factors[i];
  }
  const Shape shape{static_cast<std::int64_t>(factors.size())};
  tensors_.push_back({{"rope_freqs.weight", Dtype::kF32, shape}, {}, {}, std::move(factors)});
}

class HfTensors : public Tensors {
 public:
  HfTensors(const ModelConfig& config, Dtype dtype) : Tensors(config), dtype_(dtype) {}

  void add(const std::string& name, const std::string& gguf_name, const Shape& shape, int expert = 0) {
    const RandomMatrix matrix = matrix_of(gguf_name, shape, c_, expert);
    const Dtype dtype = dtype_for(gguf_name, shape);
    tensors_.push_back({{name, dtype, shape}, {matrix}, {}, {}});
    if (dtype != Dtype::kF8E4M3) return;
    const Shape blocks{(shape[0] + 127) / 128, (shape[1] + 127) / 128};
    tensors_.push_back(
        {{name + "_scale_inv", Dtype::kF32, blocks}, {matrix}, {MatrixView::Kind::kFp8Scales, 1, 0}, {}});
  }
  void add_layer(int layer) {
    for (const TensorSpec& spec : layer_tensors()) {
      if (spec.hf.empty() || !spec.wanted(c_, layer)) continue;
      add(hf_layer_name(layer, spec.hf), gguf_layer_name(layer, spec.gguf), spec.shape(c_));
    }
    if (!c_.is_moe_layer(layer)) return;
    for (int expert = 0; expert < c_.route.n_routed_experts; ++expert) {
      for (const ExpertSpec& spec : expert_tensors()) {
        add(hf_expert_name(layer, expert, spec.hf), gguf_layer_name(layer, spec.gguf), spec.shape(c_), expert);
      }
    }
  }

 private:
  // In DeepSeek's FP8 checkpoints the linear layers are FP8, the rest BF16; the router's bias is always f32.
  Dtype dtype_for(std::string_view gguf_name, const Shape& shape) const {
    if (contains(gguf_name, "exp_probs_b")) return Dtype::kF32;
    if (dtype_ != Dtype::kF8E4M3) return dtype_;
    const bool stays_wide = shape.n_dims == 1 || contains(gguf_name, "ffn_gate_inp") || !gguf_name.starts_with("blk.");
    return stays_wide ? Dtype::kBF16 : Dtype::kF8E4M3;
  }
  Dtype dtype_;
};

}  // namespace

Result<std::vector<SynthTensor>> synth_gguf_tensors(const ModelConfig& c, std::string_view type, MlaTensors mla) {
  R1_TRY(const TypeMix mix, type_mix(type));
  GgufTensors tensors(c, mix);
  tensors.add(std::string(kGgufNames.embed), {c.vocab_size, c.dim}, 0);
  if (c.rope.scaling == RopeConfig::Scaling::kLlama3) tensors.add_rope_factors();
  for (int layer = 0; layer < c.n_layers; ++layer) tensors.add_layer(layer, mla);
  tensors.add(std::string(kGgufNames.norm), {c.dim}, 0);
  if (!c.tied_head) tensors.add(std::string(kGgufNames.head), {c.vocab_size, c.dim}, 0);
  return tensors.take();
}

Result<std::vector<SynthTensor>> synth_hf_tensors(const ModelConfig& c, std::string_view type) {
  const std::string_view name = type == "fp8" ? "f8_e4m3" : type;
  const auto dtype = dtype_from_name(name);
  if (!dtype || (!is_plain_float(*dtype) && *dtype != Dtype::kF8E4M3)) {
    return Error{ErrorCode::kInvalidInput, fmt::format("no type '{}' in folders; there are f32, bf16, f16, fp8", type)};
  }
  if (*dtype == Dtype::kF8E4M3 && !c.is_deepseek()) {
    return Error{ErrorCode::kUnsupported, "fp8 is for the deepseek shapes"};
  }
  HfTensors tensors(c, *dtype);
  tensors.add(std::string(kHfNames.embed), std::string(kGgufNames.embed), {c.vocab_size, c.dim});
  for (int layer = 0; layer < c.n_layers; ++layer) tensors.add_layer(layer);
  tensors.add(std::string(kHfNames.norm), std::string(kGgufNames.norm), {c.dim});
  if (!c.tied_head) tensors.add(std::string(kHfNames.head), std::string(kGgufNames.head), {c.vocab_size, c.dim});
  return tensors.take();
}

}  // namespace r1
