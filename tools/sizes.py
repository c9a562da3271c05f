#!/usr/bin/env python3
"""sizes.py: prints, and never enforces, how long functions and files are: numbers to watch.

A function is what clang-format makes recognisable: a line with a parenthesis that ends in '{', up to the '}' in its column.
"""
import os
import re
import statistics
import subprocess

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
LONG_FUNCTION, LONG_FILE = 70, 400
NOT_A_FUNCTION = re.compile(r'^\s*(?:namespace|class|struct|enum|union|extern|if|for|while|switch|else|do|try|case)\b|=\s*\{$|\)\s*\{\{$')


def functions_in(lines):
    """(first line's number, lines) of each function at the outer level or in a class."""
    skip_to = 0
    for i, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if i < skip_to or indent > 2 or not line.endswith('{') or NOT_A_FUNCTION.match(line):
            continue
        first = i
        while first > 0 and '(' not in ''.join(lines[first:i + 1]) and lines[first - 1].strip():
            first -= 1
        if '(' not in ''.join(lines[first:i + 1]):
            continue
        close = next((j for j in range(i + 1, len(lines)) if lines[j].startswith(' ' * indent + '}')), None)
        if close is not None:
            yield first + 1, close - first + 1
            skip_to = close


def main():
    sources = subprocess.run(['git', 'ls-files', 'src/*.h', 'src/*.cpp'], cwd=ROOT, capture_output=True, text=True,
                             check=True).stdout.split()
    files, functions, test_lines = [], [], 0
    for path in sources:
        with open(os.path.join(ROOT, path), encoding='utf-8') as file:
            lines = file.read().splitlines()
        if path.endswith(('_test.cpp', '_for_tests.h', '_fixtures.h')):
            test_lines += len(lines)
            continue
        files.append((len(lines), path))
        functions += [(n_lines, f'{path}:{first}') for first, n_lines in functions_in(lines)]
    lengths = [n for n, _ in functions]
    in_long = sum(n for n in lengths if n > 40) / sum(lengths)
    n_lines = sum(n for n, _ in files)
    print(f'sizes: {n_lines} lines in {len(files)} files, median {statistics.median(n for n, _ in files):.0f}; '
          f'{len(functions)} functions, median {statistics.median(lengths):.0f}, {in_long:.0%} of their lines in functions '
          f'over 40; unit tests {test_lines / n_lines:.0%} of that again')
    for what, limit, items in (('function', LONG_FUNCTION, functions), ('file', LONG_FILE, files)):
        for n, where in sorted(items, reverse=True):
            if n > limit:
                print(f'  long {what}: {where} ({n} lines)')


if __name__ == '__main__':
    main()
