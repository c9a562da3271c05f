#!/usr/bin/env python3
"""check_layers.py: the rules of the house that a line of source can break. Includes go downwards, as src/LAYERS says; every
foreign library has one door; model/ and engine/ stay pure; nothing below serve/ prints; no folder is a drawer.
"""
import os
import re
import sys

SRC = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'src')

# header prefix -> files that may include it (paths below src/, as regular expressions)
DOORS = {
    r'boost/': r'serve/http_.*',
    r'pcre2\.h': r'text/pretokenizer\.cpp',
    r'utf8proc\.h': r'text/normalizer\.cpp',
    r'spdlog/': r'base/log\.cpp',
    r'hwy/': r'kernels/.*',
    r'\w*mmintrin\.h|immintrin\.h|arm_\w+\.h': r'kernels/.*',
    r'nlohmann/json\.hpp': r'.*\.cpp|.*_for_tests\.h',  # 3 s of compile time; headers take json_fwd.hpp
    r'curl/': r'apps/http_get\.cpp',
    r'zip\.h': r'apps/zip_member(_test)?\.cpp',
    r'sqlite3\.h': r'ledger/(sqlite_ledger(_test)?|ledger_snapshot_test)\.cpp',
    r'libpq-fe\.h': r'ledger/postgres_ledger(_test)?\.cpp',
    r'openssl/': r'base/sha256\.cpp',
    r'histedit\.h|editline/': r'apps/line_reader\.cpp',
    r'CLI/': r'apps/.*\.cpp',
    r'gtest/': r'.*_test\.cpp|.*_for_tests\.h',
    r'benchmark/': r'(?!)',
    # Slow to compile, and nothing a caller must see.
    r'(iostream|regex|filesystem|ranges|chrono)$': r'.*\.cpp|.*_for_tests\.h',
}

# (files, what their lines may not hold, why). Tests are exempt, except where they are named.
BANNED = [
    (r'model/.*', r'std::thread|<thread>|<fstream>|<sys/socket\.h>|\bfopen\b', 'model/ is pure: no thread, file or socket'),
    (r'engine/.*', r'std::mutex|<mutex>|<shared_mutex>|\block_guard\b',
     'engine/ holds no mutex: one thread owns everything in it'),
    (r'kernels/.*', r'<(thread|mutex|atomic)>|\bthrow\b', 'kernels/ know no threads, locks or exceptions'),
    (r'(?!base/assert\.cpp)(base|kernels|formats|text|ledger|tasks|ops|model|engine|train)/.*', r'std::(cout|cerr)\b|\b(f?printf|f?puts|fmt::print)\(|\b_?exit\(',
     'nothing from base/ up to engine/ prints or exits'),
    (r'(?!apps/cmd_).*', r'\bthrow\b', 'no exceptions: return Result or Status (the command line parser has its own)'),
    (r'(?!kernels/|base/assert\.h|base/thread_pool\.cpp).*', r'^\s*#\s*(if|ifdef|ifndef|elif)\b',
     '#if lives in kernels/ and in the two files of base/ that ask for the build or the CPU'),
    (r'.*', r'\busing namespace\b', 'names are written out'),
]
DRAWERS = {'common', 'utils', 'util', 'misc', 'helpers', 'helper', 'manager', 'stuff'}


def read_layers(path):
    allowed = {}
    for line in open(path):
        folder, _, names = line.split('#')[0].strip().partition(':')
        if folder:
            for name in names.split():
                assert name in allowed, f'{path}: {folder} names {name}, which is not declared above it'
            allowed[folder] = set(names.split()) | {folder}
    return allowed


def include_offences(line, relative, folder, allowed):
    own = re.match(r'\s*#\s*include\s+"([^"/]+)/', line)
    if own and own.group(1) in allowed and own.group(1) not in allowed[folder]:
        yield f'{folder}/ must not include {own.group(1)}/'
    foreign = re.match(r'\s*#\s*include\s+[<"]([^>"]+)', line)
    for prefix, door in DOORS.items():
        if foreign and re.match(prefix, foreign.group(1)) and not re.fullmatch(door, relative):
            yield f'<{foreign.group(1)}> is only for {door}' if door != '(?!)' else f'<{foreign.group(1)}> is not for src/'


def offences_in(path, relative, folder, allowed):
    is_test = relative.endswith(('_test.cpp', '_for_tests.h'))
    rules = [(re.compile(words), why) for files, words, why in BANNED if re.match(files, relative) and not is_test]
    for number, line in enumerate(open(path, encoding='utf-8'), 1):
        code = re.sub(r'"(\\.|[^"\\])*"|//.*', '""', line) if '#' not in line else line
        for offence in include_offences(line, relative, folder, allowed):
            yield f'{number}: {offence}'
        for words, why in rules:
            if words.search(code):
                yield f'{number}: {why}'
        if folder == 'model' and not is_test and re.search(r'\btape\b', line, re.I):
            yield f'{number}: model/ does not know whether it is training: no tape, not even in a comment'
        if number == 1 and not line.startswith(f'// {os.path.basename(path)}: '):
            yield f'1: the first line says what lives here: // {os.path.basename(path)}: ...'


def main():
    allowed, offences = read_layers(os.path.join(SRC, 'LAYERS')), 0

    def report(text):
        nonlocal offences
        offences += 1
        print(text)

    for entry in sorted(os.listdir(SRC)):
        if os.path.isdir(os.path.join(SRC, entry)) and entry not in allowed:
            report(f'src/{entry}: not declared in src/LAYERS')
    for folder in allowed:
        for directory, _, names in os.walk(os.path.join(SRC, folder)):
            for name in sorted(names):
                relative = os.path.relpath(os.path.join(directory, name), SRC)
                if DRAWERS & set(re.split(r'[/_.]', relative)):
                    report(f'src/{relative}: a name that says nothing; what does it hold?')
                if name.endswith(('.h', '.cpp', '.inc')):
                    for offence in offences_in(os.path.join(directory, name), relative, folder, allowed):
                        report(f'src/{relative}:{offence}')
    print(f'layers: {offences} offences')
    return offences > 0


if __name__ == '__main__':
    sys.exit(main())
