#!/usr/bin/env python3
"""make_smollm2_goldens.py: what llama.cpp, and plain float32, make of the file that `r1 pull smollm2:135m` gets.

    build/release/r1 pull smollm2:135m                 # prints the path of the file
    python3 -m venv venv && venv/bin/pip install llama-cpp-python numpy gguf
    venv/bin/python tools/golden/make_smollm2_goldens.py PATH

Run once; its output is committed. tests/golden/smollm2/logits.json holds for a few texts:

    ids          the text's tokens, teacher-forced (llama.cpp's tokenizer)
    positions    for each token: the ten likeliest next ids, their logits in `exact`, and in llama.cpp

`exact` dequantises the weights and computes in float32, with numpy alone, activations as they are. llama.cpp rounds
activations to 8 bits before it multiplies, as r1 does: its distance from `exact` is what quantisation noise is, and the
distance an engine may have. tokens.jsonl has texts and the ids llama.cpp's tokenizer gives them, chat.json has
conversations as the file's own template renders them (jinja2), with their ids.
"""
import json
import os
import sys

import gguf
import jinja2
import llama_cpp
import numpy as np

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'tests', 'golden')
TOP = 10
TEXTS = [
    'The capital of France is Paris, and the capital of Germany is Berlin. The capital of Japan is Tokyo, which is',
    'def fibonacci(n):\n    """Return the n-th number."""\n    if n < 2:\n        return n\n'
    '    return fibonacci(n - 1) + ',
    '<|im_start|>user\nWhat is 17 + 25? Think it over.<|im_end|>\n<|im_start|>assistant\nTo add 17 and 25, first add',
]
CHATS = [
    [{'role': 'user', 'content': 'What is the capital of Japan?'}],
    [{'role': 'system', 'content': 'Be brief.'}, {'role': 'user', 'content': 'Hi'},
     {'role': 'assistant', 'content': 'Hello!'}, {'role': 'user', 'content': ' 2 + 2 =\n'}],
]


class Reference:
    """Llama's forward, whole sequence at once, in float32."""

    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        self.tensors = {t.name: gguf.dequantize(t.data, t.tensor_type).astype(np.float32) for t in reader.tensors}
        value = lambda key: reader.get_field('llama.' + key).contents()
        self.n_layers, self.n_heads, self.n_kv_heads = (
            value('block_count'), value('attention.head_count'), value('attention.head_count_kv'))
        self.eps, self.theta = value('attention.layer_norm_rms_epsilon'), value('rope.freq_base')

    def norm(self, x, weight):
        return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + self.eps) * weight

    def rotate(self, x):  # [tokens, heads, head_dim], neighbours form the pairs, as GGUF files of Llamas have them
        n, _, head_dim = x.shape
        angles = np.arange(n)[:, None] * self.theta ** (-np.arange(0, head_dim, 2) / head_dim)
        cos, sin = np.cos(angles)[:, None].astype(np.float32), np.sin(angles)[:, None].astype(np.float32)
        even, odd = x[..., 0::2], x[..., 1::2]
        return np.stack([even * cos - odd * sin, even * sin + odd * cos], axis=-1).reshape(x.shape)

    def attention(self, x, weight):
        n = len(x)
        q = self.rotate((x @ weight('attn_q').T).reshape(n, self.n_heads, -1))
        k = self.rotate((x @ weight('attn_k').T).reshape(n, self.n_kv_heads, -1))
        v = (x @ weight('attn_v').T).reshape(n, self.n_kv_heads, -1)
        k, v = (np.repeat(each, self.n_heads // self.n_kv_heads, axis=1) for each in (k, v))
        scores = np.einsum('qhd,khd->hqk', q, k) / np.sqrt(q.shape[-1])
        scores += np.triu(np.full((n, n), -np.inf, np.float32), 1)
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        return np.einsum('hqk,khd->qhd', scores, v).reshape(n, -1) @ weight('attn_output').T

    def logits(self, ids):
        x = self.tensors['token_embd.weight'][ids]
        for layer in range(self.n_layers):
            weight = lambda name: self.tensors[f'blk.{layer}.{name}.weight']
            x = x + self.attention(self.norm(x, weight('attn_norm')), weight)
            h = self.norm(x, weight('ffn_norm'))
            gate = h @ weight('ffn_gate').T
            x = x + (gate / (1 + np.exp(-gate)) * (h @ weight('ffn_up').T)) @ weight('ffn_down').T
        head = self.tensors.get('output.weight', self.tensors['token_embd.weight'])
        return self.norm(x, self.tensors['output_norm.weight']) @ head.T


def llama(path):
    """llama.cpp with its plain kernels: those for repacked weights use AMX, which not every machine grants."""
    defaults = llama_cpp.llama_model_default_params
    def plain():
        params = defaults()
        params.use_extra_bufts = False
        return params
    llama_cpp.llama_cpp.llama_model_default_params = plain
    return llama_cpp.Llama(path, n_ctx=512, n_threads=2, logits_all=True, verbose=False,
                           type_k=llama_cpp.GGML_TYPE_F32, type_v=llama_cpp.GGML_TYPE_F32)


def positions(exact, other):
    rows = []
    for a, b in zip(exact, other):
        ids = np.argsort(-a)[:TOP]
        rows.append([[int(i), round(float(a[i]), 4), round(float(b[i]), 4)] for i in ids])
    return rows


def write(path, value, **kwargs):
    with open(os.path.join(OUT, 'smollm2', path), 'w') as file:
        json.dump(value, file, ensure_ascii=False, **kwargs)
        file.write('\n')


def main(path):
    reference = Reference(path)
    model = llama(path)
    encode = lambda text, special: model.tokenize(text.encode(), add_bos=False, special=special)
    noise, texts = [], []
    for text in TEXTS:
        ids = encode(text, True)
        model.reset()
        model.eval(ids)
        exact, other = reference.logits(ids), np.array(model.scores[:len(ids)])
        noise.append(np.sqrt(np.mean((other - exact) ** 2)))
        texts.append({'text': text, 'ids': ids, 'positions': positions(exact, other)})
    print('root mean square of llama.cpp - exact, over all logits:', noise)
    write('logits.json', {'source': f'llama.cpp of llama-cpp-python {llama_cpp.__version__}; numpy {np.__version__}',
                          'model_sha256': 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
                          'texts': texts}, separators=(',', ':'))

    with open(os.path.join(OUT, 'tokenizer', 'ggml-vocab.inp'), encoding='utf-8') as file:
        vectors = file.read().split('\n__ggml_vocab_test__\n')
    with open(os.path.join(OUT, 'smollm2', 'tokens.jsonl'), 'w', encoding='utf-8') as file:
        for text in vectors + TEXTS:
            file.write(json.dumps({'text': text, 'ids': encode(text, False)}, ensure_ascii=False) + '\n')

    template = jinja2.Environment().from_string(model.metadata['tokenizer.chat_template'])
    chats = []
    for messages in CHATS:
        text = template.render(messages=messages, add_generation_prompt=True, bos_token='<|im_start|>',
            eos_token='<|im_end|>')
        chats.append({'messages': messages, 'text': text, 'ids': encode(text, True)})
    write('chat.json', chats, indent=1)


if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
