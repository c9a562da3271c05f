// models_test.mjs: several models in one server: loaded when asked for, unloaded when idle or when another needs the
// place, within a budget; what is loading holds nobody else up.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createWriteStream, readFileSync, renameSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { makeKey, r1, serve, sleep, synthesize, temporaryFolder } from "./served.mjs";

const shapes = ["tiny-deepseek", "tiny-qwen2", "tiny-llama"];
const files = Object.fromEntries(shapes.map((shape) => [shape, synthesize(shape)]));
const [a, b, c] = shapes.map((shape) => `${shape}.gguf`);
const paths = Object.values(files);
const few = ["-t", "1", "--parallel", "1"];
const kServerBytes = 32 << 20;

const chat = (server, model, more = {}, headers = {}) =>
  fetch(`${server.url}/v1/chat/completions`, {
    method: "POST",
    headers,
    body: JSON.stringify({ model, messages: [{ role: "user", content: "hi" }], max_tokens: 4, seed: 1, ...more }),
  });

async function expectAnswer(server, model, more) {
  const reply = await chat(server, model, more), text = await reply.text();
  assert.equal(reply.status, 200, text);
  if (!more?.stream) assert.equal(JSON.parse(text).model, model);
}

async function states(server) {
  const { data } = await (await fetch(`${server.url}/v1/models`)).json();
  return Object.fromEntries(data.map(({ id, state }) => [id, state]));
}

async function expectState(server, model, wanted) {
  let state;
  for (let i = 0; i < 400 && state !== wanted; ++i, await sleep(25)) state = (await states(server))[model];
  assert.equal(state, wanted, model);
}

async function metric(server, name, model) {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return Number(text.match(new RegExp(`^${name}\\{model="${model}"\\} (.*)$`, "m"))?.[1]);
}

// What each takes: with one answer at a time the cache is one context, whatever memory there is.
async function sizes() {
  const server = await serve(...paths, ...few);
  const bytes = {};
  for (const model of [a, b, c]) bytes[model] = await metric(server, "r1_model_bytes", model);
  await server.stop();
  return bytes;
}

test("the first is loaded at once, the others when they are asked for", async () => {
  const config = path.join(temporaryFolder(), "serve.toml");
  writeFileSync(config, `MODEL = [${paths.map((file) => `"${file}"`).join(", ")}]\nparallel = 1\nthreads = 1\n`);
  const server = await serve("--config", config);
  assert.equal((await fetch(`${server.url}/ready`)).status, 200);
  assert.deepEqual(await states(server), { [a]: "loaded", [b]: "unloaded", [c]: "unloaded" });
  assert.equal(await metric(server, "r1_model_loaded", b), 0);
  const unloaded = await (await fetch(`${server.url}/v1/models/${b}`)).json();
  assert.ok(unloaded.context_length > 0, "known before it is loaded");

  await Promise.all([expectAnswer(server, b), expectAnswer(server, b, { stream: true }), expectAnswer(server, a)]);
  assert.deepEqual(await states(server), { [a]: "loaded", [b]: "loaded", [c]: "unloaded" });
  assert.equal(await metric(server, "r1_model_loaded", b), 1);
  assert.equal(await metric(server, "r1_model_loads_total", b), 1, "once for both");
  const health = await server.health();
  assert.deepEqual(health.models.map(({ state }) => state), ["loaded", "loaded", "unloaded"]);

  const refused = await chat(server, c, { temperature: 3 });
  assert.equal(refused.status, 422);
  assert.equal((await states(server))[c], "unloaded", "not for a request that is refused anyway");
  assert.equal((await chat(server, "nobody")).status, 404);
  await server.stop("SIGTERM");
});

test("within a budget the one used longest ago leaves", async () => {
  const bytes = await sizes();
  const memory = kServerBytes + Math.max(bytes[a] + bytes[b], bytes[b] + bytes[c], bytes[a] + bytes[c]);
  const server = await serve(...paths, ...few, "--memory", String(memory));
  await expectAnswer(server, b);
  await expectAnswer(server, a);
  await expectAnswer(server, c);
  assert.deepEqual(await states(server), { [a]: "loaded", [b]: "unloaded", [c]: "loaded" });
  for (let i = 0; i < 100 && server.maps().includes(files["tiny-qwen2"]); ++i) await sleep(25);
  assert.ok(!server.maps().includes(files["tiny-qwen2"]), "its file is not mapped any more");

  // A stream that nobody reads keeps its model: b and c can't both have the other place.
  await Promise.all([b, c, b, c, b, c].map((model) => expectAnswer(server, model, { stream: true })));
  const loaded = Object.values(await states(server)).filter((state) => state === "loaded");
  assert.ok(loaded.length <= 2);
  await server.stop();
});

test("a model larger than the budget is refused, and the first ends the start", async () => {
  const bytes = await sizes();
  const [small, large] = bytes[a] < bytes[b] ? [a, b] : [b, a];
  const fileOf = (model) => files[path.basename(model, ".gguf")];
  const memory = String(kServerBytes + bytes[small]);
  const server = await serve(fileOf(small), fileOf(large), ...few, "--memory", memory);
  for (const stream of [false, true]) {
    const reply = await chat(server, large, { stream });
    assert.equal(reply.status, 400);
    const { error } = await reply.json();
    assert.equal(error.code, "model_too_large");
    assert.match(error.message, /needs .* GiB/);
  }
  await expectAnswer(server, small);
  await server.stop();
  await assert.rejects(serve(fileOf(large), ...few, "--memory", memory), /ended with 1: .*--memory leaves/s);
  await assert.rejects(serve(fileOf(small), ...few, "--memory", "1M"), /ended with 1: .*less than the server itself/s);
});

test("a model whose file is cut short under it is 503, and comes back with its file; the others don't notice", async () => {
  const copy = path.join(temporaryFolder(), "copy.gguf"), whole = readFileSync(files["tiny-qwen2"]);
  writeFileSync(copy, whole);
  const server = await serve(files["tiny-deepseek"], copy, ...few);
  await expectAnswer(server, "copy.gguf");
  truncateSync(copy, 0);
  for (let i = 0; i < 2; ++i) {
    const reply = await chat(server, "copy.gguf", {});
    assert.equal(reply.status, 503);
    const text = await reply.text();
    assert.match(JSON.parse(text).error.code, /^model_(damaged|not_loaded)$/);
    assert.ok(!text.includes(path.dirname(copy)), "where it lies is nobody's business");
    await expectAnswer(server, a);
  }
  writeFileSync(copy, whole);
  let reply;
  for (let i = 0; i < 200 && reply?.status !== 200; ++i, await sleep(25)) reply = await chat(server, "copy.gguf", {});
  assert.equal(reply.status, 200);
  const said = await server.stop();
  assert.match(said, /copy\.gguf: cut short/);
});

test("an idle model is unloaded and comes again", async () => {
  const server = await serve(...paths, ...few, "--idle-seconds", "0.3");
  await expectAnswer(server, b);
  await expectState(server, b, "unloaded");
  await expectState(server, a, "unloaded");
  assert.equal((await fetch(`${server.url}/ready`)).status, 200, "it takes requests all the same");
  const [first] = (await server.health()).models;
  assert.equal(first.running + first.kv_blocks_total, 0);
  await expectAnswer(server, b);
  assert.equal(await metric(server, "r1_model_loads_total", b), 2);
  const format = { response_format: { type: "json_object" }, messages: [{ role: "user", content: "json please" }] };
  await expectAnswer(server, a, format);
  await expectState(server, a, "unloaded");
  await expectAnswer(server, a, format); // with a grammar over the new tokenizer
  await server.stop();
});

// A folder whose tokenizer comes through a pipe: loading waits until it is written.
function slowModel() {
  const folder = path.join(temporaryFolder(), "slow"), file = path.join(folder, "tokenizer.json");
  r1("synth", "tiny-llama", folder);
  renameSync(file, `${file}.kept`);
  assert.equal(spawnSync("mkfifo", [file]).status, 0);
  return { folder, finish: () => createWriteStream(file).end(readFileSync(`${file}.kept`)) };
}

test("what is loading holds nobody else up", async () => {
  const slow = slowModel();
  const server = await serve(files["tiny-deepseek"], slow.folder, ...few);
  const waiting = [chat(server, "slow"), chat(server, "slow", { stream: true })];
  await expectState(server, "slow", "loading");
  const given_up = new AbortController();
  const gone = fetch(`${server.url}/v1/completions`, {
    method: "POST",
    body: JSON.stringify({ model: "slow", prompt: "hi" }),
    signal: given_up.signal,
  });
  await expectAnswer(server, a);
  await expectAnswer(server, a, { stream: true });
  given_up.abort();
  await assert.rejects(gone);
  assert.equal((await fetch(`${server.url}/ready`)).status, 200);
  slow.finish();
  for (const reply of await Promise.all(waiting)) {
    assert.equal(reply.status, 200);
    await reply.text();
  }
  await expectState(server, "slow", "loaded");
  await server.stop();
});

test("a load that takes long doesn't leave its clients without a sign", async () => {
  const slow = slowModel();
  const server = await serve(files["tiny-deepseek"], slow.folder, ...few);
  const reply = await chat(server, "slow", { stream: true }); // its header, after a silence of 8 seconds
  assert.equal(reply.headers.get("content-type"), "text/event-stream; charset=utf-8");
  assert.equal((await states(server)).slow, "loading");
  slow.finish();
  assert.match(await reply.text(), /data: \[DONE\]\n\n$/);
  await server.stop();
});

test("a stop while a model loads waits for the answers, not for the load", async () => {
  const slow = slowModel(), ledger = path.join(temporaryFolder(), "ledger.db");
  const { key } = makeKey(ledger, "k", "--credit", "1");
  const server = await serve(files["tiny-deepseek"], slow.folder, ...few, "--ledger", ledger, "--drain-seconds", "0.5");
  const headers = { Authorization: `Bearer ${key}` };
  assert.equal((await chat(server, a, {}, headers)).status, 200);
  const waiting = chat(server, "slow", {}, headers);
  await expectState(server, "slow", "loading");
  const stopped = server.stop("SIGTERM");
  assert.equal((await waiting).status, 503);
  await stopped;
  r1("ledger", "verify", "--ledger", ledger);
});

test("a model that can't be loaded is an answer, not an end; a key loads only what it is for", async () => {
  const slow = slowModel(), ledger = path.join(temporaryFolder(), "ledger.db");
  writeFileSync(path.join(slow.folder, "tokenizer.json.kept"), "{}");
  const { key } = makeKey(ledger, "k", "--credit", "1", "--models", a);
  const server = await serve(files["tiny-deepseek"], slow.folder, files["tiny-qwen2"], ...few, "--ledger", ledger);
  const waiting = chat(server, "slow");
  await expectState(server, "slow", "loading");
  slow.finish();
  const reply = await waiting;
  assert.equal(reply.status, 503);
  assert.ok(Number(reply.headers.get("retry-after")) > 0);
  const { error } = await reply.json();
  assert.equal(error.code, "model_not_loaded");
  assert.ok(!error.message.includes(slow.folder), "where it lies is for the log");
  const forbidden = await chat(server, b, {}, { Authorization: `Bearer ${key}` });
  assert.equal(forbidden.status, 403);
  assert.equal((await states(server))[b], "unloaded");
  await expectAnswer(server, a);
  const said = await server.stop();
  assert.ok(said.includes(slow.folder), said);
});
