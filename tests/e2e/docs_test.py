#!/usr/bin/env python3
"""docs_test.py: every example in the documents runs, and does what the document says.

In README.md and docs/*.md a code block marked ```sh is a list of commands, which run one after the other and must succeed; one
marked ```sh not-run-by-test is left out. ```json NAME is a file that the commands below it find; ```json right after commands
is what the last of them answers (in the fields that are shown). README.zh.md has the blocks of README.md.

Each document has a home of its own. `r1 pull` brings a tiny model of random weights, whatever its name, from a Hub on this
machine, and port 8080 stands for the port that `r1 serve` was given. R1 names the binary (default build/release/r1).
"""
import glob
import http.server
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

from evil_server import COMMIT, hub_entry, sha256

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../..'))
R1 = os.path.abspath(os.environ.get('R1', os.path.join(ROOT, 'build/release/r1')))
NOT_RUN = 'sh not-run-by-test'
TIMEOUT_S = 120  # of one command: far more than any needs


def code_blocks(document):
    """(what stands behind the opening ```, text) of each block."""
    with open(os.path.join(ROOT, document), encoding='utf-8') as file:
        return re.findall(r'^```([^\n]*)\n(.*?)^```', file.read(), re.M | re.S)


def commands_in(block):
    lines = block.replace('\\\n', ' ').splitlines()
    return [line for line in lines if line.strip() and not line.lstrip().startswith('#')]


class Hub:
    """Hugging Face's Hub, with the same files in every repository."""

    def __init__(self, files):
        class Request(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                path = self.path.split('?')[0]
                name = re.sub(r'^.*/resolve/[^/]+/', '', path)
                if path.startswith('/api/models/') and '/revision/' in path:
                    self.answer(json.dumps({'sha': COMMIT}).encode())
                elif path.startswith('/api/models/') and '/tree/' in path:
                    entries = [hub_entry(each, data, lfs=True) for each, data in files.items()]
                    self.answer(json.dumps(entries).encode())
                else:
                    self.answer(files.get(name, b''), 200 if name in files else 404)

            def answer(self, data, status=200):
                self.send_response(status)
                self.send_header('Content-Length', str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Request)
        self.url = f'http://127.0.0.1:{self.server.server_port}'
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as folder:
            model = os.path.join(folder, 'model')
            for destination in (model, model + '.gguf'):
                subprocess.run([R1, 'synth', 'tiny-qwen2', destination], check=True, timeout=TIMEOUT_S)
            files = {path.name: path.read_bytes() for path in pathlib.Path(model).iterdir()}
            files['m.Q4_K.gguf'] = pathlib.Path(model + '.gguf').read_bytes()
        cls.gguf = files['m.Q4_K.gguf']
        cls.hub = Hub(files)
        cls.addClassCleanup(cls.hub.close)

    def setUp(self):
        self.home = tempfile.mkdtemp(prefix='r1_docs_')
        self.addCleanup(shutil.rmtree, self.home)
        self.bin = tempfile.mkdtemp(prefix='r1_bin_')
        self.addCleanup(shutil.rmtree, self.bin)
        os.symlink(R1, os.path.join(self.bin, 'r1'))
        self.port, self.n_run = 8080, 0
        self.write('catalogue.json', json.dumps({'smollm2:135m': [self.gguf_entry()]}))

    def gguf_entry(self):
        return {'from': 'huggingface', 'repo': 'o/r', 'revision': 'main', 'path': 'm.Q4_K.gguf', 'bytes': len(self.gguf),
                'sha256': sha256(self.gguf)}

    def environment(self):
        kept = {k: v for k, v in os.environ.items() if not k.lower().endswith('_proxy')}
        return {**kept, 'PATH': self.bin + os.pathsep + os.environ['PATH'], 'R1_HOME': self.home, 'HF_ENDPOINT': self.hub.url}

    def write(self, name, text):
        with open(os.path.join(self.home, name), 'w', encoding='utf-8') as file:
            file.write(text.replace('…', sha256(self.gguf)))  # what stands for any hash stands for this one

    def serve(self, command):
        process = subprocess.Popen(['bash', '-c', f'exec {command} --port 0'], cwd=self.home, env=self.environment(),
                                   stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        said = ''
        for line in process.stderr:
            said += line
            ready = re.search(r'serving .* on http://127\.0\.0\.1:(\d+)', line)
            if ready:
                self.port = ready.group(1)
                self.addCleanup(self.stop, process)
                return
        process.wait(TIMEOUT_S)
        process.stderr.close()
        self.fail(f'{command}: {said}')

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
        self.assertEqual(process.wait(TIMEOUT_S), 0, 'r1 serve ends well when it is asked to')
        process.stderr.close()

    def run_command(self, command):
        if command.startswith('r1 serve '):
            self.serve(command)
            return ''
        command = command.replace('127.0.0.1:8080', f'127.0.0.1:{self.port}').replace('curl ', 'curl --silent --show-error ')
        done = subprocess.run(['bash', '-euo', 'pipefail', '-c', command], cwd=self.home, env=self.environment(), text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S, errors='replace')
        self.assertEqual(done.returncode, 0, f'{command}\n{done.stdout}{done.stderr}')
        self.n_run += 1
        self.check_output(command, done.stdout)
        return done.stdout

    def check_output(self, command, out):
        if '"stream": true' in command:
            self.assertTrue(out.startswith('data: {') and out.endswith('data: [DONE]\n\n'), out)
        elif command.startswith('curl') or ' --json' in command or ' tokenize ' in command:
            json.loads(out)
        elif re.match(r'r1 (run|list|inspect|score|bench|pull)\b', command):
            self.assertTrue(out.strip(), f'{command} prints nothing')

    def assert_shows(self, shown, got, where):
        """Everything that the document shows is in what was answered."""
        if isinstance(shown, dict):
            self.assertIsInstance(got, dict, where)
            for key, value in shown.items():
                self.assertIn(key, got, where)
                self.assert_shows(value, got[key], f'{where}.{key}')
        elif isinstance(shown, list):
            self.assertEqual(len(shown), len(got), where)
            for i, (each, other) in enumerate(zip(shown, got)):
                self.assert_shows(each, other, f'{where}[{i}]')
        else:
            self.assertEqual(shown, got, where)

    def run_document(self, document):
        answered = None  # by the last command, when the block before held commands
        for kind, text in code_blocks(document):
            words = kind.split()
            if kind == 'sh':
                for command in commands_in(text):
                    answered = self.run_command(command)
                continue
            if words[:1] == ['json'] and len(words) == 2:
                json.loads(text)
                self.write(words[1], text)
            elif kind == 'json' and answered is not None:
                self.assert_shows(json.loads(text), json.loads(answered), document)
            elif words[:1] == ['sh']:
                self.assertEqual(kind, NOT_RUN, document)
            answered = None
        return self.n_run

    def test_readme(self):
        self.assertGreaterEqual(self.run_document('README.md'), 15)

    def test_api(self):
        self.run_command('r1 pull smollm2:135m')  # the reader of this page has a model
        self.assertGreaterEqual(self.run_document('docs/api.md'), 3)

    def test_models(self):
        self.assertGreaterEqual(self.run_document('docs/models.md'), 1)

    def test_scripted_engine(self):
        self.assertGreaterEqual(self.run_document('docs/scripted-engine.md'), 1)

    def test_other_documents(self):
        done = {'docs/api.md', 'docs/models.md', 'docs/scripted-engine.md'}
        for path in sorted(glob.glob('docs/**/*.md', root_dir=ROOT, recursive=True)) + ['CONTRIBUTING.md']:
            if path not in done:
                self.run_document(path)

    def test_the_chinese_readme_has_the_same_blocks(self):
        self.assertEqual(code_blocks('README.md'), code_blocks('README.zh.md'))

    def test_every_command_is_in_the_readme(self):
        out = subprocess.run([R1, '--help'], capture_output=True, text=True, check=True).stdout
        names = re.findall(r'^  ([a-z]+) ', out[out.index('Subcommands:'):], re.M)
        self.assertGreaterEqual(len(names), 11)
        for readme in ('README.md', 'README.zh.md'):
            with open(os.path.join(ROOT, readme), encoding='utf-8') as file:
                table = file.read()
            for name in names:
                self.assertRegex(table, rf'\| .*`r1 {name}\b', f'{readme} does not list r1 {name}')


if __name__ == '__main__':
    unittest.main(argv=[sys.argv[0], *sys.argv[1:]])
