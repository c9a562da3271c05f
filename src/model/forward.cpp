// forward.cpp: DeepSeek-V3/R1, and the Qwen2 and Llama shapes of its distilled students, from tokens to logits.
//
// Pre-norm residual blocks: x += attention(norm(x)); x += ffn(norm(x)). DeepSeek-V3 report section 2.1; shapes in
// comments are in the words of docs/glossary.md, slowest axis first.
#include "model/forward.h"

#include "ops/attention.h"
#include "ops/elementwise.h"
#include "ops/linear.h"
#include "ops/moe_experts.h"
#include "ops/route.h"

namespace r1 {
namespace {

// Multi-head latent attention, section 2.1.1. What is cached of a token is one latent and one rotated key for all
// heads.
Tensor mla(Pass& pass, const ModelConfig& c, const LayerWeights& w, Tensor x, const RopeAngles& angles, int layer) {
  Activations rows(x);  // [tokens, dim]
  Tensor q;             // [tokens, n_heads * (nope + rope)]
  if (c.q_lora_rank == 0) {
    q = linear(pass, rows, w.wq);
  } else {
    q = linear(pass, rms_norm(pass, linear(pass, rows, w.wq_a), w.q_norm, c.rms_eps), w.wq_b);
  }
  Tensor latent = linear(pass, rows, w.wkv_a);  // [tokens, kv_lora_rank + rope]
  latent = norm_first_columns(pass, latent, w.kv_norm, c.kv_lora_rank, c.rms_eps);
  Tensor attended =
      mla_attend(pass, c.mla_shape(), {w.wkv_b, w.wk_b, w.wv_b}, q, latent, angles, c.rope.pairing, layer);
  return linear(pass, attended, w.wo);  // [tokens, dim]
}

// Grouped-query attention, with biases on q, k and v where the model has them (Qwen2).
Tensor gqa(Pass& pass, const ModelConfig& c, const LayerWeights& w, Tensor x, const RopeAngles& angles, int layer) {
  Activations rows(x);
  Tensor q = linear(pass, rows, w.wq, w.bq);  // [tokens, n_heads * head_dim]
  Tensor k = linear(pass, rows, w.wk, w.bk);  // [tokens, n_kv_heads * head_dim]
  Tensor v = linear(pass, rows, w.wv, w.bv);
  return linear(pass, gqa_attend(pass, c.gqa_shape(), q, k, v, angles, c.rope.pairing, layer), w.wo);
}

// SwiGLU: W_down(silu(W_gate x) * (W_up x)).
Tensor swiglu(Pass& pass, Activations& x, const Weight& gate, const Weight& up, const Weight& down) {
  return linear(pass, silu_mul(pass, linear(pass, x, gate), linear(pass, x, up)), down);
}

// DeepSeekMoE, section 2.1.2: the chosen routed experts, weighted, and the shared ones, always.
Tensor moe(Pass& pass, const ModelConfig& c, const LayerWeights& w, Tensor x, int layer) {
  Activations rows(x);
  const Routing routing = route(pass, c.route, linear(pass, rows, w.router), w.router_bias);
  if (pass.routes != nullptr) {
    const std::int64_t n = std::int64_t{pass.n_tokens()} * routing.n_activated;
    pass.routes->push_back(
        {layer, {routing.expert_ids, routing.expert_ids + n}, {routing.weights, routing.weights + n}});
  }
  Tensor y = moe_experts(pass, rows, w.experts, routing);
  if (c.n_shared_experts == 0) return y;
  return add(pass, y, swiglu(pass, rows, w.shared_gate, w.shared_up, w.shared_down));
}

Tensor ffn(Pass& pass, const ModelConfig& c, const LayerWeights& w, Tensor x, int layer) {
  if (c.is_moe_layer(layer)) return moe(pass, c, w, x, layer);
  Activations rows(x);
  return swiglu(pass, rows, w.w_gate, w.w_up, w.w_down);
}

}  // namespace

Forward::Forward(const ModelConfig& config, const Weights& weights)
    : config_(config), weights_(weights), rope_frequencies_(rope_frequencies(config.rope)) {}

Tensor Forward::operator()(Pass& pass) const {
  const ModelConfig& c = config_;
  const RopeAngles angles = rope_angles(pass, rope_frequencies_, c.rope.magnitude);
  Tensor x = embed(pass, weights_.embed);  // [tokens, dim]: the residual stream
  Tensor next = pass.make(x.shape);
  for (int layer = 0; layer < c.n_layers; ++layer) {
    if (pass.is_wanted != nullptr && !(*pass.is_wanted)()) return {};
    const LayerWeights& w = weights_.layers[static_cast<std::size_t>(layer)];
    const PassScope scope(pass);  // what a block made is gone after it, but for its output
    Tensor h = rms_norm(pass, x, w.attn_norm, c.rms_eps);
    h = add(pass, x, c.is_deepseek() ? mla(pass, c, w, h, angles, layer) : gqa(pass, c, w, h, angles, layer));
    add_into(pass, h, ffn(pass, c, w, rms_norm(pass, h, w.ffn_norm, c.rms_eps), layer), next);
    next = pass.make_over(std::exchange(x, next));
  }
  Tensor wanted = gather_rows(pass, x, pass.batch.logits_rows);
  return linear(pass, rms_norm(pass, wanted, weights_.norm, c.rms_eps), weights_.head);
}

}  // namespace r1
