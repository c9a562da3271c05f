#!/usr/bin/env python3
"""check_layers.py: every include in src/ goes downwards, as src/LAYERS says, and every foreign library has one door."""
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
    r'immintrin\.h|arm_neon\.h': r'kernels/.*',
    r'curl/': r'apps/http_get\.cpp',
    r'zip\.h': r'apps/zip_member(_test)?\.cpp',
    r'openssl/': r'apps/sha256\.cpp',
    r'histedit\.h|editline/': r'apps/.*\.cpp',
    r'CLI/': r'apps/.*\.cpp',
    r'benchmark/': r'(?!)',
}
# What model/ may not know: how training records itself, threads, files, sockets.
MODEL_BANNED = re.compile(r'\btape\b|std::thread|<thread>|<fstream>|<sys/socket\.h>', re.I)


def read_layers(path):
    allowed = {}
    for line in open(path):
        folder, _, names = line.split('#')[0].strip().partition(':')
        if folder:
            for name in names.split():
                assert name in allowed, f'{path}: {folder} names {name}, which is not declared above it'
            allowed[folder] = set(names.split()) | {folder}
    return allowed


def offences_in(path, relative, folder, allowed):
    for number, line in enumerate(open(path, errors='replace'), 1):
        own = re.match(r'\s*#\s*include\s+"([^"/]+)/', line)
        if own and own.group(1) in allowed and own.group(1) not in allowed[folder]:
            yield f'{relative}:{number}: {folder}/ must not include {own.group(1)}/'
        foreign = re.match(r'\s*#\s*include\s+<([^>]+)>', line)
        for prefix, door in DOORS.items():
            if foreign and re.match(prefix, foreign.group(1)) and not re.fullmatch(door, relative):
                yield f'{relative}:{number}: <{foreign.group(1)}> is only for {door}'
        if folder == 'model' and not relative.endswith('_test.cpp') and MODEL_BANNED.search(line):
            yield f'{relative}:{number}: model/ is pure: no tape, thread, file or socket'
        if folder == 'engine' and not relative.endswith('_test.cpp') and re.search(r'std::mutex|<mutex>', line):
            yield f'{relative}:{number}: engine/ holds no mutex: one thread owns everything in it'


def main():
    allowed, offences = read_layers(os.path.join(SRC, 'LAYERS')), 0
    for entry in sorted(os.listdir(SRC)):
        if os.path.isdir(os.path.join(SRC, entry)) and entry not in allowed:
            print(f'src/{entry}: not declared in src/LAYERS')
            offences += 1
    for folder in allowed:
        for directory, _, names in os.walk(os.path.join(SRC, folder)):
            for name in sorted(names):
                if name.endswith(('.h', '.cpp', '.inc')):
                    path = os.path.join(directory, name)
                    for offence in offences_in(path, os.path.relpath(path, SRC), folder, allowed):
                        print(offence)
                        offences += 1
    print(f'layers: {offences} offences')
    return offences > 0


if __name__ == '__main__':
    sys.exit(main())
