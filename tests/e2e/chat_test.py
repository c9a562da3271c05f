#!/usr/bin/env python3
"""chat_test.py: `r1 chat` as a person at a terminal sees it, and as a program that writes to its stdin.

R1 names the binary (default build/release/r1). No network.
"""
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import tempfile
import termios
import time
import unittest

R1 = os.path.abspath(os.environ.get('R1', os.path.join(os.path.dirname(__file__), '../../build/release/r1')))
PROMPT, MORE, COUNTS = '>>> ', '... ', r'(\d+) tokens, [\d.]+ tokens/s'


class Terminal:
    """A program at a terminal of its own."""

    def __init__(self, arguments, environment):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(R1, [R1, *arguments], environment)
        self.seen = ''  # what came since the last expect
        self.all = ''

    def type(self, text):
        os.write(self.fd, text.encode())

    def expect(self, pattern, seconds=60):
        """Waits until the pattern occurs, forgets what came up to its end, and returns the match."""
        deadline = time.monotonic() + seconds
        while True:
            match = re.search(pattern, self.seen)
            if match:
                self.seen = self.seen[match.end():]
                return match
            ready, _, _ = select.select([self.fd], [], [], max(0, deadline - time.monotonic()))
            assert ready, f'{pattern!r} did not come; the screen has {self.all[-2000:]!r}'
            try:
                got = os.read(self.fd, 65536).decode(errors='replace')
            except OSError:  # what Linux says when the other side is closed
                got = ''
            assert got, f'the program ended before {pattern!r}: {self.all[-2000:]!r}'
            self.seen += got
            self.all += got

    def expect_prompt(self, prompt=PROMPT):
        """Waits until the program edits a line: a key that comes earlier is the terminal's own."""
        self.expect(re.escape(prompt))
        deadline = time.monotonic() + 60
        while termios.tcgetattr(self.fd)[3] & termios.ICANON:
            assert time.monotonic() < deadline, 'the prompt came, but no line is edited'
            time.sleep(0.001)

    def end(self, seconds=60):
        """The status with which the program ends by itself."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if select.select([self.fd], [], [], 0.05)[0]:
                    self.all += os.read(self.fd, 65536).decode(errors='replace')
            except OSError:
                pass
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
            assert time.monotonic() < deadline, f'still there; the screen has {self.all[-2000:]!r}'

    def kill(self):
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass


class ChatCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix='r1_chat_')
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.model = os.path.join(cls.folder, 'qwen2.gguf')
        cls.thinker = os.path.join(cls.folder, 'thinker.gguf')
        cls.slow = os.path.join(cls.folder, 'slow.gguf')
        for arguments in (['tiny-qwen2', cls.model], ['tiny-deepseek', cls.thinker],
                          ['tiny-llama', cls.slow, '--layers', '60']):
            subprocess.run([R1, 'synth', *arguments], check=True, capture_output=True)

    def setUp(self):
        self.home = tempfile.mkdtemp(dir=self.folder)
        self.environment = {**os.environ, 'R1_HOME': self.home, 'TERM': 'xterm', 'LC_ALL': 'C.UTF-8'}

    def chat(self, *arguments, model=None):
        terminal = Terminal(['chat', model or self.model, '-t', '1', '--seed', '1', *arguments], self.environment)
        self.addCleanup(terminal.kill)
        terminal.expect('/help lists commands')
        terminal.expect_prompt()
        return terminal

    def piped(self, text, *arguments):
        return subprocess.run([R1, 'chat', self.model, '-t', '1', '--temp', '0', *arguments], input=text.encode(),
                              env=self.environment, capture_output=True, timeout=120)


class AtATerminal(ChatCase):
    def say(self, terminal, text):
        terminal.type(text + '\n')
        counts = terminal.expect(COUNTS)
        terminal.expect_prompt()
        return int(counts[1])

    def test_answers_and_leaves(self):
        for leave in ('/bye\n', '\x04'):
            terminal = self.chat('-n', '5')
            self.assertLessEqual(self.say(terminal, 'hello'), 5)
            self.assertLessEqual(self.say(terminal, 'and again'), 5)
            terminal.type(leave)
            self.assertEqual(terminal.end(), 0, terminal.all)

    def test_takes_texts_of_several_lines(self):
        terminal = self.chat('-n', '3')
        terminal.type('first \\\n')
        terminal.expect_prompt(MORE)
        self.say(terminal, 'second')
        terminal.type('"""one\n')
        terminal.expect_prompt(MORE)
        terminal.type('two\n')
        terminal.expect_prompt(MORE)
        self.say(terminal, 'three"""')

    def test_control_c_stops_an_answer_and_not_the_conversation(self):
        terminal = self.chat(model=self.slow)
        terminal.type('go on for ever\n')
        terminal.expect('ever\r?\n.')
        terminal.type('\x03')
        self.assertLess(int(terminal.expect(COUNTS)[1]), 450)
        terminal.expect_prompt()
        terminal.type('/bye\n')
        self.assertEqual(terminal.end(), 0, terminal.all)

    def test_control_c_at_the_prompt_forgets_the_line(self):
        terminal = self.chat('-n', '3')
        terminal.type('not meant')
        terminal.expect('not meant')
        terminal.type('\x03')
        terminal.expect('Ctrl-D leaves')
        terminal.expect_prompt()
        for unfinished in ('not meant \\\n', '"""not meant\n'):
            terminal.type(unfinished)
            terminal.expect_prompt(MORE)
            terminal.type('neither\x03')
            terminal.expect('Ctrl-D leaves')
            terminal.expect_prompt()
        self.say(terminal, 'hello')
        terminal.type('/bye\n')
        self.assertEqual(terminal.end(), 0, terminal.all)
        with open(os.path.join(self.home, 'chat_history')) as file:
            self.assertNotIn('meant', file.read())

    def test_remembers_what_was_typed_also_the_next_time(self):
        terminal = self.chat('-n', '3')
        self.say(terminal, 'something special')
        terminal.type('\x1b[A')
        terminal.expect('something special')
        terminal.type('\n')
        terminal.expect(COUNTS)
        terminal.expect_prompt()
        terminal.type('/bye\n')
        terminal.end()
        again = self.chat('-n', '3')
        again.type('\x1b[A\x1b[A')
        again.expect('something special')

    def test_commands(self):
        terminal = self.chat('-n', '8', model=self.thinker)
        for typed, shown in (('/help', '/retry'), ('/?', '/retry'), ('/think loud', 'show, fold or hide'),
                             ('/nonsense', r'unknown command /nonsense \(/help\)')):
            terminal.type(typed + '\n')
            terminal.expect(shown)
            terminal.expect_prompt()
        self.say(terminal, 'think')
        terminal.type('/think fold\n')
        terminal.expect_prompt()
        terminal.type('think\n')
        terminal.expect('thinking: 1 tokens?')
        terminal.expect(r'thought \d+ tokens')
        terminal.expect(COUNTS)
        terminal.expect_prompt()
        terminal.type('/retry\n')
        terminal.expect(COUNTS)
        terminal.expect_prompt()
        for typed in ('/thought', '/clear', '/system Be brief.', '/think hide'):
            terminal.type(typed + '\n')
            terminal.expect_prompt()
        terminal.type('/retry\n')  # nothing to answer again
        terminal.expect_prompt()
        self.say(terminal, 'hello')
        terminal.type('/bye\n')
        self.assertEqual(terminal.end(), 0, terminal.all)

    def test_a_message_that_is_too_long_is_said_and_forgotten(self):
        terminal = self.chat('-n', '3')
        terminal.type('"""' + '\n'.join(['x' * 60] * 20) + '"""\n')
        terminal.expect(r'r1: the prompt has \d+ tokens')
        terminal.expect_prompt()
        self.say(terminal, 'hello')


class FromAProgram(ChatCase):
    def test_stdout_has_the_answers_alone(self):
        one = self.piped('hello\n', '-n', '5')
        self.assertEqual(one.returncode, 0, one.stderr)
        self.assertNotIn(b'>>>', one.stdout)
        self.assertNotIn(b'\x1b', one.stdout)
        self.assertNotIn(b'tokens/s', one.stdout)
        self.assertGreater(len(one.stdout), 1)
        both = self.piped('hello\n\n/clear\nhello\n/bye\nnever read\n', '-n', '5')
        self.assertEqual(both.stdout, one.stdout * 2, 'after /clear the same question has the same answer')

    def test_nothing_to_say_is_nothing_to_do(self):
        self.assertEqual(self.piped('').stdout, b'')
        self.assertEqual(self.piped('').returncode, 0)


class Run(ChatCase):
    """`r1 run` takes Ctrl-C as the end of the answer."""

    def test_control_c_ends_the_answer(self):
        terminal = Terminal(['run', self.slow, 'hello', '-t', '1'], self.environment)
        self.addCleanup(terminal.kill)
        terminal.expect('.')
        terminal.type('\x03')
        self.assertIn(terminal.end(), (0, 130, -signal.SIGINT))

    def run_once(self, model, *arguments, **kwargs):
        kwargs = {'stdin': subprocess.DEVNULL, **kwargs} if 'input' not in kwargs else kwargs
        return subprocess.run([R1, 'run', model, *arguments], env=self.environment, capture_output=True, check=True,
                              timeout=120, **kwargs).stdout

    def test_the_prompt_may_come_from_stdin(self):
        few = ['-n', '5', '--temp', '0']
        expected = self.run_once(self.model, 'hello', *few)
        self.assertEqual(self.run_once(self.model, *few, input=b'hello'), expected)
        self.assertEqual(self.run_once(self.model, '-', *few, input=b'hello'), expected)

    def test_the_same_text_with_any_number_of_threads(self):
        for model in (self.model, self.thinker):
            texts = {self.run_once(model, 'Tell me a story', '-n', '60', '--seed', '5', '--temp', '1', '-t', threads)
                     for threads in '123'}
            self.assertEqual(len(texts), 1, texts)
            self.assertGreater(len(texts.pop()), 20)


if __name__ == '__main__':
    unittest.main()
