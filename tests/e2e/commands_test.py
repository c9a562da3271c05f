#!/usr/bin/env python3
"""commands_test.py: how commands end: help, wrong usage, broken models, a full disk or nobody behind stdout.

R1 names the binary (default build/release/r1). No network.
"""
import json
import math
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import unittest

R1 = os.path.abspath(os.environ.get('R1', os.path.join(os.path.dirname(__file__), '../../build/release/r1')))
COMMANDS = ['run', 'chat', 'serve', 'score', 'bench', 'inspect', 'tokenize', 'synth', 'tasks', 'train', 'recipe', 'pull', 'list', 'rm', 'keys',
            'ledger', 'cost']


class CommandCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix='r1_commands_')
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.model = os.path.join(cls.folder, 'tiny.gguf')
        cls.hf = os.path.join(cls.folder, 'hf')
        for destination in (cls.model, cls.hf):
            subprocess.run([R1, 'synth', 'tiny-llama', destination], check=True, capture_output=True)
        os.mkdir(os.path.join(cls.folder, 'nothing'))
        open(os.path.join(cls.folder, 'empty.gguf'), 'w').close()

    def r1(self, *arguments, **kwargs):
        # HOME: no store of the one who runs the tests.
        environment = {**os.environ, 'R1_HOME': os.path.join(self.folder, 'home'), 'LC_ALL': 'C.UTF-8'}
        kwargs = {'stdin': subprocess.DEVNULL, 'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, **kwargs}
        return subprocess.run([R1, *arguments], env=environment, text=True, errors='replace', timeout=120, **kwargs)

    def assert_one_line(self, result, status, *words):
        what = f'{result.args}: status {result.returncode}, {result.stderr!r}'
        self.assertEqual(result.returncode, status, what)
        lines = [line for line in result.stderr.splitlines() if not line.startswith('r1: loading ')]
        self.assertEqual(len(lines), 1, what)
        self.assertTrue(lines[0].startswith('r1: '), what)
        self.assertLess(len(lines[0]), 600, what)
        for word in words:
            self.assertIn(word, lines[0])

    def path(self, name):
        return os.path.join(self.folder, name)


class Ledger(CommandCase):
    def test_a_key_is_shown_once_and_the_ledger_verifies(self):
        ledger = ('--ledger', self.path('ledger.db'))
        self.assert_one_line(self.r1('ledger', 'verify', *ledger), 1, 'no ledger', 'ledger.db')
        made = self.r1('keys', 'create', 'laptop', '--account', 'me', '--credit', '5', '--budget', '1.5', '--json', *ledger)
        self.assertEqual(made.returncode, 0, made.stderr)
        key = json.loads(made.stdout)
        self.assertRegex(key['key'], r'^sk-r1-[0-9a-f]{64}$')
        self.assert_one_line(self.r1('ledger', 'credit', 'nobody', '5', *ledger), 1, "'nobody'")
        self.assert_one_line(self.r1('keys', 'create', 'x', '--budget', '1e3', *ledger), 1, '--budget', '1e3')
        self.assert_one_line(self.r1('keys', 'revoke', '77', *ledger), 1, 'no key 77')
        self.assertEqual(self.r1('keys', 'revoke', str(key['id']), *ledger).returncode, 0)
        [listed] = json.loads(self.r1('keys', 'list', '--json', *ledger).stdout)
        self.assertEqual((listed['name'], listed['revoked'], listed['budget_nanousd']), ('laptop', True, 1_500_000_000))
        [account] = json.loads(self.r1('ledger', 'show', '--json', *ledger).stdout)
        self.assertEqual((account['account'], account['balance_nanousd']), ('me', 5_000_000_000))
        entries = [json.loads(line) for line in self.r1('ledger', 'export', '--json', *ledger).stdout.splitlines()]
        self.assertEqual([entry['kind'] for entry in entries], ['account', 'credit', 'key', 'revoke'])
        self.assertNotIn(key['key'], str(entries))
        self.assertEqual(json.loads(self.r1('ledger', 'verify', '--json', *ledger).stdout)['head'], entries[-1]['hash'])
        self.assertEqual(self.r1('cost', '--json', *ledger).stdout, '[]\n')
        self.assertEqual(os.stat(ledger[1]).st_mode & 0o077, 0, 'for its owner only')
        os.truncate(ledger[1], 0)
        self.assert_one_line(self.r1('ledger', 'verify', *ledger), 1, 'empty')


class Help(CommandCase):
    def test_lists_every_command_and_each_has_its_own(self):
        listed = self.r1('--help')
        self.assertEqual((listed.returncode, listed.stderr), (0, ''))
        self.assertEqual(re.findall(r'^  (\w+) {2,}', listed.stdout.split('Subcommands:')[1], re.M), COMMANDS)
        for command in COMMANDS:
            result = self.r1(command, '--help')
            self.assertEqual((result.returncode, result.stderr), (0, ''), command)
            self.assertIn('--help', result.stdout)
            self.assertIn(f'r1 {command}', result.stdout)

    def test_version(self):
        result = self.r1('--version')
        self.assertEqual((result.returncode, result.stderr), (0, ''))
        self.assertRegex(result.stdout, r'^r1 \d+\.\d+\.\d+')

    def test_every_command_that_prints_data_can_print_json(self):
        model = self.model
        for arguments in (['inspect', model], ['list'], ['tasks', 'list'],
                          ['bench', model, '-p', '8', '-n', '2', '-r', '1', '-t', '1'],
                          ['bench', '--machine', '-t', '1'], ['run', model, 'hi', '-n', '2']):
            json.loads(self.r1(*arguments, '--json').stdout)
        json.loads(self.r1('tokenize', model, 'hi').stdout)
        for line in self.r1('score', model, '--ids', '1,2,3').stdout.splitlines():
            json.loads(line)


class Placement(CommandCase):
    def test_threads_and_pages_anywhere_give_the_same_numbers(self):
        free, pinned, spread = (self.r1('score', self.model, '--ids', '1,2,3,4,5', '-t', '3', *options)
                                for options in ([], ['--pin'], ['--numa', 'spread']))
        self.assertEqual(free.returncode, 0, free.stderr)
        self.assertEqual(pinned.stdout, free.stdout)
        if 'spreading memory over' in spread.stderr:
            self.skipTest('this container may not choose where its memory lies')
        self.assertEqual(spread.stdout, free.stdout)


class Score(CommandCase):
    def lines(self, ids, *flags):
        result = self.r1('score', self.model, '--ids', ','.join(map(str, ids)), *flags)
        self.assertEqual((result.returncode, result.stderr), (0, ''))
        return [json.loads(line) for line in result.stdout.splitlines()]

    def test_a_text_longer_than_the_context_is_scored_in_windows(self):
        ids = [i * 37 % 250 for i in range(40)]
        lines = self.lines(ids, '--context', '16', '--stride', '6')
        self.assertEqual([line['id'] for line in lines], ids)
        # What each line must be: that of its window scored alone. A token's logprob comes from the line before it.
        for first, fresh, end in (0, 0, 16), (6, 16, 22), (12, 22, 28), (18, 28, 34), (24, 34, 40):
            alone = self.lines(ids[first:end])
            for position in range(fresh, end):
                self.assertEqual(lines[position]['top'], alone[position - first]['top'])
                if position + 1 < end:
                    self.assertEqual(lines[position + 1]['logprob'], alone[position + 1 - first]['logprob'])
        self.assertEqual(self.lines(ids, '--context', '16', '--stride', '6', '--chunk', '5'), lines)
        self.assertEqual(self.lines(ids, '--context', '16'), self.lines(ids, '--context', '16', '--stride', '8'))
        self.assertEqual(self.lines(ids), self.lines(ids, '--context', '40'))

    def test_the_models_own_context_is_the_window(self):
        ids = [i * 37 % 250 for i in range(520)]  # tiny-llama has 512
        self.assertEqual(self.lines(ids), self.lines(ids, '--context', '512', '--stride', '256'))


    def test_every_window_of_a_text_begins_with_bos(self):
        result = self.r1('score', self.model, '--text', 'twenty and more letters', '--context', '16', '--stride', '8')
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        ids = [line['id'] for line in lines]
        self.assertGreater(len(ids), 16)
        second = self.lines([ids[0], *ids[9:]])  # in the place of token 8, which the first window has scored
        for line, alone in zip(lines[16:], second[8:], strict=True):
            self.assertEqual(line['top'], alone['top'])

    def test_activations_in_8_bit_cost_less_than_a_thousandth_in_every_format(self):
        model, base = self.path('weights.gguf'), self.path('base.f32')
        ids = ','.join(str(i * 37 % 250) for i in range(100))
        score = lambda *flags: json.loads(self.r1('score', model, '--ids', ids, '--summary', *flags).stdout)
        for kind in ('q4_0', 'q4_1', 'q5_0', 'q5_1', 'q8_0', 'q2_k', 'q3_k', 'q4_k_m', 'q5_k_m', 'q6_k', 'iq4_nl', 'iq4_xs'):
            with self.subTest(kind=kind):
                self.r1('synth', 'tiny-llama', model, '--type', kind)
                exact = score('--exact', '--logits', base)
                ours = score('--base', base)
                # On text of the exact model's own, perplexity grows by exp(kl): this is its 0.1 %.
                self.assertLess(ours['kl'], 1e-3)
                self.assertNotEqual(ours['perplexity'], exact['perplexity'])
                self.assertLess(abs(score('--exact', '--base', base)['kl']), 1e-6)

    def test_the_measure_sees_what_a_coarse_format_costs(self):
        model, base = self.path('floats.gguf'), self.path('base.f32')
        self.r1('synth', 'tiny-llama', model, '--type', 'f32')
        score = lambda *flags: json.loads(
            self.r1('score', model, '--ids', ','.join(str(i * 37 % 250) for i in range(100)), '--summary', *flags).stdout)
        score('--logits', base)
        fine, coarse = (score('--base', base, '--exact', '--weights', kind)['kl'] for kind in ('q8_0', 'q2_k'))
        self.assertLess(fine, 1e-3)
        self.assertGreater(coarse, 1e-3)
        before = os.path.getsize(base)
        both = self.r1('score', model, '--ids', '1,2', '--summary', '--base', base, '--logits', base)
        self.assert_one_line(both, 1, '--logits', '--base')
        self.assertEqual(os.path.getsize(base), before)

    def test_perplexity_is_that_of_the_lines(self):
        ids = [i * 37 % 250 for i in range(40)]
        logprobs = [line['logprob'] for line in self.lines(ids)][1:]
        summary = json.loads(self.r1('score', self.model, '--ids', ','.join(map(str, ids)), '--summary').stdout)
        self.assertEqual((summary['tokens'], summary['scored']), (40, 39))
        self.assertAlmostEqual(math.log(summary['perplexity']), -sum(logprobs) / 39, places=6)


class WrongUsage(CommandCase):
    # One command a line: MODEL is a model that works, HUGE a number that fits nowhere.
    TABLE = """
        no-such-command
        --no-such-flag
        run
        run MODEL x -n 0
        run MODEL x -n HUGE
        run MODEL x -t HUGE
        run MODEL x --temp -1
        run MODEL x --temp nan
        run MODEL x --top-p 2
        run MODEL x --min-p nan
        run MODEL x --seed x
        run MODEL x --think maybe
        run MODEL x --context 0
        chat MODEL x
        chat MODEL --think maybe
        serve --port x
        serve MODEL --port 65536
        serve MODEL --port -1
        serve MODEL -t 0
        score
        score MODEL
        score MODEL --ids 1 --text x
        score MODEL --ids 1 --file x
        score MODEL --ids 1 --base x
        bench
        bench MODEL --machine
        bench MODEL -r 0
        bench MODEL -p HUGE
        bench MODEL --depth x
        inspect
        inspect MODEL more
        inspect MODEL --nothing
        tokenize
        tokenize MODEL x y
        synth
        synth tiny-llama
        synth tiny-llama /x --layers -1
        pull
        pull a b
        pull a --retries HUGE
        pull a --retry-wait nan
        list x
        rm"""

    def test_is_one_line_and_status_2(self):
        self.assert_one_line(self.r1(), 2)
        for line in self.TABLE.split('\n')[1:]:
            with self.subTest(line=line.strip()):
                result = self.r1(*line.replace('MODEL', self.model).replace('HUGE', '9' * 30).split())
                self.assert_one_line(result, 2)
                self.assertEqual(result.stdout, '')


class Failures(CommandCase):
    def test_models_that_are_none_are_one_line_and_status_1(self):
        models = {self.path(name): name for name in ('absent.gguf', 'nothing', 'empty.gguf')}
        models |= {'no-such-name': 'no-such-name', 'deepseek-r1:7b': 'r1 pull deepseek-r1:7b', '/dev/null': '/dev/null',
                   '../..': '..', '': '', 'a\nb': 'a b', __file__: 'commands_test.py'}
        for command in ('run MODEL x', 'chat MODEL', 'serve MODEL --port 0', 'score MODEL --ids 1', 'bench MODEL',
                        'inspect MODEL', 'tokenize MODEL x'):
            for model, word in models.items():
                with self.subTest(command=command, model=model):
                    result = self.r1(*(model if each == 'MODEL' else each for each in command.split()))
                    self.assert_one_line(result, 1, word)
                    self.assertEqual(result.stdout, '')
            self.assertEqual(self.r1(*command.replace('MODEL', 'a' * 5000).split()).returncode, 1)

    def test_a_model_whose_chat_template_is_unknown_continues_texts_alone(self):
        folder = self.path('another-template')
        shutil.copytree(self.hf, folder)
        with open(os.path.join(folder, 'chat_template.jinja'), 'w') as file:
            file.write("{{ 'to whom it may concern: ' + messages[0].content }}")
        for command, word in ((('run', folder, 'x'), '--raw'), (('chat', folder), 'to whom it may concern')):
            result = self.r1(*command)
            self.assert_one_line(result, 1, 'not of a family this build knows', word)
            self.assertEqual(result.stdout, '')
        raw = self.r1('run', folder, 'x', '--raw', '-n', '3', '--json')
        self.assertEqual(raw.returncode, 0, raw.stderr)
        self.assertGreater(json.loads(raw.stdout)['prompt_tokens'], 0)

    # A command, and what its message must name. MODEL is one that works, FILE a place where a file may be made.
    TABLE = (
        ('run MODEL LONG', 'context'), ('run MODEL x --context 67108864', '67108864'), ('run MODEL x --kv q9', '--kv'),
        ('score MODEL --ids 1,x', "'x'"), ('score MODEL --ids 999999', '999999'), ('score MODEL --ids -1', '-1'),
        ('score MODEL --ids EMPTY', 'no tokens'), ('score MODEL --ids 1 --logits /no/such/folder', '/no/such/folder'),
        ('score MODEL --ids 1 --context 16 --stride 17', '17'), ('score MODEL --ids 1 --context 513', '513'),
        ('score MODEL --ids 1 --weights q9', 'q9'), ('score MODEL --ids 1 --weights f16', 'F16'),
        ('score MODEL --file /no/file', '/no/file'), ('score MODEL --ids 1 --summary --base /no/file', '/no/file'),
        ('score MODEL --ids 1 --summary --base /dev/null', '/dev/null'), ('score MODEL --ids 1 --summary --base MODEL', 'bytes'),
        ('tokenize MODEL --decode 999999', '999999'),
        ('synth no-shape FILE', 'tiny-llama'), ('synth tiny-llama /no/such/folder/x.gguf', '/no/such/folder/x.gguf'),
        ('synth tiny-llama FILE --type q99', 'q99'), ('synth tiny-llama FILE --layers 1000000', '1000000'),
        ('pull no-such-model', 'no-such-model'), ('pull ../x', '../x'),
        ('rm no-such-model', 'no-such-model'), ('rm ../x', '../x'), ('rm EMPTY', ''),
        ('serve', 'script:FILE'), ('serve --engine magic', 'magic'), ('serve --engine script:/no/file', '/no/file'),
        ('serve MODEL --host 0.0.0.0', '--insecure-no-auth'), ('serve MODEL MODEL --port 0', 'two models'),
        ('serve MODEL --host nowhere.invalid --insecure-no-auth', 'nowhere.invalid'),
    )

    def test_arguments_that_do_not_fit_are_one_line_and_status_1(self):
        words = {'MODEL': self.model, 'FILE': self.path('x.gguf'), 'LONG': 'word ' * 1000, 'EMPTY': ''}
        for command, word in self.TABLE:
            with self.subTest(command=command):
                self.assert_one_line(self.r1(*(words.get(each, each) for each in command.split())), 1, word)

    def test_a_port_that_is_taken_is_named(self):
        with socket.socket() as taken:
            taken.bind(('127.0.0.1', 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            self.assert_one_line(self.r1('serve', self.model, '--port', port), 1, port)


class BrokenFiles(CommandCase):
    """`inspect` and `run` of files that are cut or lie: one line, status 1, never a crash."""

    def assert_refused(self, path, *commands):
        for command in commands or (['inspect'],):
            result = self.r1(*command[:1], path, *command[1:])
            self.assert_one_line(result, 1)
            self.assertEqual(result.stdout, '')

    def test_a_gguf_cut_anywhere(self):
        with open(self.model, 'rb') as file:
            whole = file.read()
        chosen = random.Random(1)
        cuts = {0, 1, 3, 4, 7, 8, 15, 16, 23, 24, 25, 31, len(whole) - 1, len(whole) // 2}
        cuts |= {chosen.randrange(24, 20_000) for _ in range(25)} | {chosen.randrange(len(whole)) for _ in range(10)}
        cut = self.path('cut.gguf')
        for length in sorted(cuts):
            with self.subTest(length=length):
                with open(cut, 'wb') as file:
                    file.write(whole[:length])
                self.assert_refused(cut)
        self.assert_refused(cut, ['run', 'x'], ['tokenize', 'x'], ['score', '--ids', '1'], ['serve'])

    def test_safetensors_cut_anywhere(self):
        folder = self.path('cut')
        shutil.copytree(self.hf, folder)
        weights = os.path.join(folder, 'model.safetensors')
        size = os.path.getsize(weights)
        for length in sorted({0, 1, 7, 8, 9, 100, 1000, size // 2, size - 1}, reverse=True):
            with self.subTest(length=length):
                os.truncate(weights, length)
                self.assert_refused(folder, ['inspect'], ['run', 'x'])
        shutil.copy(os.path.join(self.hf, 'model.safetensors'), weights)
        for name in ('config.json', 'tokenizer.json'):
            with open(os.path.join(self.hf, name), 'rb') as file:
                whole = file.read()
            with open(os.path.join(folder, name), 'wb') as file:
                file.write(whole[:len(whole) // 2])
            self.assert_refused(folder, ['run', 'x'])
            shutil.copy(os.path.join(self.hf, name), os.path.join(folder, name))

    def gguf(self, n_tensors=1, n_keys=1, version=3, shape=(32, 4), dtype=0, offset=0, key_type=8, length=5,
             data=b'\0' * 512):
        """A small file, byte by byte: header, one key, one tensor."""
        text = lambda bytes_: struct.pack('<Q', len(bytes_)) + bytes_
        head = b'GGUF' + struct.pack('<IQQ', version, n_tensors, n_keys)
        head += text(b'general.architecture') + struct.pack('<IQ', key_type, length) + b'llama'
        head += text(b'token_embd.weight') + struct.pack(f'<I{len(shape)}Q', len(shape), *shape)
        head += struct.pack('<IQ', dtype, offset)
        return head + b'\0' * (-len(head) % 32) + data

    def test_a_gguf_that_lies(self):
        path = self.path('lie.gguf')
        most = 2**64 - 1
        lies = [
            dict(n_tensors=most), dict(n_tensors=2**40), dict(n_keys=most), dict(n_keys=2**32),
            dict(version=0), dict(version=999), dict(key_type=99), dict(length=most), dict(length=2**40),
            dict(shape=(2**63, 2**63)), dict(shape=(2**32, 2**32)), dict(shape=(most,)), dict(shape=(0, 4)),
            dict(shape=(2**31,) * 4), dict(shape=(1,) * 5), dict(shape=(33, 4), dtype=2),
            dict(dtype=999), dict(dtype=2**32 - 1), dict(data=b''), dict(data=b'\0' * 100),
            dict(offset=most - 31), dict(offset=2**62), dict(offset=1), dict(offset=1024)]
        for lie in lies:
            with self.subTest(lie=lie):
                with open(path, 'wb') as file:
                    file.write(self.gguf(**lie))
                self.assert_refused(path)
        with open(path, 'wb') as file:
            file.write(self.gguf())
        self.assertEqual(self.r1('inspect', path).returncode, 0, 'the file without a lie can be read')

    def test_safetensors_that_lie(self):
        path = self.path('lie.safetensors')
        tensor = {'dtype': 'F32', 'shape': [2, 2], 'data_offsets': [0, 16]}
        for lie in (dict(shape=[2**40, 2**40]), dict(shape=[-1, 2]), dict(shape=[3, 2]), dict(shape='x'),
                    dict(data_offsets=[0, 2**63]), dict(data_offsets=[16, 0]), dict(data_offsets=[-1, 15]),
                    dict(data_offsets=[0, 1e300]), dict(dtype='F99')):
            with self.subTest(lie=lie):
                header = json.dumps({'x': {**tensor, **lie}}).encode()
                with open(path, 'wb') as file:
                    file.write(struct.pack('<Q', len(header)) + header + b'\0' * 16)
                self.assert_refused(path)
        for length in (2**64 - 1, 2**63, 2**40, 17):
            with open(path, 'wb') as file:
                file.write(struct.pack('<Q', length) + b'{}' + b'\0' * 16)
            self.assert_refused(path)


class Stdout(CommandCase):
    def printing_commands(self):
        commands = ('inspect MODEL --tensors', 'inspect MODEL --json', 'tokenize MODEL hello', 'run MODEL x -n 3 --json',
                    'tokenize MODEL --decode 65', 'score MODEL --ids 1,2,3', 'run MODEL x -n 3', 'list --json',
                    'bench --machine -t 1', 'tasks list', 'tasks show addition --trace', '--help', 'run --help', '--version')
        return [command.replace('MODEL', self.model).split() for command in commands]

    def test_a_full_disk_is_one_line_and_status_1(self):
        for arguments in self.printing_commands():
            with self.subTest(arguments=arguments), open('/dev/full', 'w') as full:
                self.assert_one_line(self.r1(*arguments, stdout=full), 1, 'stdout')

    def test_a_reader_that_leaves_is_no_error_message(self):
        for arguments in self.printing_commands():
            with self.subTest(arguments=arguments):
                reader, writer = os.pipe()
                os.close(reader)
                result = self.r1(*arguments, stdout=writer)
                os.close(writer)
                self.assertIn(result.returncode, (0, 1, -signal.SIGPIPE))
                self.assertLessEqual(len(result.stderr.splitlines()), 1)

    def test_a_full_disk_behind_a_file_is_one_line_and_status_1(self):
        self.assert_one_line(self.r1('score', self.model, '--ids', '1,2', '--logits', '/dev/full'), 1, '/dev/full')
        self.assertEqual(self.r1('score', self.model, '--ids', '1,2', '--logits', '/dev/full').returncode, 1)


if __name__ == '__main__':
    unittest.main()
