#!/usr/bin/env python3
"""check_docs.py: what the documents name exists.

- `path` and `path: function` in any document, and paths in comments of the sources, name something that is there. Paths start at
  the root of the repository or, as includes do, at src/; {a,b} and * stand for several; NAME, <name> and … for anything.
- Relative links, and the headings they point at, exist.
- README.md and README.zh.md have the same code blocks.
"""
import functools
import glob
import itertools
import os
import re
import subprocess
import sys

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
SOURCE_SUFFIXES = ('.cpp', '.h', '.py', '.sh', '.js', '.mjs', '.cmake', '.inc')
SUFFIX = r'(?:cpp|h|py|sh|js|mjs|cmake|inc|md|html|css|txt|json|jsonl)'
SPAN_PATH = re.compile(r'[\w./<>…*{},~-]+')
SPAN_FUNCTION = re.compile(r'([\w./-]+\.(?:cpp|h|py|sh|js|mjs)): ([\w:~]+)(?:\(\))?')
COMMENT = re.compile(r'^\s*(?://|#|\*|/\*)(.*)|\s(?://)\s(.*)')
COMMENT_PATH = re.compile(rf'(?<![\w/.:-])((?:[\w.-]+/)+[\w.*-]+\.{SUFFIX}|\w+_test\.(?:cpp|py|mjs))(?!\w)')
WILD = re.compile(r'<[^>]*>|…|[A-Z]{3,}')  # <type>, NAME: stands for anything


@functools.cache
def tracked():
    out = subprocess.run(['git', 'ls-files', '--cached', '--others', '--exclude-standard'], cwd=ROOT, capture_output=True,
                         text=True, check=True).stdout
    return tuple(path for path in out.splitlines() if os.path.exists(os.path.join(ROOT, path)))


@functools.cache
def top_folders():
    """Names a path may begin with: folders of the root, and of src/."""
    return frozenset(path.split('/')[0] for path in tracked() if '/' in path) | frozenset(
        path.split('/')[1] for path in tracked() if path.startswith('src/') and path.count('/') > 1)


@functools.cache
def base_names():
    return frozenset(os.path.basename(path) for path in tracked())


def braces_expanded(text):
    parts = [part[1:-1].split(',') if part.startswith('{') else [part] for part in re.findall(r'\{[^}]*\}|[^{]+', text)]
    return [''.join(choice) for choice in itertools.product(*parts)]


def found(pattern):
    """Files and folders that a path with wildcards names."""
    return [hit for start in ('', 'src') for hit in glob.glob(os.path.join(ROOT, start, pattern.rstrip('/')))]


def exists(text):
    wild = WILD.sub('*', text) if not WILD.fullmatch(os.path.basename(text)) else text
    return all(found(each) or found(WILD.sub('*', each)) for each in braces_expanded(wild))


def is_path(text):
    """Whether a code span means a file of this repository."""
    first = text.split('/')[0]
    if first in top_folders() and '/' in text:
        return True
    return '/' not in text and text.endswith(SOURCE_SUFFIXES) and not text.startswith(('.', '*'))


def path_fault(text):
    if '/' not in text:
        names = braces_expanded(WILD.sub('*', text))
        if all(any(re.fullmatch(name.replace('.', r'\.').replace('*', '.*'), base) for base in base_names()) for name in names):
            return None
    elif exists(text):
        return None
    return f'`{text}` does not exist'


def defines(path, name):
    """Whether a file defines a function, type or test; A::b is looked for as A::b, or as b beside A."""
    with open(path, encoding='utf-8') as file:
        source = file.read()
    owner, _, last = name.rpartition('::')
    last = re.escape(last)
    if owner and not re.search(rf'\b{re.escape(name)}\s*\(', source) and not re.search(rf'\b(class|struct) {owner}\b', source):
        return False
    before = r'^(?!\s*(?:return|else|co_return|co_await|throw|new)\b)(?=[^\n(]*\w)[\w:<>,&*\[\]\s~]*?'
    patterns = (rf'{before}(?<=[\s:&*~]){last}\s*\(', rf'^\s*(?:def|class|function|async function|struct|enum class) {last}\b',
                rf'^TEST(?:_F|_P)?\(\w+, {last}\)', rf'^\s*{last}\s*\(\)\s*\{{', rf'^\s*(?:export\s+)?(?:const|let) {last} = ')
    return any(re.search(pattern, source, re.M) for pattern in patterns)


def function_fault(path, name):
    hits = found(path) if '/' in path else [os.path.join(ROOT, p) for p in tracked() if os.path.basename(p) == path]
    if not hits:
        return f'`{path}` does not exist'
    if not any(defines(hit, name) for hit in hits):
        return f'`{path}` has no {name}'
    return None


def slug(heading):
    return re.sub(r'[^\w\- ]', '', heading.strip().lower()).replace(' ', '-')


@functools.cache
def slugs_of(path):
    with open(path, encoding='utf-8') as file:
        return frozenset(slug(line.lstrip('#')) for line in file if line.startswith('#'))


def link_fault(document, target):
    if re.match(r'[a-z]+:', target):
        return None
    path, _, anchor = target.partition('#')
    path = os.path.normpath(os.path.join(ROOT, os.path.dirname(document), path)) if path else os.path.join(ROOT, document)
    if not os.path.exists(path):
        return f'link to {target}: no such file'
    if anchor and path.endswith('.md') and anchor not in slugs_of(path):
        return f'link to {target}: no such heading'
    return None


def prose_of(document):
    """(line number, line) of all that is not a code block."""
    fenced = False
    with open(os.path.join(ROOT, document), encoding='utf-8') as file:
        for number, line in enumerate(file, 1):
            if line.lstrip().startswith('```'):
                fenced = not fenced
            elif not fenced and not line.startswith('    '):
                yield number, line


def document_faults(document):
    for number, line in prose_of(document):
        for span in re.findall(r'`([^`]+)`', line):
            function = SPAN_FUNCTION.fullmatch(span)
            fault = None
            if function:
                fault = function_fault(*function.groups())
            elif SPAN_PATH.fullmatch(span) and is_path(span):
                fault = path_fault(span)
            if fault:
                yield f'{document}:{number}: {fault}'
        for target in re.findall(r'\]\(([^)\s]+)\)', line):
            fault = link_fault(document, target)
            if fault:
                yield f'{document}:{number}: {fault}'


def comment_faults(source):
    with open(os.path.join(ROOT, source), encoding='utf-8') as file:
        for number, line in enumerate(file, 1):
            comment = COMMENT.search(line)
            for path in COMMENT_PATH.findall(comment.group(1) or comment.group(2) or '') if comment else ():
                beside = os.path.join(os.path.dirname(source), path)
                named = path.split('/')[0] in top_folders() or '/' not in path
                if named and not glob.glob(os.path.join(ROOT, beside)) and path_fault(path):
                    yield f'{source}:{number}: {path_fault(path)}'


def code_blocks(document):
    with open(os.path.join(ROOT, document), encoding='utf-8') as file:
        return re.findall(r'^```(.*?)^```', file.read(), re.M | re.S)


def readme_faults():
    english, chinese = code_blocks('README.md'), code_blocks('README.zh.md')
    for i, (ours, theirs) in enumerate(itertools.zip_longest(english, chinese), 1):
        if ours != theirs:
            yield f'README.md and README.zh.md differ in code block {i}'


def main():
    documents = [path for path in tracked() if path.endswith('.md')]
    sources = [path for path in tracked()
               if path.endswith(SOURCE_SUFFIXES + ('.html', '.css')) or os.path.basename(path) in ('Makefile', 'CMakeLists.txt')]
    faults = [fault for document in documents for fault in document_faults(document)]
    faults += [fault for source in sources for fault in comment_faults(source)]
    faults += readme_faults()
    for fault in faults:
        print(fault)
    print(f'docs: {len(documents)} documents, comments of {len(sources)} sources, {len(faults)} faults')
    return bool(faults)


if __name__ == '__main__':
    sys.exit(main())
