#!/usr/bin/env python3
"""train_torch.py: tokens a second of `r1 train pretrain` and of PyTorch, the same shape on the same machine, in turn.

    bench/train_torch.py [--shapes student-llama,nano-3m] [--threads 2] [--rounds 3] [--steps 8] [--r1 build/release/r1] [--cpu-time]

Debian: apt-get install python3-torch libopenblas0-pthread; then /usr/bin/python3. Both compute in f32, update with AdamW, take
4096 tokens a step and a loss on every token. r1 trains on the tasks' texts, packed; PyTorch on random tokens in rows of the same
mean length, without padding: it has neither texts to draw nor ends to mask. Medians over rounds; the share is of the f32 peak that
`r1 bench --machine` measures in the same run, with 6 operations for each parameter that a token is multiplied by (attention's
products left out). With --cpu-time seconds are those of the processor, for a machine that others use too: then one thread, and
the peak is the highest of several.
"""
import argparse
import json
import os
import resource
import statistics
import struct
import subprocess
import tempfile
import time

import torch
import torch.nn.functional as F
from torch import nn

TOKENS = 4096
DENSE = {'student-qwen2': dict(dim=128, layers=6, heads=4, kv_heads=2, inter=384, bias=True),
         'student-llama': dict(dim=128, layers=4, heads=4, kv_heads=4, inter=352, bias=False)}
NANO = {'nano-0.15m': dict(dim=64, layers=3, heads=2, q_rank=0, kv_rank=32, inter=128, moe_inter=32, experts=8),
        'nano-1m': dict(dim=128, layers=6, heads=4, q_rank=0, kv_rank=32, inter=320, moe_inter=64, experts=8),
        'nano-3m': dict(dim=256, layers=6, heads=8, q_rank=64, kv_rank=64, inter=640, moe_inter=128, experts=16)}


class Norm(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * self.weight


def linear(n_in, n_out, bias=False):
    return nn.Linear(n_in, n_out, bias=bias)


def rotate(x, angles):  # [batch, heads, tokens, width]
    a, b = x.chunk(2, -1)
    cos, sin = angles
    return torch.cat((a * cos - b * sin, a * sin + b * cos), -1)


def attend(q, k, v):
    scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
    hidden = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool).triu(1)
    return scores.masked_fill(hidden, float('-inf')).softmax(-1) @ v


class Gqa(nn.Module):
    rope_width = 32

    def __init__(self, s):
        super().__init__()
        self.heads, self.kv_heads = s['heads'], s['kv_heads']
        self.q = linear(s['dim'], self.heads * 32, s['bias'])
        self.k, self.v = (linear(s['dim'], self.kv_heads * 32, s['bias']) for _ in range(2))
        self.out = linear(self.heads * 32, s['dim'])

    def forward(self, x, angles):
        b, t, _ = x.shape
        q = rotate(self.q(x).view(b, t, self.heads, 32).transpose(1, 2), angles)
        k = rotate(self.k(x).view(b, t, self.kv_heads, 32).transpose(1, 2), angles)
        v = self.v(x).view(b, t, self.kv_heads, 32).transpose(1, 2)
        if self.kv_heads < self.heads:
            k, v = (m.repeat_interleave(self.heads // self.kv_heads, 1) for m in (k, v))
        return self.out(attend(q, k, v).transpose(1, 2).reshape(b, t, -1))


class Mla(nn.Module):
    rope_width = 16

    def __init__(self, s):
        super().__init__()
        self.heads, self.kv_rank = s['heads'], s['kv_rank']
        n_q = self.heads * 48
        if s['q_rank']:
            self.q = nn.Sequential(linear(s['dim'], s['q_rank']), Norm(s['q_rank']), linear(s['q_rank'], n_q))
        else:
            self.q = linear(s['dim'], n_q)
        self.kv_a, self.kv_norm = linear(s['dim'], self.kv_rank + 16), Norm(self.kv_rank)
        self.kv_b = linear(self.kv_rank, self.heads * 64)
        self.out = linear(self.heads * 32, s['dim'])

    def forward(self, x, angles):
        b, t, _ = x.shape
        q, q_rope = self.q(x).view(b, t, self.heads, 48).transpose(1, 2).split((32, 16), -1)
        latent, k_rope = self.kv_a(x).split((self.kv_rank, 16), -1)
        k, v = self.kv_b(self.kv_norm(latent)).view(b, t, self.heads, 64).transpose(1, 2).split((32, 32), -1)
        k_rope = rotate(k_rope.unsqueeze(1), angles).expand(b, self.heads, t, 16)
        q, k = torch.cat((q, rotate(q_rope, angles)), -1), torch.cat((k, k_rope), -1)
        return self.out(attend(q, k, v).transpose(1, 2).reshape(b, t, -1))


class SwiGlu(nn.Module):
    def __init__(self, dim, inter):
        super().__init__()
        self.gate, self.up, self.down = linear(dim, inter), linear(dim, inter), linear(inter, dim)

    def forward(self, x):
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Moe(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.router = linear(s['dim'], s['experts'])
        self.experts = nn.ModuleList(SwiGlu(s['dim'], s['moe_inter']) for _ in range(s['experts']))
        self.shared = SwiGlu(s['dim'], s['moe_inter'])
        self.register_buffer('bias', torch.zeros(s['experts']))

    def forward(self, x):
        rows = x.reshape(-1, x.shape[-1])
        scores = self.router(rows).sigmoid()
        chosen = (scores + self.bias).topk(2, -1).indices
        weights = scores.gather(-1, chosen)
        weights = weights / weights.sum(-1, keepdim=True)
        y = self.shared(rows)
        for e, expert in enumerate(self.experts):
            token, which = (chosen == e).nonzero(as_tuple=True)
            if len(token):
                y = y.index_add(0, token, expert(rows[token]) * weights[token, which].unsqueeze(-1))
        return y.view_as(x)


class Model(nn.Module):
    def __init__(self, name, vocabulary):
        super().__init__()
        s = DENSE.get(name) or NANO[name]
        attention = Gqa if name in DENSE else Mla
        self.embed = nn.Embedding(vocabulary, s['dim'])
        nn.init.normal_(self.embed.weight, std=0.03)
        self.layers = nn.ModuleList()
        for layer in range(s['layers']):
            ffn = Moe(s) if name in NANO and layer > 0 else SwiGlu(s['dim'], s['inter'])
            self.layers.append(nn.ModuleList((Norm(s['dim']), attention(s), Norm(s['dim']), ffn)))
        self.norm = Norm(s['dim'])
        half = attention.rope_width // 2
        self.frequencies = 10000.0 ** (-torch.arange(half) / half)

    def forward(self, tokens):
        angles = torch.arange(tokens.shape[1]).unsqueeze(1) * self.frequencies
        angles = (angles.cos(), angles.sin())
        x = self.embed(tokens)
        for attention_norm, attention, ffn_norm, ffn in self.layers:
            x = x + attention(attention_norm(x), angles)
            x = x + ffn(ffn_norm(x))
        return self.norm(x) @ self.embed.weight.t()

    def multiplied_parameters(self):  # by which one token is multiplied: of the experts the two that are chosen
        n = sum(p.numel() for name, p in self.named_parameters() if p.dim() == 2 and '.experts.' not in name)
        for moe in self.modules():
            if isinstance(moe, Moe):
                n += 2 * sum(p.numel() for p in moe.experts[0].parameters())
        return n


class Torch:
    def __init__(self, name, vocabulary, length):
        self.model = Model(name, vocabulary)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1)
        self.vocabulary, self.length = vocabulary, length

    def step(self):
        tokens = torch.randint(self.vocabulary, (TOKENS // self.length, self.length + 1))
        logits = self.model(tokens[:, :-1])
        loss = F.cross_entropy(logits.reshape(-1, self.vocabulary), tokens[:, 1:].reshape(-1))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()

    def tokens_per_second(self, steps, clock):
        self.step()
        start = clock()
        for _ in range(steps):
            self.step()
        return steps * (TOKENS // self.length) * self.length / (clock() - start)


def cpu_seconds_of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class R1:
    def __init__(self, program, folder, threads):
        self.program, self.folder, self.threads, self.n_runs = program, folder, threads, 0
        self.vocabulary = os.path.join(folder, 'vocabulary.json')
        self.run('train', 'tokenizer', self.vocabulary, '--vocab', '1024', '--problems', '500')

    def run(self, *arguments):
        return subprocess.run([self.program, *arguments], check=True, capture_output=True, text=True).stdout

    def train(self, shape, steps, tokens):
        self.n_runs += 1
        run = os.path.join(self.folder, str(self.n_runs))
        config = run + '.json'
        with open(config, 'w', encoding='utf-8') as file:
            json.dump({'shape': shape, 'tokenizer': self.vocabulary, 'steps': steps, 'tokens_per_step': tokens, 'log_every': 1}, file)
        self.run('train', 'pretrain', '--config', config, '--run', run, '--workers', str(self.threads))
        with open(os.path.join(run, 'metrics.jsonl'), encoding='utf-8') as file:
            return run, [json.loads(line) for line in file]

    def peak(self, times):
        run = lambda: json.loads(self.run('bench', '--machine', '-t', str(self.threads), '--json'))['f32_gop_per_s'] * 1e9
        return max(run() for _ in range(times))

    def mean_length(self):  # a step of one token is one example
        _, lines = self.train('nano-0.15m', 200, 1)
        return lines[-1]['tokens'] / len(lines)

    def tokens_per_cpu_second(self, shape, steps):  # of a long run less a short one: without start and end
        tokens, seconds = [], []
        for n in (1, steps + 1):
            start = cpu_seconds_of_children()
            _, lines = self.train(shape, n, TOKENS)
            tokens.append(lines[-1]['tokens'])
            seconds.append(cpu_seconds_of_children() - start)
        return (tokens[1] - tokens[0]) / (seconds[1] - seconds[0])

    def tokens_per_second(self, shape, steps):
        _, lines = self.train(shape, steps + 1, TOKENS)
        first, last = lines[0], lines[-1]
        return (last['tokens'] - first['tokens']) / (last['seconds'] - first['seconds'])

    def numbers(self, shape):
        run, _ = self.train(shape, 1, 1)
        with open(os.path.join(run, 'checkpoint.r1train'), 'rb') as file:
            file.seek(8)
            header = json.loads(file.read(struct.unpack('<Q', file.read(8))[0]))
        return next(array['values'] for array in header['arrays'] if array['name'] == 'values')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--shapes', default='student-llama,nano-3m')
    parser.add_argument('--threads', type=int, default=os.cpu_count())
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--steps', type=int, default=8)
    parser.add_argument('--r1', default='build/release/r1')
    parser.add_argument('--cpu-time', action='store_true')
    options = parser.parse_args()
    if options.cpu_time:
        options.threads = 1
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        r1 = R1(options.r1, folder, options.threads)
        length = max(8, round(r1.mean_length()))
        print(f'{options.threads} threads, {TOKENS} tokens a step, rows of {length}; PyTorch {torch.__version__}', flush=True)
        for shape in options.shapes.split(','):
            measure(r1, shape, length, options)


def measure(r1, shape, length, options):
    peer = Torch(shape, 1024, length)
    numbers = sum(p.numel() for p in peer.model.parameters()) + sum(b.numel() for b in peer.model.buffers())
    if numbers != r1.numbers(shape):
        raise SystemExit(f'{shape}: PyTorch has {numbers} numbers, r1 {r1.numbers(shape)}: not the same shape')
    operations = 6 * peer.model.multiplied_parameters()
    ours, theirs, shares = [], [], []
    peak = r1.peak(5) if options.cpu_time else 0
    for _ in range(options.rounds):
        if options.cpu_time:
            ours.append(r1.tokens_per_cpu_second(shape, options.steps))
            theirs.append(peer.tokens_per_second(options.steps, time.process_time))
        else:
            peak = r1.peak(1)
            ours.append(r1.tokens_per_second(shape, options.steps))
            theirs.append(peer.tokens_per_second(options.steps, time.monotonic))
        shares.append(ours[-1] * operations / peak)
        print(f'  {shape}: r1 {ours[-1]:.0f} tokens/s, {100 * shares[-1]:.0f} % of {peak / 1e9:.0f} GFLOP/s; '
              f'PyTorch {theirs[-1]:.0f}, {100 * theirs[-1] * operations / peak:.0f} %', flush=True)
    ratio = statistics.median(a / b for a, b in zip(ours, theirs))
    print(f'{shape}: r1 {statistics.median(ours):.0f} tokens/s, PyTorch {statistics.median(theirs):.0f}, ratio {ratio:.2f}; '
          f'r1 reaches {100 * statistics.median(shares):.0f} % of the peak', flush=True)


if __name__ == '__main__':
    main()
