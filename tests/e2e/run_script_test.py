#!/usr/bin/env python3
"""run_script_test.py: what `make run` does once it is built: tools/run.sh with and without a registry to pull from.

R1 names the binary (default build/release/r1). Loopback only.
"""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.request

from evil_server import EvilServer, Site, sha256

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), '../..'))
R1 = os.path.abspath(os.environ.get('R1', os.path.join(ROOT, 'build/release/r1')))


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


class RunScript(unittest.TestCase):
    def setUp(self):
        # A checkout with nothing built: the script writes beside itself.
        self.clone = tempfile.mkdtemp(prefix='r1_run_')
        self.addCleanup(shutil.rmtree, self.clone)
        os.mkdir(os.path.join(self.clone, 'tools'))
        shutil.copy(os.path.join(ROOT, 'tools/run.sh'), os.path.join(self.clone, 'tools/run.sh'))
        self.home = os.path.join(self.clone, 'home')
        self.port = free_port()

    def start(self, **variables):
        nowhere = f'http://127.0.0.1:{free_port()}'
        kept = {k: v for k, v in os.environ.items() if not k.lower().endswith('_proxy')}
        environment = {**kept, 'R1': R1, 'R1_HOME': self.home,
                       'HF_ENDPOINT': nowhere, 'R1_PYPI_INDEX': nowhere + '/simple',
                       'PORT': str(self.port), **variables}
        script = subprocess.Popen(['bash', os.path.join(self.clone, 'tools/run.sh')], env=environment, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(self.kill, script)
        return script

    @staticmethod
    def kill(script):
        script.kill()
        script.wait()
        script.stdout.close()

    def get(self, path):
        with urllib.request.urlopen(f'http://127.0.0.1:{self.port}{path}', timeout=20) as response:
            return response.read().decode()

    def serving(self, script):
        """Reads what is said until the server listens; the text."""
        said = ''
        for line in script.stdout:
            said += line
            if re.search(r'^r1: serving .* on http://', line):
                return said
        self.fail('it ended without serving:\n' + said)

    def end(self, script):
        script.send_signal(signal.SIGINT)
        script.communicate(timeout=60)
        self.assertEqual(script.returncode, 0, 'Ctrl-C is a graceful end')

    def test_the_model_inside_the_program_needs_no_registry(self):
        script = self.start()
        said = self.serving(script)
        self.assertIn(f'http://127.0.0.1:{self.port}', said)
        self.assertIn('<title>r1</title>', self.get('/'))
        self.assertEqual(json.loads(self.get('/v1/models'))['data'][0]['id'], 'r1-nano')
        self.end(script)

    def test_a_model_asked_for_by_name_is_not_replaced(self):
        script = self.start(MODEL='deepseek-r1:7b')
        said, _ = script.communicate(timeout=60)
        self.assertEqual(script.returncode, 1)
        self.assertNotIn('Serving', said)

    def test_a_path_is_served_as_it_is(self):
        model = os.path.join(self.clone, 'mine.gguf')
        subprocess.run([R1, 'synth', 'tiny-qwen2', model], check=True, capture_output=True)
        script = self.start(MODEL=model)
        self.serving(script)
        self.assertEqual(json.loads(self.get('/v1/models'))['data'][0]['id'], 'mine.gguf')
        self.end(script)

    def test_with_a_registry_the_model_is_pulled_and_served(self):
        model = os.path.join(self.clone, 'tiny.gguf')
        subprocess.run([R1, 'synth', 'tiny-llama', model], check=True, capture_output=True)
        with open(model, 'rb') as file:
            data = file.read()
        os.mkdir(self.home)
        with open(os.path.join(self.home, 'catalogue.json'), 'w') as file:
            json.dump({'smollm2:135m': [{'from': 'huggingface', 'repo': 'o/r', 'revision': 'main', 'path': 'm.gguf',
                                         'bytes': len(data), 'sha256': sha256(data)}]}, file)
        with EvilServer(Site(routes={'/o/r/resolve/main/m.gguf': data})) as hub:
            script = self.start(HF_ENDPOINT=hub.url, MODEL='smollm2:135m')
            self.serving(script)
        self.assertEqual(json.loads(self.get('/v1/models'))['data'][0]['id'], 'smollm2:135m')
        self.end(script)
        script = self.start(MODEL='smollm2:135m')  # now the store has it, and no registry is needed
        self.serving(script)
        self.end(script)


if __name__ == '__main__':
    unittest.main()
