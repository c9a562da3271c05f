#!/usr/bin/env python3
"""lm_eval.py: what tools/lm_eval.sh needs beside the harness.

make R1 N DIR           writes two tasks of N problems each for it, from `r1 tasks show`
compare R1 URL DIR      its logged answers against the server's to the same question, its scores against `r1 tasks grade`
"""
import glob
import json
import os
import subprocess
import sys
import urllib.request

TASKS = {'r1_addition': 'addition', 'r1_letters': 'letters'}
TASK = '''task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: "{folder}/{name}.jsonl"}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
generation_kwargs: {{max_gen_toks: 400, temperature: 0, do_sample: false, until: []}}
metric_list: [{{metric: exact_match, aggregation: mean, higher_is_better: true}}]
'''


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def make(r1, n, folder):
    for name, task in TASKS.items():
        problems = [json.loads(line) for line in run(r1, 'tasks', 'show', task, '--split', 'test', '-n', n).splitlines()]
        with open(f'{folder}/{name}.jsonl', 'w', encoding='utf-8') as file:
            for problem in problems:
                file.write(json.dumps({'question': problem['prompt'], 'answer': problem['answer'], 'index': problem['index']}) + '\n')
        with open(f'{folder}/{name}.yaml', 'w', encoding='utf-8') as file:
            file.write(TASK.format(name=name, folder=folder))


def answer_of(url, messages):
    body = {'model': 'r1-nano', 'messages': messages, 'max_tokens': 400, 'temperature': 0, 'seed': 1234}
    request = urllib.request.Request(f'{url}/v1/chat/completions', json.dumps(body).encode())
    with urllib.request.urlopen(request) as reply:
        return json.load(reply)['choices'][0]['message']['content']


def compare(r1, url, folder):
    n_different = n_graded_otherwise = 0
    for name, task in TASKS.items():
        [path] = glob.glob(f'{folder}/out/**/samples_{name}_*.jsonl', recursive=True)
        with open(path, encoding='utf-8') as file:
            samples = [json.loads(line) for line in file]
        n_right = 0
        for sample in samples:
            doc, [[told]] = sample['doc'], sample['resps']
            n_different += told != answer_of(url, [{'role': 'user', 'content': doc['question']}])
            reward = json.loads(run(r1, 'tasks', 'grade', task, '--split', 'test', '--index', str(doc['index']), f'<think></think>{told}'))
            n_right += sample['exact_match']
            n_graded_otherwise += bool(sample['exact_match']) != bool(reward['accuracy'])
        print(f'{name}: {len(samples)} problems, exact_match {n_right / len(samples):.3f}')
    print(f'{n_different} answers differ from those to a direct request; {n_graded_otherwise} are graded otherwise by r1 tasks grade')
    return n_different


if __name__ == '__main__':
    sys.exit(make(*sys.argv[2:]) if sys.argv[1] == 'make' else compare(*sys.argv[2:]) > 0)
