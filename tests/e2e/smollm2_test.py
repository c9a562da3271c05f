#!/usr/bin/env python3
"""smollm2_test.py: a real small model, when it is in the local store: sensible answers, and the logits llama.cpp gives.

golden/smollm2 was made by tools/golden/make_smollm2_goldens.py from the same file. R1 names the binary (default
build/release/r1). No network.
"""
import array
import json
import math
import os
import random
import subprocess
import tempfile
import unittest

R1 = os.path.abspath(os.environ.get('R1', os.path.join(os.path.dirname(__file__), '../../build/release/r1')))
GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../golden/smollm2')
NAME = 'smollm2:135m'


def r1(*arguments, **kwargs):
    return subprocess.run([R1, *arguments], capture_output=True, text=True, check=True, timeout=300, **kwargs).stdout


def golden(name):
    with open(os.path.join(GOLDEN, name), encoding='utf-8') as file:
        return [json.loads(line) for line in file] if name.endswith('l') else json.load(file)


def stored():
    return any(model['name'] == NAME and model['type'] != 'unfinished' for model in json.loads(r1('list', '--json')))


def root_mean_square(numbers):
    return math.sqrt(sum(x * x for x in numbers) / len(numbers))


class SmolLM2(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not stored():
            raise unittest.SkipTest(f'{NAME} is not in the store: `r1 pull {NAME}` brings it')

    def logits(self, ids, *flags):
        with tempfile.NamedTemporaryFile() as file:
            lines = r1('score', NAME, '--ids', ','.join(map(str, ids)), '--logits', file.name, *flags).splitlines()
            numbers = array.array('f', file.read())
        n = len(numbers) // len(ids)
        self.assertEqual(n, 49152)
        return [json.loads(line) for line in lines], [numbers[i * n:(i + 1) * n] for i in range(len(ids))]

    def test_logits_are_as_near_to_exact_arithmetic_as_llama_cpps(self):
        for text in golden('logits.json')['texts']:
            lines, rows = self.logits(text['ids'])
            ours, theirs, n_same_best = [], [], 0
            for line, row, top in zip(lines, rows, text['positions']):
                ours += [row[id_] - exact for id_, exact, _ in top]
                theirs += [other - exact for _, exact, other in top]
                # The likeliest token is the same wherever it leads by more than the noise.
                best = max(range(len(row)), key=row.__getitem__)
                self.assertEqual(line['top'][0]['id'], best)
                if top[0][1] - top[1][1] > 1:
                    self.assertEqual(best, top[0][0], f'position {line["position"]} of {text["text"]!r}')
                n_same_best += best == top[0][0]
            self.assertLess(root_mean_square(ours), 1.5 * root_mean_square(theirs), text['text'])
            self.assertLess(max(map(abs, ours)), 2 * max(map(abs, theirs)), text['text'])
            self.assertGreater(n_same_best, 0.8 * len(rows))

    def test_logits_do_not_depend_on_threads_or_chunks(self):
        ids = golden('logits.json')['texts'][0]['ids']
        _, expected = self.logits(ids, '-t', '1')
        self.assertEqual(self.logits(ids, '-t', '2')[1], expected)
        self.assertEqual(self.logits(ids, '-t', '2', '--chunk', '7')[1], expected)

    def test_what_activations_in_8_bit_cost_is_what_numerics_says(self):
        text = os.path.join(GOLDEN, 'prose.txt')
        with tempfile.NamedTemporaryFile() as base:
            score = lambda *flags: json.loads(r1('score', NAME, '--file', text, '--context', '512', '--summary', *flags))
            exact, ours = score('--exact', '--logits', base.name), score('--base', base.name)
        # docs/numerics.md has the figures, and says that the goal of 0.1 % is not reached.
        self.assertLess(ours['kl'], 0.005)
        self.assertLess(abs(math.log(ours['perplexity'] / exact['perplexity'])), 0.0075)
        self.assertGreater(ours['same_best'], 0.94)
        self.assertGreater(ours['kl'], 0)  # the two paths are two

    def test_tokens_are_llama_cpps(self):
        for vector in golden('tokens.jsonl'):
            ids = json.loads(r1('tokenize', NAME, input=vector['text']))['ids']
            self.assertEqual(ids, vector['ids'], repr(vector['text']))
            self.assert_comes_back(vector['text'], ids)

    def assert_comes_back(self, text, ids):
        self.assertEqual(r1('tokenize', NAME, '--decode', '-', input=','.join(map(str, ids))), text)

    def test_random_text_comes_back(self):
        chosen = random.Random(1)
        # This vocabulary has no token for six control characters and the planes 4 to 11; llama.cpp drops them too.
        lacking = set(b'\x04\x06\x13\x14\x16\x1d\xf1\xf2')
        for limit in (0x80, 0x800, 0x10000, 0x110000):
            text = ''.join(chr(c) for c in (chosen.randrange(limit) for _ in range(2000)) if not 0xD800 <= c < 0xE000)
            text = ''.join(c for c in text if not lacking & set(c.encode()))
            text = text.replace('\r', '')  # which Python's text pipes turn into newlines
            self.assert_comes_back(text, json.loads(r1('tokenize', NAME, input=text))['ids'])

    def test_run_chat_and_raw_answer_sensibly_and_always_the_same(self):
        ask = lambda *flags: r1('run', NAME, 'What is the capital of Japan?', '--temp', '0', '-n', '30', *flags)
        text = ask()
        self.assertIn('Tokyo', text)
        self.assertEqual(ask('-t', '1'), text)
        self.assertEqual(ask(), text)
        chat = r1('chat', NAME, '--temp', '0', '-n', '30', input='What is the capital of Japan?\n/bye\n')
        self.assertEqual(chat.strip(), text.strip())
        raw = r1('run', NAME, 'The capital of France is', '--raw', '--temp', '0', '-n', '5')
        self.assertIn('Paris', raw)

    def test_the_prompt_is_what_the_files_template_renders(self):
        for chat in golden('chat.json')[:1]:  # `run` says one thing; openai_client_test.mjs has the others
            counted = json.loads(r1('run', NAME, chat['messages'][0]['content'], '--temp', '0', '-n', '1', '--json'))
            self.assertEqual(counted['prompt_tokens'], len(chat['ids']))

    def test_inspect_knows_it(self):
        facts = json.loads(r1('inspect', NAME, '--json'))
        expected = {'architecture': 'llama', 'parameters': 134515008, 'layers': 30, 'context_length': 8192, 'runs': True}
        self.assertEqual({key: facts[key] for key in expected}, expected)


if __name__ == '__main__':
    unittest.main()
