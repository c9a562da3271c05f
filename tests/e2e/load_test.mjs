// load_test.mjs: many clients, and bad ones. R1_LOAD_STREAMS=10000 holds as many idle streams (default 300) and waits out
// the server's own time limits; R1_LOAD_MODEL=FILE is the model that clients vanish from (default: a tiny one). Times are
// printed, not asserted: they are the machine's.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { test } from "node:test";

import { serve, sleep, synthesizeLong, temporaryFolder } from "./served.mjs";

const isLong = process.env.R1_LOAD_STREAMS !== undefined;
const kStreams = Number(process.env.R1_LOAD_STREAMS ?? 300);
const kMegabytesPer10k = 100;
const kSlackMegabytes = 8;  // what an allocator may round up to

function scripted(...args) {
  const script = path.join(temporaryFolder(), "load.json");
  writeFileSync(script, JSON.stringify({
    parallel: kStreams + 400,
    thinks: false,
    answers: [
      { when: "stall", steps: [{ text: "Here it stops." }, { stall: true }] },
      { when: "flood", steps: [{ text: " many words".repeat(100), repeat: 1000 }] },
      { steps: [{ text: "Done." }] },
    ],
    context_length: 1 << 20,
  }));
  return serve("--engine", `script:${script}`, ...args);
}

const loadModel = () => process.env.R1_LOAD_MODEL ?? synthesizeLong("tiny-deepseek", 16384);

const bodyOf = (content, more) => JSON.stringify({ messages: [{ role: "user", content }], max_tokens: 1 << 19, ...more });
const requestOf = (body, path = "/v1/chat/completions") =>
  `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

function connect(server, onConnect = () => {}) {
  const { hostname, port } = new URL(server.url);
  const socket = net.connect({ host: hostname, port: Number(port) }, () => onConnect(socket));
  socket.on("error", () => {});
  return socket;
}

// A stream that has said its only words, and its connection.
function stalled(server) {
  return new Promise((resolve, reject) => {
    const socket = connect(server, () => socket.write(requestOf(bodyOf("stall", { stream: true }))));
    socket.on("data", (bytes) => bytes.includes("stops.") && resolve(socket));
    socket.on("close", () => reject(new Error("a stream was closed")));
  });
}

async function milliseconds(work) {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

// Of requests that the io thread answers alone.
async function latencies(server, n = 300) {
  const times = [];
  for (let i = 0; i < n; ++i) {
    times.push(await milliseconds(async () => {
      const reply = await fetch(`${server.url}/v1/models`);
      assert.equal((await reply.json()).data.length, 1);
    }));
  }
  times.sort((x, y) => x - y);
  return { p50: times[Math.floor(n * 0.5)], p99: times[Math.floor(n * 0.99)] };
}

// How long until nothing of a vanished client's is left in engine and server.
async function freed(server, n_left = 0) {
  return milliseconds(async () => {
    for (let i = 0; i < 12000; ++i) {
      const { models, http } = await server.health();
      if (models[0].running + models[0].waiting <= n_left && http.streaming <= n_left) return;
      await sleep(2);
    }
    assert.fail(`still there: ${JSON.stringify(await server.health())}`);
  });
}

const words = (numbers) => Object.entries(numbers).map(([name, n]) => `${name} ${n.toFixed(1)}`).join(", ");

test(`one thread holds ${kStreams} idle streams`, async (t) => {
  const server = await scripted();
  await latencies(server);  // what the first requests allocate
  const before = await latencies(server), rss_kb = server.rss_kb();
  const streams = [];
  while (streams.length < kStreams) {
    const some = Array.from({ length: Math.min(100, kStreams - streams.length) }, () => stalled(server));
    streams.push(...(await Promise.all(some)));
  }
  assert.equal((await server.health()).http.streaming, kStreams);
  const megabytes = (server.rss_kb() - rss_kb) / 1024, after = await latencies(server);
  t.diagnostic(`${kStreams} idle streams: ${megabytes.toFixed(1)} MB more, ${(megabytes * 1024 / kStreams).toFixed(1)} kB each`);
  t.diagnostic(`GET /v1/models, ms: ${words(before)}; beside the streams: ${words(after)}`);
  assert.ok(megabytes <= (kMegabytesPer10k * kStreams) / 10_000 + kSlackMegabytes, `${megabytes} MB`);
  for (const socket of streams) socket.removeAllListeners("close"), socket.destroy();
  t.diagnostic(`all gone at once: free after ${(await freed(server)).toFixed(0)} ms`);
  await server.stop();
});

test("readers that don't read hold up nobody else, and little memory", async (t) => {
  const server = await scripted();
  await latencies(server, 100);
  const rss_kb = server.rss_kb(), n = 40;
  const sockets = Array.from({ length: n }, () => {
    const socket = connect(server, () => socket.write(requestOf(bodyOf("flood", { stream: true }))));
    return socket.pause();
  });
  for (let i = 0; i < 400 && (await server.health()).http.streaming < n; ++i) await sleep(10);
  const written = async () => (await server.health()).models[0].completion_tokens;
  let before = -1, now = await written();
  for (let i = 0; i < 100 && before !== now; ++i, [before, now] = [now, await written()]) await sleep(300);
  assert.equal(before, now, "nothing is written for whom nobody reads, once the sockets are full");
  assert.equal((await server.health()).models[0].running, n, "they wait for their readers");
  t.diagnostic(`GET /v1/models, beside ${n} of them, ms: ${words(await latencies(server, 100))}`);
  const megabytes = (server.rss_kb() - rss_kb) / 1024;
  t.diagnostic(`${megabytes.toFixed(1)} MB more`);
  assert.ok(megabytes < n * 0.25 + kSlackMegabytes, `${megabytes} MB`);
  if (isLong) {
    t.diagnostic(`given up on after ${((await freed(server)) / 1000).toFixed(1)} s`);
    assert.ok((await server.health()).http.clients_gone >= n);
  }
  for (const socket of sockets) socket.destroy();
  await freed(server);
  await server.stop();
});

test("clients that never end their header hold up nobody else", async (t) => {
  const server = await scripted(), n = Math.min(kStreams, 2000);
  const sockets = Array.from({ length: n }, () => connect(server, (socket) => socket.write("POST /v1/chat/comp")));
  const drip = setInterval(() => sockets.forEach((socket) => socket.writable && socket.write("l")), 1000);
  let n_closed = 0;
  for (const socket of sockets) socket.resume().on("close", () => ++n_closed);
  for (let i = 0; i < 400 && (await server.health()).http.connections < n; ++i) await sleep(10);
  t.diagnostic(`GET /v1/models, beside ${n} of them, ms: ${words(await latencies(server, 100))}`);
  if (isLong) {
    for (let i = 0; i < 300 && n_closed < n; ++i) await sleep(100);
    assert.equal(n_closed, n, "each was closed");
  }
  clearInterval(drip);
  for (const socket of sockets) socket.destroy();
  await server.stop();
});

test("with few file descriptors it turns away who is too many, and recovers", async () => {
  process.env.R1_E2E_FILES = "100";
  const server = await scripted();
  delete process.env.R1_E2E_FILES;
  const held = await Promise.all(Array.from({ length: 20 }, () => stalled(server)));
  let n_refused = 0;
  const many = Array.from({ length: 200 }, () => connect(server).on("data", (bytes) => (n_refused += bytes.includes("503") ? 1 : 0)));
  for (let i = 0; i < 400 && n_refused < 200 - 36; ++i) await sleep(10);
  assert.ok(n_refused >= 200 - 36, `${n_refused} were told`);
  assert.ok(held.every((socket) => !socket.destroyed), "who is there stays");
  for (const socket of many) socket.destroy();
  let models;
  for (let i = 0; i < 400 && !models; ++i) models = await fetch(`${server.url}/v1/models`).then((reply) => reply.ok && reply.json(), () => sleep(10));
  assert.equal(models.data.length, 1);
  for (const socket of held) socket.removeAllListeners("close"), socket.destroy();
  await freed(server);
  await server.stop();
});

test("a vanished client frees its place: in the prompt, in the answer, in the queue", async (t) => {
  const server = await serve(synthesizeLong("tiny-deepseek", 16384), "-t", "1", "--parallel", "1", "--context", "16384");
  const prompt = "All work and no play. ".repeat(1500);
  const vanish = async (more, until) => {
    const socket = connect(server, () => socket.write(requestOf(JSON.stringify({ prompt, max_tokens: 4000, logit_bias: {}, ...more }), "/v1/completions")));
    for (let i = 0; i < 4000; ++i) {
      const { models } = await server.health();
      if (until(models[0])) break;
      await sleep(1);
    }
    socket.destroy();
    return socket;
  };
  for (const stream of [false, true]) {
    await vanish({ stream }, ({ running }) => running === 1);
    const { models } = await server.health();
    t.diagnostic(`${stream ? "streamed" : "whole"}, in the prompt: free after ${(await freed(server)).toFixed(0)} ms`);
    assert.equal(models[0].completion_tokens, 0, "it was in its prompt");
    assert.equal((await server.health()).models[0].kv_blocks_free, models[0].kv_blocks_total);
  }
  let so_far = 0;
  await vanish({ prompt: "Hi", stream: true }, ({ completion_tokens }) => completion_tokens > 5 + so_far);
  t.diagnostic(`in the answer: free after ${(await freed(server)).toFixed(0)} ms`);
  const holder = connect(server, () => holder.write(requestOf(JSON.stringify({ prompt, stream: true }), "/v1/completions")));
  for (let i = 0; i < 4000 && (await server.health()).models[0].running === 0; ++i) await sleep(1);
  await vanish({ stream: true }, ({ waiting }) => waiting === 1);
  t.diagnostic(`in the queue: free after ${(await freed(server, 1)).toFixed(0)} ms`);
  holder.destroy();
  await freed(server);
  await server.stop();
});

// Prompts that share their passes, and one of two clients vanishes; the other's answer is what it is alone.
test("a vanished client frees its place beside others, whose answers don't change", async (t) => {
  const server = await serve(loadModel(), "-t", "2", "--parallel", "2", "--context", "8192");
  const body = (i, max_tokens = 4) => JSON.stringify({ prompt: `${i} ` + "All work and no play. ".repeat(isLong ? 150 : 40), max_tokens, temperature: 1, seed: i, logprobs: 1 });
  const ask = (i) => fetch(`${server.url}/v1/completions`, { method: "POST", body: body(i) }).then((reply) => reply.json());
  const alone = await ask(1), times = [];
  for (let round = 0; round < (isLong ? 12 : 6); ++round) {
    const leaving = connect(server, () => leaving.write(requestOf(body(100 + round, 2000), "/v1/completions")));
    const staying = ask(1 + 1000 * round).then(() => ask(1));
    const begun = async () => (await server.health()).models[0].running === 2;
    for (let i = 0; i < 4000 && !(await begun()); ++i) await sleep(1);
    await sleep(isLong ? 137 * round : 3 * round);
    leaving.destroy();
    times.push(await freed(server, 1));
    const { choices } = await staying;
    assert.deepEqual(choices[0].logprobs, alone.choices[0].logprobs, `round ${round}`);
    await freed(server);
  }
  t.diagnostic(`free after, ms: ${times.map((time) => time.toFixed(0)).join(", ")}`);
  await server.stop();
});
