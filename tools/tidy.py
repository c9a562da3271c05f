#!/usr/bin/env python3
"""tidy.py [FILE...]: clang-tidy over the sources of src/ (or those named), as many at a time as there are cores.

A file that was clean is not looked at again until it, a header of ours that it includes, its compile command, .clang-tidy or
clang-tidy itself changes; build/tidy/ remembers. Needs build/dev/compile_commands.json (cmake --preset dev), where each source
is compiled by itself.
"""
import concurrent.futures
import functools
import hashlib
import json
import os
import re
import subprocess
import sys
import time

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
BUILD = os.path.join(ROOT, 'build/dev')
CLEAN = os.path.join(ROOT, 'build/tidy')
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
# Tests: gtest's macros make more noise than their findings are worth. The SIMD sets are compiled with options that only GCC has, and
# kernel_table.cpp asks for a CPU feature that clang 14 does not know.
NOT_CHECKED = re.compile(r'_test\.cpp$|/build/|/kernels/(set_\w+|kernel_table)\.cpp$')


@functools.cache
def read(path):
    with open(path, 'rb') as file:
        return file.read()


@functools.cache
def headers_of(path):
    """The headers of this repository that a file includes, directly."""
    names = INCLUDE.findall(read(path).decode('utf-8', 'replace'))
    return tuple(sorted(full for full in (os.path.join(ROOT, 'src', name) for name in names) if os.path.isfile(full)))


def with_headers(path):
    seen, todo = {path}, [path]
    while todo:
        new = set(headers_of(todo.pop())) - seen
        seen |= new
        todo += new
    return sorted(seen)


def fingerprint(path, command, version):
    text = hashlib.sha256('\0'.join([version, command]).encode())
    for part in (os.path.join(ROOT, '.clang-tidy'), *with_headers(path)):
        text.update(hashlib.sha256(read(part)).digest())
    return text.hexdigest()


def check(path):
    # What GCC alone understands among the options is no fault.
    done = subprocess.run(['clang-tidy', '--quiet', '-p', BUILD, '--extra-arg=-Wno-unknown-warning-option',
                           '--extra-arg=-Wno-ignored-optimization-argument', path], capture_output=True, text=True)
    return done.returncode == 0, done.stdout.replace(ROOT + '/', '') + ('' if done.returncode == 0 or done.stdout else done.stderr)


def findings(text):
    """Each finding with the lines that belong to it."""
    return re.split(r'^(?=\S+:\d+:\d+: (?:error|warning))', text, flags=re.M)


def main():
    started = time.monotonic()
    with open(os.path.join(BUILD, 'compile_commands.json'), encoding='utf-8') as file:
        commands = {entry['file']: entry['command'] for entry in json.load(file)}
    wanted = {os.path.abspath(path) for path in sys.argv[1:]}
    paths = [path for path in commands if path.startswith(os.path.join(ROOT, 'src/')) and not NOT_CHECKED.search(path)
             and (not wanted or path in wanted)]
    version = subprocess.run(['clang-tidy', '--version'], capture_output=True, text=True, check=True).stdout
    os.makedirs(CLEAN, exist_ok=True)
    prints = {path: os.path.join(CLEAN, fingerprint(path, commands[path], version)) for path in paths}
    stale = [path for path in paths if not os.path.exists(prints[path])]
    stale.sort(key=lambda path: 'serve/' not in path)  # Asio and JSON take longest: first, so that no core waits at the end
    shown, n_bad = set(), 0
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for path, (clean, text) in zip(stale, pool.map(check, stale)):
            if clean:
                open(prints[path], 'w', encoding='utf-8').close()
                continue
            n_bad += 1
            for finding in findings(text):
                if finding not in shown:  # one in a header comes up in every file that includes it
                    shown.add(finding)
                    print(finding, end='', flush=True)
    print(f'tidy: {len(paths)} files, {len(stale)} of them checked in {time.monotonic() - started:.0f} s, {n_bad} with findings')
    return n_bad > 0


if __name__ == '__main__':
    sys.exit(main())
