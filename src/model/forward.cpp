// forward.cpp: DeepSeek-V3/R1, and the Qwen2 and Llama shapes of its distilled students, from tokens to logits.
//
// Pre-norm residual blocks: x += attention(norm(x)); x += ffn(norm(x)). DeepSeek-V3 report section 2.1; shapes in
// comments are in the words of docs/glossary.md, slowest axis first.
#include "model/forward.h"

#include "ops/attention.h"
#include "ops/elementwise.h"
#include "ops/linear.h"
#include "ops/moe_experts.h"
#include "ops/recompute.h"
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
  if (pass.on_route != nullptr) {
    (*pass.on_route)(layer, {routing.expert_ids, static_cast<std::size_t>(pass.n_tokens()) *
                                                     static_cast<std::size_t>(routing.n_activated)});
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

// A block: x [tokens, dim], the residual stream, into next.
void block(Pass& pass, const ModelConfig& c, const LayerWeights& w, Tensor x, const RopeAngles& angles, int layer,
           Tensor next) {
  const PassScope scope(pass);  // what a block made is gone after it, but for its output
  Tensor h = rms_norm(pass, x, w.attn_norm, c.rms_eps);
  h = add(pass, x, c.is_deepseek() ? mla(pass, c, w, h, angles, layer) : gqa(pass, c, w, h, angles, layer));
  add_into(pass, h, ffn(pass, c, w, rms_norm(pass, h, w.ffn_norm, c.rms_eps), layer), next);
}

}  // namespace

Forward::Forward(const ModelConfig& config, const Weights& weights)
    : config_(config), weights_(weights), rope_frequencies_(rope_frequencies(config.rope)) {}

// After the last block: [tokens, dim], of the rows that are wanted to the end; nothing when none is.
Tensor Forward::residual_stream(Pass& pass) const {
  const ModelConfig& c = config_;
  RopeAngles angles = rope_angles(pass, rope_frequencies_, c.rope.magnitude);
  Tensor x = embed(pass, weights_.embed, pass.batch.token_ids);
  Tensor next = pass.make(x.shape);
  for (int layer = 0; layer < c.n_layers; ++layer) {
    if (const auto fewer = pass.wanted_rows != nullptr ? (*pass.wanted_rows)() : std::nullopt) {
      if (fewer->empty()) return {};
      x = gather_rows(pass, x, *fewer);
      next = pass.make(x.shape);
      angles = rope_angles(pass, rope_frequencies_, c.rope.magnitude);
    }
    recomputable(pass, [&c, &w = weights_.layers[static_cast<std::size_t>(layer)], x, angles, layer, next](Pass& p) {
      block(p, c, w, x, angles, layer, next);
    });
    next = pass.make_over(std::exchange(x, next));
  }
  return x;
}

Tensor Forward::operator()(Pass& pass) const {
  const Tensor x = residual_stream(pass);
  if (x.data == nullptr) return {};
  Tensor wanted = gather_rows(pass, x, pass.batch.logits_rows);
  return linear(pass, rms_norm(pass, wanted, weights_.norm, config_.rms_eps), weights_.head);
}

Tensor Forward::hidden(Pass& pass) const {
  const Tensor x = residual_stream(pass);
  return x.data == nullptr ? x : rms_norm(pass, x, weights_.norm, config_.rms_eps);
}

Tensor Forward::logits(Pass& pass, Tensor hidden, std::span<const int> row_ids) const {
  return linear(pass, gather_rows(pass, hidden, row_ids), weights_.head);
}

// The report prints the hidden state first and the embedding second; the published weights are the other way round, and
// made for hidden states behind the final norm.
Tensor Forward::predict_second(Pass& pass, Tensor hidden, std::span<const int> next_ids,
                               std::span<const int> row_ids) const {
  R1_ASSERT(has_mtp(), "the model has a module for multi-token prediction");
  const ModelConfig& c = config_;
  const LayerWeights& w = *weights_.mtp;
  R1_SHAPE(hidden, {pass.n_tokens(), c.dim});
  const RopeAngles angles = rope_angles(pass, rope_frequencies_, c.rope.magnitude);
  Tensor embedded = rms_norm(pass, embed(pass, weights_.embed, next_ids), w.enorm, c.rms_eps);
  Tensor joined = concat_columns(pass, embedded, rms_norm(pass, hidden, w.hnorm, c.rms_eps));  // [tokens, 2 * dim]
  Tensor x = linear(pass, joined, w.eh_proj);
  Tensor y = pass.make(x.shape);
  recomputable(pass, [&c, &w, x, angles, y](Pass& p) { block(p, c, w, x, angles, c.n_layers, y); });
  Tensor wanted = gather_rows(pass, y, row_ids);
  return linear(pass, rms_norm(pass, wanted, w.head_norm, c.rms_eps), weights_.head);
}

}  // namespace r1
