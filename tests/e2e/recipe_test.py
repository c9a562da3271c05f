#!/usr/bin/env python3
"""recipe_test.py: a model learns: the chain of `r1 recipe nano-ci`, from random weights to a file that answers.

It is interrupted on the way and goes on. R1 names the binary (default build/release/r1). No network.
"""
import json
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import time
import unittest

R1 = os.path.abspath(os.environ.get('R1', os.path.join(os.path.dirname(__file__), '../../build/release/r1')))
IS_SLOW_BUILD = any(name in R1 for name in ('/asan/', '/tsan/', '/dev/'))


def r1(*arguments, **kwargs):
    return subprocess.run([R1, *arguments], capture_output=True, text=True, timeout=900, stdin=subprocess.DEVNULL, **kwargs)


class Recipe(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix='r1_recipe_')
        cls.addClassCleanup(shutil.rmtree, cls.folder)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def read_json(self, *names):
        with open(self.path(*names), encoding='utf-8') as file:
            return json.load(file)

    @unittest.skipIf(IS_SLOW_BUILD, 'a build for debugging would train for many minutes; stage_test.cpp runs its stages')
    def test_the_chain_learns_is_interrupted_and_goes_on(self):
        command = [R1, 'recipe', 'nano-ci', '--run', self.path('run')]
        first = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        time.sleep(4)
        first.send_signal(signal.SIGINT)
        _, told = first.communicate(timeout=60)
        self.assertEqual(first.returncode, 0, told)
        self.assertIn('goes on from here', told)
        self.assertTrue(os.path.exists(self.path('run', 'cold-start', 'checkpoint.r1train')), told)

        done = r1('recipe', 'nano-ci', '--run', self.path('run'))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('vocabulary (tokenizer): done before', done.stderr)
        with open(self.path('run', 'rl', 'metrics.jsonl'), encoding='utf-8') as file:
            steps = [json.loads(line) for line in file]
        self.assertEqual([line['step'] for line in steps], list(range(1, 51)))
        mean = lambda name, some: sum(line[name] for line in some) / len(some)
        self.assertGreater(mean('reward', steps[-10:]) - mean('reward', steps[:10]), 0.1)
        self.assertGreater(mean('format', steps[-10:]), 0.95)
        before, after = self.read_json('run', 'cold-start-scores', 'scores.json'), self.read_json('run', 'rl-scores', 'scores.json')
        self.assertEqual([score['task'] for score in after], ['decimals'])
        self.assertGreater(before[0]['pass@1'], 0.05)  # of weights that were random, and wrote no <think>
        self.assertGreater(after[0]['pass@1'], before[0]['pass@1'] + 0.1)  # on problems that no stage has seen

        answered = r1('run', self.path('run', 'model', 'model.gguf'), 'Which is larger, 9.11 or 9.9?', '-n', '64', '--json')
        self.assertEqual(answered.returncode, 0, answered.stderr)
        self.assertIn('9', json.loads(answered.stdout)['thinking'])

        looked = r1('inspect', self.path('run', 'model', 'model.gguf'), '--json')
        self.assertGreater(json.loads(looked.stdout)['mtp_parameters'], 10000)
        ask = ('run', self.path('run', 'model', 'model.gguf'), 'Which is larger, 3.25 or 3.3?', '-n', '64', '--seed', '5', '--json')
        plain, drafted = (json.loads(r1(*ask, '--draft', draft).stdout) for draft in ('off', 'mtp'))
        self.assertEqual((drafted['thinking'], drafted['text']), (plain['thinking'], plain['text']))
        self.assertGreater(drafted['accepted_tokens'], 0.25 * drafted['drafted_tokens'])

        # A file that rounds nothing comes back as the very same numbers; a stage can begin with it.
        exported, imported, twice = (self.path(name) for name in ('f32.gguf', 'imported.r1train', 'twice.gguf'))
        for command in [('export', self.path('run', 'rl', 'checkpoint.r1train'), exported, '--type', 'f32'),
                        ('import', exported, imported), ('export', imported, twice, '--type', 'f32')]:
            done = r1('train', *command)
            self.assertEqual(done.returncode, 0, done.stderr)
        with open(exported, 'rb') as one, open(twice, 'rb') as other:
            self.assertEqual(one.read(), other.read())
        with open(self.path('more.json'), 'w', encoding='utf-8') as file:
            json.dump({'from': imported, 'steps': 1, 'tokens_per_step': 512, 'tasks': {'decimals': 1}}, file)
        more = r1('train', 'sft', '--config', self.path('more.json'), '--run', self.path('more'))
        self.assertEqual(more.returncode, 0, more.stderr)

        again = time.monotonic()
        self.assertEqual(r1('recipe', 'nano-ci', '--run', self.path('run')).returncode, 0)
        self.assertLess(time.monotonic() - again, 30)  # nothing is trained twice

    def train(self, stage, name, config):
        with open(self.path(name + '.json'), 'w', encoding='utf-8') as file:
            json.dump(config, file)
        done = r1('train', stage, '--config', self.path(name + '.json'), '--run', self.path(name))
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.path(name, 'checkpoint.r1train')

    def test_adapters_and_their_base_become_one_file_that_runs(self):
        vocabulary = self.path('vocabulary.json')
        self.assertEqual(r1('train', 'tokenizer', vocabulary, '--vocab', '400', '--problems', '20').returncode, 0)
        small = {'tokens_per_step': 200, 'steps': 2, 'tasks': {'decimals': 1}}
        base = self.train('sft', 'base', {'shape': 'nano-0.15m', 'tokenizer': vocabulary, 'optimizer': 'muon', 'weights': 'bf16', **small})
        adapted = self.train('sft', 'adapted', {'from': base, 'lora': {'rank': 4, 'targets': ['attention', 'experts']},
                                                'learning_rate': 0.1, **small})
        self.assertLess(os.path.getsize(adapted), os.path.getsize(base) / 2)
        told = []
        for name, checkpoint in (('base', base), ('adapted', adapted)):
            exported = r1('train', 'export', checkpoint, self.path(name + '.gguf'), '--type', 'bf16')
            self.assertEqual(exported.returncode, 0, exported.stderr)
            scored = r1('score', self.path(name + '.gguf'), '--ids', '1,2,3,4,5')
            self.assertEqual(scored.returncode, 0, scored.stderr)
            told.append(scored.stdout)
        self.assertNotEqual(told[0], told[1])
        student = self.train('distill', 'student', {'shape': 'student-llama', 'tokenizer': vocabulary, 'teacher': adapted,
                                                    'recompute': True, **small})
        self.assertEqual(r1('train', 'export', student, self.path('student.gguf')).returncode, 0)
        os.remove(base)
        refused = r1('train', 'export', adapted, self.path('x.gguf'))
        self.assertEqual(refused.returncode, 1, refused.stderr)
        self.assertIn('what the adapters are to be added to', refused.stderr)

    def test_a_file_whose_weights_are_integers_is_no_checkpoint(self):
        with open(os.path.join(os.path.dirname(__file__), '../../models/r1-nano.gguf'), 'rb') as file:
            model = bytearray(file.read())
        name, n_dims = b'output_norm.weight', 1
        described = model.index(name) + len(name)
        self.assertEqual(struct.unpack_from('<I', model, described), (n_dims,))
        type_at = described + 4 + 8 * n_dims
        for number, dtype in [(26, 'I32'), (0, None)]:  # of F32's length; then the file as it was
            struct.pack_into('<I', model, type_at, number)
            with open(self.path('integers.gguf'), 'wb') as file:
                file.write(model)
            result = r1('train', 'import', self.path('integers.gguf'), self.path('integers.r1train'))
            self.assertEqual(result.returncode, 1 if dtype else 0, result.stderr)
            if dtype:
                self.assertIn(f'output_norm.weight holds integers ({dtype}), weights were expected', result.stderr)

    def test_recipes_and_stages_say_what_is_wrong(self):
        printed = r1('recipe', 'nano', '--print')
        self.assertEqual(json.loads(printed.stdout)['name'], 'nano')
        for arguments, words in [
                (('recipe', 'cake', '--run', self.path('cake')), ('cake', 'nano')),
                (('recipe', 'nano'), ('--run',)),
                (('train', 'sft', '--config', self.path('none.json'), '--run', self.path('x')), ('none.json',)),
                (('train', 'eval', self.path('none.r1train')), ('none.r1train',)),
                (('train', 'export', R1, self.path('x.gguf')), ('not a checkpoint',)),
                (('train', 'import', self.path('none.gguf'), self.path('x.r1train')), ('none.gguf',)),
                (('train', 'import', 'r1-nano', self.path('x.r1train'), '--shape', 'nano-3m'), ('token_embd.weight', 'nano-3m')),
                (('train', 'import', 'r1-nano', self.path('x.r1train'), '--shape', 'huge'), ('huge', 'nano-1m'))]:
            result = r1(*arguments)
            self.assertEqual(result.returncode, 1, result.stderr)
            for word in words:
                self.assertIn(word, result.stderr)
        vocabulary = {'name': 'v', 'stage': 'tokenizer'}
        for recipe, words in [({'stages': []}, 'has stages'),
                              ([], 'has stages'),
                              ({'stages': {'a': 1}}, 'has stages'),
                              ({'stages': ['pretrain']}, 'a stage is an object'),
                              ({'stages': [{'name': 3}]}, "'name' must be"),
                              ({'stages': [{**vocabulary, 'from': '@v'}]}, 'from is no key'),
                              ({'stages': [{**vocabulary, 'config': 5}]}, 'config must be an object'),
                              ({'stages': [{**vocabulary, 'config': {'vocab': 10}}]}, 'vocab is 10'),
                              ({'stages': [{**vocabulary, 'config': {'sed': 1}}]}, 'sed is no key'),
                              ({'stages': [{'name': 'a', 'stage': 'eval'}]}, 'from is missing'),
                              ({'stages': [{'name': 'a', 'stage': 'import', 'config': {'shape': 'nano-1m'}}]}, 'model is missing'),
                              ({'stages': [{'name': 'a', 'stage': 'export', 'config': {'from': 'x', 'type': 'q5_k'}}]}, "no type 'q5_k'"),
                              ({'stages': [{'name': 'a', 'stage': 'bake'}]}, "no stage 'bake'"),
                              ({'stages': [{'name': 'a', 'stage': 'sft', 'config': {'from': '@b'}}]}, "does not come before"),
                              ({'stages': [{'name': '../a', 'stage': 'eval'}]}, 'no name for a stage')]:
            with open(self.path('bad.json'), 'w', encoding='utf-8') as file:
                json.dump(recipe, file)
            result = r1('recipe', self.path('bad.json'), '--run', self.path('bad'))
            self.assertEqual(result.returncode, 1, result.stderr)
            self.assertIn(words, result.stderr)


if __name__ == '__main__':
    unittest.main()
