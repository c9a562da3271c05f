// tensor_table.cpp: the table. A line a tensor: where it goes, its two names, its shape, the layers that have it.
#include "model/tensor_table.h"

#include <fmt/format.h>

namespace r1 {
namespace {

using C = const ModelConfig&;
using L = LayerWeights;
using E = ExpertWeights;

bool always(C, int) { return true; }
bool gqa(C c, int) { return !c.is_deepseek(); }
bool full_q(C c, int) { return !c.is_deepseek() || c.q_lora_rank == 0; }
bool low_rank_q(C c, int) { return c.is_deepseek() && c.q_lora_rank > 0; }
bool mla(C c, int) { return c.is_deepseek(); }
bool qkv_bias(C c, int) { return c.architecture == Architecture::kQwen2; }
bool dense(C c, int layer) { return !c.is_moe_layer(layer); }
bool moe(C c, int layer) { return c.is_moe_layer(layer); }
bool router_bias(C c, int layer) { return c.is_moe_layer(layer) && c.has_router_bias; }
bool mtp(C c, int layer) { return layer >= c.n_layers; }
bool shared(C c, int layer) { return c.is_moe_layer(layer) && c.n_shared_experts > 0; }

Shape dim(C c) { return {c.dim}; }
Shape q_rows(C c) { return {c.n_heads * c.head_dim, c.dim}; }
Shape kv_rows(C c) { return {c.n_kv_heads * c.head_dim, c.dim}; }
Shape q_bias(C c) { return {c.n_heads * c.head_dim}; }
Shape kv_bias(C c) { return {c.n_kv_heads * c.head_dim}; }
Shape shared_in(C c) { return {c.n_shared_experts * c.moe_inter_dim, c.dim}; }
Shape shared_out(C c) { return {c.dim, c.n_shared_experts * c.moe_inter_dim}; }
Shape expert_in(C c) { return {c.moe_inter_dim, c.dim}; }
Shape ffn_in(C c) { return {c.inter_dim, c.dim}; }

const TensorSpec kLayerTensors[] = {
    {&L::attn_norm, "attn_norm.weight", "input_layernorm.weight", dim, always},
    {&L::wq, "attn_q.weight", "self_attn.q_proj.weight", q_rows, full_q},
    {&L::wk, "attn_k.weight", "self_attn.k_proj.weight", kv_rows, gqa},
    {&L::wv, "attn_v.weight", "self_attn.v_proj.weight", kv_rows, gqa},
    {&L::bq, "attn_q.bias", "self_attn.q_proj.bias", q_bias, qkv_bias},
    {&L::bk, "attn_k.bias", "self_attn.k_proj.bias", kv_bias, qkv_bias},
    {&L::bv, "attn_v.bias", "self_attn.v_proj.bias", kv_bias, qkv_bias},
    {&L::wq_a, "attn_q_a.weight", "self_attn.q_a_proj.weight",
     [](C c) {
       return Shape{c.q_lora_rank, c.dim};
     },
     low_rank_q},
    {&L::q_norm, "attn_q_a_norm.weight", "self_attn.q_a_layernorm.weight", [](C c) { return Shape{c.q_lora_rank}; },
     low_rank_q},
    {&L::wq_b, "attn_q_b.weight", "self_attn.q_b_proj.weight",
     [](C c) {
       return Shape{c.n_heads * c.head_dim, c.q_lora_rank};
     },
     low_rank_q},
    {&L::wkv_a, "attn_kv_a_mqa.weight", "self_attn.kv_a_proj_with_mqa.weight",
     [](C c) {
       return Shape{c.kv_lora_rank + c.qk_rope_head_dim, c.dim};
     },
     mla},
    {&L::kv_norm, "attn_kv_a_norm.weight", "self_attn.kv_a_layernorm.weight", [](C c) { return Shape{c.kv_lora_rank}; },
     mla},
    {&L::wkv_b, "attn_kv_b.weight", "self_attn.kv_b_proj.weight",
     [](C c) {
       return Shape{c.n_heads * (c.qk_nope_head_dim + c.v_head_dim), c.kv_lora_rank};
     },
     mla, true},
    {&L::wk_b, "attn_k_b.weight", "",
     [](C c) {
       return Shape{c.n_heads * c.kv_lora_rank, c.qk_nope_head_dim};
     },
     mla, true},
    {&L::wv_b, "attn_v_b.weight", "",
     [](C c) {
       return Shape{c.n_heads * c.v_head_dim, c.kv_lora_rank};
     },
     mla, true},
    {&L::wo, "attn_output.weight", "self_attn.o_proj.weight",
     [](C c) {
       return Shape{c.dim, c.n_heads * (c.is_deepseek() ? c.v_head_dim : c.head_dim)};
     },
     always},
    {&L::ffn_norm, "ffn_norm.weight", "post_attention_layernorm.weight", dim, always},
    {&L::w_gate, "ffn_gate.weight", "mlp.gate_proj.weight", ffn_in, dense},
    {&L::w_up, "ffn_up.weight", "mlp.up_proj.weight", ffn_in, dense},
    {&L::w_down, "ffn_down.weight", "mlp.down_proj.weight",
     [](C c) {
       return Shape{c.dim, c.inter_dim};
     },
     dense},
    {&L::router, "ffn_gate_inp.weight", "mlp.gate.weight",
     [](C c) {
       return Shape{c.route.n_routed_experts, c.dim};
     },
     moe},
    {&L::router_bias, "exp_probs_b.bias", "mlp.gate.e_score_correction_bias",
     [](C c) { return Shape{c.route.n_routed_experts}; }, router_bias},
    {&L::shared_gate, "ffn_gate_shexp.weight", "mlp.shared_experts.gate_proj.weight", shared_in, shared},
    {&L::shared_up, "ffn_up_shexp.weight", "mlp.shared_experts.up_proj.weight", shared_in, shared},
    {&L::shared_down, "ffn_down_shexp.weight", "mlp.shared_experts.down_proj.weight", shared_out, shared},
    {&L::enorm, "nextn.enorm.weight", "enorm.weight", dim, mtp},
    {&L::hnorm, "nextn.hnorm.weight", "hnorm.weight", dim, mtp},
    {&L::eh_proj, "nextn.eh_proj.weight", "eh_proj.weight",
     [](C c) {
       return Shape{c.dim, 2 * c.dim};
     },
     mtp},
    {&L::head_norm, "nextn.shared_head_norm.weight", "shared_head.norm.weight", dim, mtp},
};

const ExpertSpec kExpertTensors[] = {
    {&E::gate, "ffn_gate_exps.weight", "gate_proj.weight", expert_in},
    {&E::up, "ffn_up_exps.weight", "up_proj.weight", expert_in},
    {&E::down, "ffn_down_exps.weight", "down_proj.weight",
     [](C c) {
       return Shape{c.dim, c.moe_inter_dim};
     }},
};

}  // namespace

std::span<const TensorSpec> layer_tensors() { return kLayerTensors; }
std::span<const ExpertSpec> expert_tensors() { return kExpertTensors; }

std::string gguf_layer_name(int layer, std::string_view name) { return fmt::format("blk.{}.{}", layer, name); }
std::string hf_layer_name(int layer, std::string_view name) { return fmt::format("model.layers.{}.{}", layer, name); }
std::string hf_expert_name(int layer, int expert, std::string_view name) {
  return fmt::format("model.layers.{}.mlp.experts.{}.{}", layer, expert, name);
}

}  // namespace r1
