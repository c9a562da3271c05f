#!/usr/bin/env python3
"""make_hf_goldens.py: tiny random checkpoints, and what Hugging Face transformers computes with them.

    python3 -m venv venv && venv/bin/pip install torch transformers safetensors
    venv/bin/python tools/golden/make_hf_goldens.py [NAME...]            # writes tests/data/tiny/NAME
    venv/bin/python tools/golden/make_hf_goldens.py --check-deepseek     # transformers against DeepSeek's own goldens

Run once; its output is committed, and no test needs torch. Each folder gets config.json and model.safetensors in Hugging
Face's layout, written here from the shapes of the architecture and then loaded by transformers, which refuses a missing,
an extra or a misshapen tensor; so the layout is checked as well as the numbers. golden.json holds:

    tokens               96 ids, teacher-forced
    logits               {position: [vocab_size]} at a few positions
    argmax, logsumexp    at every position
    greedy               32 ids continuing the first greedy_prompt_len tokens at temperature 0
    routing_first33      {layer: {experts, weights}} of the first 33 tokens, where there are experts; best score first

All in float32 with eager attention. A seed is refused when a greedy step or an expert choice is a near tie, so that
rounding in another order can't flip it.
"""
import json
import math
import os
import sys

import torch
import transformers
from safetensors.torch import save_file

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'tests', 'data', 'tiny')
N_TOKENS, PROMPT_LEN, N_GREEDY, LOGIT_POSITIONS = 96, 16, 32, (0, 1, 6, 32, 95)
MIN_GREEDY_MARGIN, MIN_ROUTE_MARGIN = 5e-3, 1e-4

COMMON = {'hidden_size': 64, 'num_hidden_layers': 3, 'num_attention_heads': 4, 'hidden_act': 'silu',
          'attention_dropout': 0.0, 'initializer_range': 0.02, 'max_position_embeddings': 256, 'bos_token_id': 1,
          'eos_token_id': 2, 'use_cache': True, 'torch_dtype': 'float32'}
QWEN2 = {**COMMON, 'architectures': ['Qwen2ForCausalLM'], 'model_type': 'qwen2', 'num_key_value_heads': 2,
         'intermediate_size': 160, 'rms_norm_eps': 1e-6, 'use_sliding_window': False, 'sliding_window': 256,
         'max_window_layers': 3}
LLAMA = {**COMMON, 'architectures': ['LlamaForCausalLM'], 'model_type': 'llama', 'num_key_value_heads': 2,
         'intermediate_size': 160, 'rms_norm_eps': 1e-5, 'attention_bias': False, 'mlp_bias': False, 'pretraining_tp': 1,
         'tie_word_embeddings': False}

MODELS = {
    # The 1.5B distill's kind: tied in Qwen2.5-1.5B, untied in DeepSeek-R1-Distill-Qwen-1.5B.
    'qwen2_tied': {**QWEN2, 'vocab_size': 320, 'rope_theta': 1000000.0, 'tie_word_embeddings': True},
    'qwen2_untied': {**QWEN2, 'vocab_size': 288, 'rope_theta': 10000.0, 'tie_word_embeddings': False},
    # With 64 original positions the eight wavelengths of a 16-wide head fall on both sides of Llama 3's limits 16 and 64:
    # 6.3 is kept, 20 and 63 are blended, the others are divided by 8. So all three branches act within 96 tokens.
    'llama3_rope': {**LLAMA, 'vocab_size': 384, 'rope_theta': 10000.0, 'head_dim': 16, 'rope_scaling': {
        'rope_type': 'llama3', 'factor': 8.0, 'low_freq_factor': 1.0, 'high_freq_factor': 4.0,
        'original_max_position_embeddings': 64}},
    # Heads wider than hidden / heads, one key-value head for all, and an epsilon large enough to be missed when ignored.
    'llama_head_dim': {**LLAMA, 'vocab_size': 256, 'rope_theta': 500000.0, 'head_dim': 24, 'num_key_value_heads': 1,
                       'rms_norm_eps': 1e-3},
    # Interleaved rotation without YaRN, in an implementation that shares no line with DeepSeek's inference/model.py.
    'deepseek_v3_hf': {
        **COMMON, 'architectures': ['DeepseekV3ForCausalLM'], 'model_type': 'deepseek_v3', 'vocab_size': 256,
        'num_key_value_heads': 4, 'intermediate_size': 128, 'moe_intermediate_size': 32, 'first_k_dense_replace': 1,
        'moe_layer_freq': 1, 'n_routed_experts': 12, 'n_shared_experts': 1, 'num_experts_per_tok': 3, 'n_group': 3,
        'topk_group': 2, 'topk_method': 'noaux_tc', 'scoring_func': 'sigmoid', 'norm_topk_prob': True,
        'routed_scaling_factor': 1.5, 'q_lora_rank': 40, 'kv_lora_rank': 32, 'qk_nope_head_dim': 16,
        'qk_rope_head_dim': 16, 'v_head_dim': 20, 'rms_norm_eps': 1e-6, 'rope_theta': 10000.0, 'rope_scaling': None,
        'attention_bias': False, 'tie_word_embeddings': False, 'num_nextn_predict_layers': 0, 'ep_size': 1},
}


class Writer:
    """Draws the tensors of a checkpoint. Gains are for inputs of unit variance: a matrix with gain g gives outputs of
    standard deviation g. Queries and keys get enough for attention to pick tokens instead of averaging them."""

    def __init__(self, seed):
        self.rng, self.tensors = torch.Generator().manual_seed(seed), {}

    def normal(self, name, shape, std, mean=0.0):
        self.tensors[name] = mean + std * torch.randn(shape, generator=self.rng)

    def matrix(self, name, n_out, n_in, gain):
        self.normal(name + '.weight', (n_out, n_in), gain / math.sqrt(n_in))

    def norm(self, name, width):
        self.normal(name + '.weight', (width,), 0.2, mean=1.0)

    def ffn(self, prefix, dim, inter):
        self.matrix(prefix + 'gate_proj', inter, dim, 1.2)
        self.matrix(prefix + 'up_proj', inter, dim, 1.2)
        self.matrix(prefix + 'down_proj', dim, inter, 1.2)


def write_gqa(w, prefix, c):
    head_dim = c.get('head_dim', c['hidden_size'] // c['num_attention_heads'])
    for name, n_heads, gain in (('q_proj', c['num_attention_heads'], 1.4), ('k_proj', c['num_key_value_heads'], 1.4),
                                ('v_proj', c['num_key_value_heads'], 1.0)):
        w.matrix(prefix + name, n_heads * head_dim, c['hidden_size'], gain)
        if c['model_type'] == 'qwen2':
            w.normal(prefix + name + '.bias', (n_heads * head_dim,), 0.3)
    w.matrix(prefix + 'o_proj', c['hidden_size'], c['num_attention_heads'] * head_dim, 1.5)


def write_mla(w, prefix, c):
    dim, n_heads, nope, rope, v = (c[k] for k in ('hidden_size', 'num_attention_heads', 'qk_nope_head_dim',
                                                  'qk_rope_head_dim', 'v_head_dim'))
    w.matrix(prefix + 'q_a_proj', c['q_lora_rank'], dim, 1.0)
    w.norm(prefix + 'q_a_layernorm', c['q_lora_rank'])
    w.matrix(prefix + 'q_b_proj', n_heads * (nope + rope), c['q_lora_rank'], 1.4)
    w.matrix(prefix + 'kv_a_proj_with_mqa', c['kv_lora_rank'] + rope, dim, 1.3)
    w.norm(prefix + 'kv_a_layernorm', c['kv_lora_rank'])
    w.matrix(prefix + 'kv_b_proj', n_heads * (nope + v), c['kv_lora_rank'], 1.3)
    w.matrix(prefix + 'o_proj', dim, n_heads * v, 1.2)


def write_experts(w, prefix, c):
    w.matrix(prefix + 'gate', c['n_routed_experts'], c['hidden_size'], 1.0)
    w.normal(prefix + 'gate.e_score_correction_bias', (c['n_routed_experts'],), 0.1)
    for expert in range(c['n_routed_experts']):
        w.ffn(f'{prefix}experts.{expert}.', c['hidden_size'], c['moe_intermediate_size'])
    w.ffn(prefix + 'shared_experts.', c['hidden_size'], c['moe_intermediate_size'] * c['n_shared_experts'])


def write_tensors(c, seed):
    w = Writer(seed)
    tied, dim = c['tie_word_embeddings'], c['hidden_size']
    w.normal('model.embed_tokens.weight', (c['vocab_size'], dim), 1.6 / math.sqrt(dim) if tied else 0.7)
    for layer in range(c['num_hidden_layers']):
        prefix = f'model.layers.{layer}.'
        w.norm(prefix + 'input_layernorm', dim)
        (write_mla if c['model_type'] == 'deepseek_v3' else write_gqa)(w, prefix + 'self_attn.', c)
        w.norm(prefix + 'post_attention_layernorm', dim)
        if layer < c.get('first_k_dense_replace', c['num_hidden_layers']):
            w.ffn(prefix + 'mlp.', dim, c['intermediate_size'])
        else:
            write_experts(w, prefix + 'mlp.', c)
    w.norm('model.norm', dim)
    if not tied:
        w.matrix('lm_head', c['vocab_size'], dim, 1.6)
    return w.tensors


def load(folder):
    model, report = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation='eager', output_loading_info=True)
    wrong = {kind: names for kind, names in report.items() if names}
    assert not wrong, f'{folder}: {wrong}'
    return model.eval()


def record_routing(model):
    """Hooks on every router; returns {layer: [(weights, experts) of each call]}."""
    calls = {}
    for layer, block in enumerate(model.model.layers):
        if hasattr(block.mlp, 'gate'):
            def hook(router, _, output, layer=layer):
                logits, weights, experts = output
                biased = logits.sigmoid() + router.e_score_correction_bias
                order = biased.gather(1, experts).argsort(dim=-1, descending=True)
                calls.setdefault(layer, []).append((weights.gather(1, order), experts.gather(1, order), biased))
            block.mlp.gate.register_forward_hook(hook)
    return calls


def decode_logits(model, ids):
    """One token at a time through the cache: [tokens, vocab_size]."""
    cache, rows = None, []
    for token in ids:
        out = model(torch.tensor([[token]]), past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        rows.append(out.logits[0, 0])
    return torch.stack(rows)


def greedy_ids(model, prompt):
    """Returns the ids and the smallest gap between the best and the second logit."""
    ids, margin = list(prompt), math.inf
    for _ in range(N_GREEDY):
        values, best_ids = model(torch.tensor([ids])).logits[0, -1].topk(2)
        margin = min(margin, (values[0] - values[1]).item())
        ids.append(int(best_ids[0]))
    return ids[len(prompt):], margin


def route_margin(calls, c):
    """The smallest gap between a chosen and a refused expert, and between a chosen and a refused group."""
    gap = math.inf
    for weights, _, biased in (call for layer in calls.values() for call in layer):
        n_chosen, groups = weights.shape[-1], biased.view(len(biased), c['n_group'], -1)
        group_scores, order = groups.topk(2, dim=-1)[0].sum(-1).sort(dim=-1, descending=True)
        gap = min(gap, (group_scores[:, c['topk_group'] - 1] - group_scores[:, c['topk_group']]).min().item())
        allowed = groups.gather(1, order[:, :c['topk_group'], None].expand(-1, -1, groups.shape[-1])).flatten(1)
        ranked = allowed.sort(dim=-1, descending=True)[0]
        gap = min(gap, (ranked[:, n_chosen - 1] - ranked[:, n_chosen]).min().item())
    return gap


def seven_digits(values):
    return [float(f'{v:.7g}') for v in values]


@torch.no_grad()
def golden_of(model, c, seed):
    calls = record_routing(model)
    tokens = torch.randint(0, c['vocab_size'], (N_TOKENS,), generator=torch.Generator().manual_seed(seed + 1)).tolist()
    logits = model(torch.tensor([tokens])).logits[0]  # [tokens, vocab_size]
    routing = {layer: of_layer[0] for layer, of_layer in calls.items()}
    attention = torch.stack(model(torch.tensor([tokens]), output_attentions=True).attentions)
    greedy, margin = greedy_ids(model, tokens[:PROMPT_LEN])
    golden = {
        'note': f'Logits from Hugging Face transformers {transformers.__version__}, {c["architectures"][0]}, float32, eager'
                f' attention, torch {torch.__version__.split("+")[0]}; weights random, seed {seed};'
                ' made by tools/golden/make_hf_goldens.py',
        'tokens': tokens,
        'prefill_vs_decode_max_abs_err': (logits - decode_logits(model, tokens)).abs().max().item(),
        'greedy_prompt_len': PROMPT_LEN,
        'greedy': greedy,
        'logits': {str(p): seven_digits(logits[p].tolist()) for p in LOGIT_POSITIONS},
        'argmax': logits.argmax(-1).tolist(),
        'logsumexp': seven_digits(logits.logsumexp(-1).tolist()),
    }
    if routing:
        golden['routing_first33'] = {
            str(layer): {'weights': [seven_digits(row) for row in weights[:33].tolist()], 'experts': experts[:33].tolist()}
            for layer, (weights, experts, _) in routing.items()}
    top_two = logits.topk(2, dim=-1)[0]
    facts = {'logit_std': logits.std().item(), 'attention_max_mean': attention[..., -1, :].max(-1)[0].mean().item(),
             'greedy_margin': margin, 'argmax_margin': (top_two[:, 0] - top_two[:, 1]).min().item(),
             'route_margin': route_margin(calls, c) if calls else math.inf}
    return golden, facts


def write_json(path, value):
    with open(path, 'w') as file:
        json.dump(value, file, indent=1)
        file.write('\n')


def make(name):
    c, folder = MODELS[name], os.path.join(OUT, name)
    os.makedirs(folder, exist_ok=True)
    write_json(os.path.join(folder, 'config.json'), c)
    for seed in range(100):
        weights = os.path.join(folder, 'model.safetensors')
        save_file(write_tensors(c, seed), weights, metadata={'format': 'pt'})
        os.chmod(weights, 0o644)
        golden, facts = golden_of(load(folder), c, seed)
        print(name, seed, {k: round(v, 5) for k, v in facts.items()}, len(set(golden['greedy'])), 'different greedy ids')
        if min(facts['greedy_margin'], facts['argmax_margin']) < MIN_GREEDY_MARGIN or len(set(golden['greedy'])) < 12:
            continue
        if facts['route_margin'] > MIN_ROUTE_MARGIN and 1 < facts['logit_std'] < 3 and facts['attention_max_mean'] > 0.1:
            break
    else:
        sys.exit(f'{name}: no seed gives goldens without near ties')
    with open(os.path.join(folder, 'golden.json'), 'w') as file:
        json.dump(golden, file)
        file.write('\n')


@torch.no_grad()
def check_deepseek():
    """The goldens of DeepSeek's own code, computed again by transformers: two implementations, one answer."""
    folder = os.path.join(OUT, 'v3_yarn_f32')
    golden = json.load(open(os.path.join(folder, 'golden.json')))
    logits = load(folder)(torch.tensor([golden['tokens']])).logits[0]
    worst = max((logits[int(p)] - torch.tensor(row)).abs().max().item() for p, row in golden['logits'].items())
    same = logits.argmax(-1).tolist() == golden['argmax']
    print(f'v3_yarn_f32: transformers {transformers.__version__} against DeepSeek: worst logit {worst:.2e}, argmax equal: {same}')


if __name__ == '__main__':
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if sys.argv[1:] == ['--check-deepseek']:
        check_deepseek()
    else:
        for model_name in sys.argv[1:] or MODELS:
            make(model_name)
