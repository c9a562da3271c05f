// serve_load.mjs: tokens a second of a server that speaks /v1/completions, for one or more numbers of clients.
//
//   node bench/serve_load.mjs URL MODEL CLIENTS[,CLIENTS...] [TOKENS [REQUESTS]]
//
// Each client asks for TOKENS tokens (default 64) after a prompt of 16 words that nobody else sends, REQUESTS
// times (default 2) one after another, greedily and streamed. A line for each number of clients: tokens of all answers
// over the time from the first request to the last answer, and the median and longest wait for a first token.
import process from 'node:process';

const words = ['river', 'stone', 'seven', 'quiet', 'apple', 'north', 'paper', 'cloud', 'green', 'metal', 'light', 'found'];

function promptOf(client, request) {
  let state = client * 1009 + request * 9176 + 1;
  const next = () => (state = (state * 48271) % 2147483647) % words.length;
  return Array.from({length: 16}, () => words[next()]).join(' ');
}

async function* eventsOf(response) {
  let left = '';
  const decoder = new TextDecoder();
  for await (const bytes of response.body) {
    const lines = (left + decoder.decode(bytes, {stream: true})).split('\n');
    left = lines.pop();
    for (const line of lines) {
      if (line.startsWith('data: ') && line !== 'data: [DONE]') yield JSON.parse(line.slice(6));
    }
  }
}

async function ask(url, model, prompt, tokens) {
  const begin = performance.now();
  const response = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: {'content-type': 'application/json'},
    body: JSON.stringify({model, prompt, max_tokens: tokens, temperature: 0, stream: true,
                          stream_options: {include_usage: true}}),
  });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  let first = 0, usage = null;
  for await (const event of eventsOf(response)) {
    if (first === 0 && event.choices?.length > 0) first = performance.now() - begin;
    if (event.usage) usage = event.usage;
  }
  return {first, tokens: usage.completion_tokens};
}

async function measure(url, model, clients, tokens, requests) {
  const answers = [];
  const begin = performance.now();
  await Promise.all(Array.from({length: clients}, async (_, client) => {
    for (let request = 0; request < requests; ++request) {
      answers.push(await ask(url, model, promptOf(client, request + clients * 100), tokens));
    }
  }));
  const seconds = (performance.now() - begin) / 1000;
  const waits = answers.map((answer) => answer.first).sort((a, b) => a - b);
  const total = answers.reduce((sum, answer) => sum + answer.tokens, 0);
  const ms = (wait) => wait.toFixed(0).padStart(6);
  console.log(`${String(clients).padStart(3)} clients: ${(total / seconds).toFixed(1).padStart(7)} tokens/s of ${total}` +
              `, first token after ${ms(waits[waits.length >> 1])} ms, at most ${ms(waits.at(-1))}`);
}

const [url, model, clients, tokens = '64', requests = '2'] = process.argv.slice(2);
if (!clients) {
  console.error('usage: node bench/serve_load.mjs URL MODEL CLIENTS[,CLIENTS...] [TOKENS [REQUESTS]]');
  process.exit(2);
}
for (const n of clients.split(',')) await measure(url, model, Number(n), Number(tokens), Number(requests));
