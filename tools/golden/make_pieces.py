#!/usr/bin/env python3
"""make_pieces.py > tests/golden/tokenizer/pieces.jsonl: how Hugging Face tokenizers cut random texts, for every pre-tokenizer we know.

One line a text: {"kind", "text", "pieces": [bytes of each piece]}. Needs the PyPI package tokenizers; the tests only
need its output. Only characters that Unicode 14 knows: PCRE2 in Debian 12 has its tables, Hugging Face newer ones.
"""
import json
import random
import unicodedata

from tokenizers import Regex, pre_tokenizers as pre

LETTERS = (  # deepseek-llm: cased letters
    r'A-Za-z\x{b5}\x{c0}-\x{d6}\x{d8}-\x{f6}\x{f8}-\x{1ba}\x{1bc}-\x{1bf}\x{1c4}-\x{293}\x{295}-\x{2af}'
    r'\x{370}-\x{373}\x{376}\x{377}\x{37b}-\x{37d}\x{37f}\x{386}\x{388}-\x{38a}\x{38c}\x{38e}-\x{3a1}'
    r'\x{3a3}-\x{3f5}\x{3f7}-\x{481}\x{48a}-\x{52f}\x{531}-\x{556}\x{10a0}-\x{10c5}\x{13a0}-\x{13f5}'
    r'\x{13f8}-\x{13fd}\x{1c90}-\x{1cba}\x{1cbd}-\x{1cbf}\x{1d00}-\x{1d2b}\x{1d6b}-\x{1d77}\x{1d79}-\x{1d9a}'
    r'\x{1e00}-\x{1f15}\x{1f18}-\x{1f1d}\x{1f20}-\x{1f45}\x{1f48}-\x{1f4d}\x{1f50}-\x{1f57}\x{1f59}\x{1f5b}'
    r'\x{1f5d}\x{1f5f}-\x{1f7d}\x{1f80}-\x{1fb4}\x{1fb6}-\x{1fbc}\x{1fbe}\x{1fc2}-\x{1fc4}\x{1fc6}-\x{1fcc}'
    r'\x{1fd0}-\x{1fd3}\x{1fd6}-\x{1fdb}\x{1fe0}-\x{1fec}\x{1ff2}-\x{1ff4}\x{1ff6}-\x{1ffc}\x{2102}\x{2107}'
    r'\x{210a}-\x{2113}\x{2115}\x{2119}-\x{211d}\x{2124}\x{2126}\x{2128}\x{212a}-\x{212d}\x{212f}-\x{2134}\x{2139}'
    r'\x{213c}-\x{213f}\x{2145}-\x{2149}\x{214e}\x{2183}\x{2184}\x{2c00}-\x{2c7b}\x{2c7e}-\x{2ce4}'
    r'\x{2ceb}-\x{2cee}\x{2cf2}\x{2cf3}\x{a640}-\x{a66d}\x{a680}-\x{a69b}\x{a722}-\x{a76f}\x{a771}-\x{a787}'
    r'\x{a78b}-\x{a78e}\x{ab70}-\x{abbf}\x{fb00}-\x{fb06}\x{fb13}-\x{fb17}\x{ff21}-\x{ff3a}\x{ff41}-\x{ff5a}'
    r'\x{10400}-\x{1044f}\x{104b0}-\x{104d3}\x{104d8}-\x{104fb}\x{10c80}-\x{10cb2}\x{10cc0}-\x{10cf2}'
    r'\x{118a0}-\x{118df}\x{1e900}-\x{1e943}')
SPACE_RULES = r'\s*[\r\n]+|\s+(?!\S)|\s+'


def split(pattern):
    return pre.Split(Regex(pattern), 'isolated')


def llama3(digits):
    return [split(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|" + digits + r'| ?[^\s\p{L}\p{N}]+[\r\n]*|' + SPACE_RULES)]


BYTES, WORDS = pre.ByteLevel(False, use_regex=False), pre.ByteLevel(False, use_regex=True)
DIGITS = pre.Digits(individual_digits=True)
CJK = split('[一-\u9fa5\u0800-一\uac00-\ud7ff]+')
KINDS = {
    'gpt2': [WORDS],
    'llama3': llama3(r'\p{N}{1,3}') + [BYTES],
    'qwen2': llama3(r'\p{N}') + [BYTES],
    'deepseek-v3': [split(r'\p{N}{1,3}'), split('[一-\u9fa5\u3040-\u309f\u30a0-\u30ff]+'),
                    split('[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+'
                          '| ?[\\p{P}\\p{S}]+[\r\n]*|' + SPACE_RULES), BYTES],
    'deepseek-llm': [split('[\r\n]'), split(r'\s?[' + LETTERS + ']+'), split(r'\s?[!-/:-~！-／：-～‘-‟\u3000-。]+'),
                     split(r'\s+$'), CJK, DIGITS, BYTES],
    'deepseek-coder': [split('[\r\n]'), split(r'\s?\p{L}+'), split(r'\s?\p{P}+'), CJK, DIGITS, BYTES],
    'smollm': [DIGITS, WORDS],
}
FRAGMENTS = [' ', '  ', '   ', '\t', '\n', '\n\n', '\r\n', ' \n', '\u0085', '\u00a0', '\u180e', '\u2003', '\u2028', '\u3000', '\u200b',
             "'s", "'S", "'ſ", "'re", "'LL", "'m", ' ’s', '1', '42', '2024', '½', '٣', '三', 'hello', ' World', 'Ünï', 'ελλ', 'ΩK', 'привет',
             '你好', '中文', 'テスト', 'です', '한국', 'ᄒ', '!', '?!', ' ...', '<|', '。', '「」', '—', '$€', '👍🏽', 'e\u0301', 'का', 'ﬁ', 'ʰ', 'ª', '\u0300']


def random_text(rng):
    parts = []
    for _ in range(rng.randrange(1, 16)):
        if rng.random() < 0.8:
            parts.append(rng.choice(FRAGMENTS))
            continue
        code_point = rng.randrange(0x20, rng.choice([0x80, 0x3100, 0x20000]))
        if unicodedata.category(chr(code_point)) not in ('Cn', 'Cs', 'Co'):
            parts.append(chr(code_point))
    return ''.join(parts)


def main():
    assert unicodedata.unidata_version.startswith('14'), 'made with Unicode 14, the tables of the PCRE2 we build with'
    rng = random.Random(1)
    for kind, steps in KINDS.items():
        cutter = pre.Sequence(steps)
        for _ in range(60):
            text = random_text(rng)
            pieces = [len(piece) for piece, _ in cutter.pre_tokenize_str(text)]  # spelt in the byte alphabet: a character a byte
            print(json.dumps({'kind': kind, 'text': text, 'pieces': pieces}))


if __name__ == '__main__':
    main()
