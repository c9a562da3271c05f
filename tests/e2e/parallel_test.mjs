// parallel_test.mjs: 200 requests at once, a third of which are given up at a random moment: those that stay get what
// they would have got alone, and afterwards nothing of the others is left: no place, no descriptor, no memory.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { serve, sleep, synthesize } from "./served.mjs";

const kRequests = 200;
const kPrompts = 12;  // so that each text is known from a request that nothing disturbed
let server;

before(async () => (server = await serve(synthesize("tiny-deepseek"), "-t", "2", "--parallel", "16")));
after(() => server?.stop());

// The same numbers in every run.
function random(seed) {
  return () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
}

// Different lengths, prompts that share a beginning with others and prompts that do not, greedy and seeded.
const beginningOf = (i) => (i % 3 ? "Once upon a time there was a machine. " : "");
const bodyOf = (i) => ({
  messages: [{ role: "user", content: `${beginningOf(i)}Tell me about ${i}, please${"!".repeat(i * 5)}` }],
  temperature: i % 2,
  seed: i,
  max_tokens: 10 + ((i * 7) % 40),
});

async function ask(i, { stream, signal }) {
  const response = await fetch(`${server.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...bodyOf(i), stream }),
    signal,
  });
  assert.equal(response.status, 200);
  if (!stream) {
    const { message, finish_reason } = (await response.json()).choices[0];
    return { thinking: message.reasoning_content ?? "", text: message.content ?? "", finish_reason };
  }
  const got = { thinking: "", text: "", finish_reason: null };
  const events = (await response.text()).split("\n\n").filter((event) => event.startsWith("data: "));
  assert.equal(events.pop(), "data: [DONE]");
  for (const event of events) {
    const { delta, finish_reason } = JSON.parse(event.slice(6)).choices[0];
    got.thinking += delta.reasoning_content ?? "";
    got.text += delta.content ?? "";
    got.finish_reason = finish_reason ?? got.finish_reason;
  }
  return got;
}

async function settled() {
  let health;
  for (let i = 0; i < 800; ++i) {
    health = await server.health();
    const [engine] = health.models;
    const { answering, streaming } = health.http;
    if (engine.running + engine.waiting === 0 && answering === 1 && streaming === 0) return health;  // this one answers
    await sleep(25);
  }
  assert.fail(`something is stuck: ${JSON.stringify(health)}`);
}

// Descriptors that are not connections, which are the client's to keep. A connection may open between the two looks.
async function expectFiles(n) {
  let files;
  for (let i = 0; i < 200; ++i) {
    const { connections } = (await server.health()).http;
    files = server.n_files() - connections;
    if (files === n) return;
    await sleep(25);
  }
  assert.fail(`${files} files open besides the connections, ${n} at the start`);
}

async function round(alone, seed) {
  const next = random(seed);
  const asked = Array.from({ length: kRequests }, (_, i) => {
    const prompt = Math.floor(next() * kPrompts), stream = next() < 0.5, isGivenUp = i % 3 === 0;
    const controller = new AbortController();
    if (isGivenUp) setTimeout(() => controller.abort(), next() * 600);
    const answer = ask(prompt, { stream, signal: controller.signal });
    return answer.then(
      (got) => assert.deepEqual(got, alone[prompt], `prompt ${prompt}, ${stream ? "streamed" : "whole"}`),
      (error) => assert.ok(isGivenUp && error.name === "AbortError", `request ${i}: ${error}`));
  });
  await Promise.all(asked);
  return settled();
}

test("200 requests at once, a third of them given up", async () => {
  const n_files = server.n_files();  // nobody is connected yet
  const alone = [];
  for (let i = 0; i < kPrompts; ++i) alone.push(await ask(i, { stream: i % 2 === 0 }));
  assert.ok(new Set(alone.map(({ thinking, text }) => thinking + text)).size > kPrompts / 2, "the texts differ");

  // The first rounds fill the cache of prefixes, the allocator and the client's pool of connections.
  await round(alone, 1);
  await round(alone, 2);
  const before = { rss: server.rss_kb(), health: await settled() };
  await round(alone, 3);
  const health = await round(alone, 4);
  assert.ok(health.http.clients_gone > before.health.http.clients_gone, "some were given up under way");
  assert.equal(health.models[0].kv_blocks_free, health.models[0].kv_blocks_total, "all of the cache can be had again");
  await expectFiles(n_files);
  // 40 kB lost by each request would show.
  assert.ok(server.rss_kb() - before.rss < 16_000, `${before.rss} kB resident, then ${server.rss_kb()}`);
});
