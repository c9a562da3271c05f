// soak_test.mjs: r1 serve under mixed requests for as long as R1_SOAK_MINUTES says (default: twelve seconds): does its memory grow, do its
// files? Four accounts with keys and a ledger, streams and whole answers in three dialects, prompts that come again and prompts that
// push others out of the prefix cache and its disk, a third of all given up at some moment, some that are refused.
// R1_SOAK_RATE: requests a second (default 8), so that the machine can do other things meanwhile.
//
// Idempotency-Keys are left out: the ledger remembers each for a day, which is growth that is meant.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { entriesOf, makeKey, r1, serve, sleep, temporaryFolder } from "./served.mjs";

const kMinutes = Number(process.env.R1_SOAK_MINUTES ?? 0.2), kRate = Number(process.env.R1_SOAK_RATE ?? 8);
const kMegabytesPerHour = 1;
const kSampleMs = 2000;
// Before so many requests (and in the first third of the time) memory fills what it is meant to fill: SQLite's cache of 2 MB for the ledger
// takes 9,000. And what it does in less than ten minutes afterwards says nothing of its future.
const kWarmRequests = 10_000, kJudgedMinutes = 10;
const kToken = "a-token-of-the-operators";
const nano = fileURLToPath(new URL("../../models/r1-nano.gguf", import.meta.url));

// The slope of y over x by least squares, and how far it can be off (99 %, one side). Neighbouring samples of a process's memory are
// nearly the same sample: so it is that of the means of ten stretches, and its error is what these say. Student's t for 8 degrees.
function slope(points) {
  const kStretches = 10, kStudent = 2.896;
  const mean = (numbers) => numbers.reduce((sum, each) => sum + each, 0) / numbers.length;
  const means = Array.from({ length: kStretches }, (_, i) => {
    const some = points.slice(Math.floor((i * points.length) / kStretches), Math.floor(((i + 1) * points.length) / kStretches));
    return { x: mean(some.map(({ x }) => x)), y: mean(some.map(({ y }) => y)) };
  });
  const x = mean(means.map((each) => each.x)), y = mean(means.map((each) => each.y));
  const spread = means.reduce((sum, each) => sum + (each.x - x) ** 2, 0);
  const rise = means.reduce((sum, each) => sum + (each.x - x) * (each.y - y), 0) / spread;
  const left = means.reduce((sum, each) => sum + (each.y - y - rise * (each.x - x)) ** 2, 0);
  return { rise, error: kStudent * Math.sqrt(left / (kStretches - 2) / spread) };
}

// The same numbers in every run.
function random(seed) {
  return () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
}

test("the slope of a leak is told from none, in memory that jumps by itself", () => {
  const next = random(3);
  const memory = (leak) => Array.from({ length: 500 }, (_, i) => ({ x: i / 1000, y: 100 + (leak * i) / 1000 + 0.3 * (i % 97 < 20) + 0.1 * next() }));
  const leaking = slope(memory(3)), flat = slope(memory(0));
  assert.ok(leaking.rise - leaking.error > kMegabytesPerHour, JSON.stringify(leaking));
  assert.ok(flat.rise + flat.error < kMegabytesPerHour && flat.rise - flat.error < 0, JSON.stringify(flat));
});

const kQuestions = ["What is 17 + 25?", "Solve: 3 * x + 4 = 19", "Sort these letters: q d a z", "What comes next: 2, 4, 8, 16?"];

// [path, body] of a request of one of three dialects.
function requestOf(next, i) {
  const stream = next() < 0.5, max_tokens = 1 + Math.floor(next() * 150);
  const again = `${"You are careful, and you answer briefly. ".repeat(3)}${kQuestions[i % kQuestions.length]}`;
  const content = next() < 0.7 ? again : `${i} ${"and one more thing ".repeat(Math.floor(next() * 40))}?`;
  const messages = [{ role: "user", content }];
  const kind = next();
  if (kind < 0.6) return ["/v1/chat/completions", { messages, stream, max_tokens, temperature: 1, seed: i }];
  if (kind < 0.8) return ["/v1/completions", { prompt: content, stream, max_tokens }];
  return ["/v1/messages", { model: "r1-nano", messages, stream, max_tokens }];
}

// How it ended: "whole", "given up", or "refused".
async function ask(url, keys, next, i) {
  const isRefused = next() < 0.05, isGivenUp = next() < 1 / 3;
  const [where, body] = requestOf(next, i);
  const controller = new AbortController();
  const timer = isGivenUp ? setTimeout(() => controller.abort(), next() * 20) : undefined;
  const headers = { "Content-Type": "application/json", Authorization: `Bearer ${isRefused ? "sk-r1-nobody" : keys[i % keys.length]}` };
  try {
    const response = await fetch(url + where, { method: "POST", headers, body: JSON.stringify(body), signal: controller.signal });
    const text = await response.text();
    assert.equal(response.status, isRefused ? 401 : 200, text);
    if (!isRefused) assert.match(text, body.stream ? /(\[DONE\]|message_stop"\})\n\n$/ : /"usage"/);
    return isRefused ? "refused" : "whole";
  } catch (error) {
    if (isGivenUp && error.name === "AbortError") return "given up";
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

// Passes as large as they can get: their scratch memory grows to that, whenever as much comes together for the first time.
async function fillPasses(url, key) {
  const ask = async (number) => {
    const body = JSON.stringify({ prompt: `${number}${" and one more thing".repeat(45)}`, max_tokens: 2 });
    const response = await fetch(`${url}/v1/completions`, { method: "POST", headers: { Authorization: `Bearer ${key}` }, body });
    assert.equal(response.status, 200, await response.text());
  };
  for (let round = 0; round < 3; ++round) await Promise.all(Array.from({ length: 16 }, (_, k) => ask(16 * round + k)));
}

test(`${kMinutes} minutes of mixed requests leave no memory and no file behind`, async (t) => {
  const folder = temporaryFolder(), ledger = path.join(folder, "ledger.db"), token = path.join(folder, "token");
  writeFileSync(token, kToken, { mode: 0o600 });
  const keys = Array.from({ length: 4 }, (_, i) => makeKey(ledger, `key ${i}`, "--account", `account ${i}`, "--credit", "1000").key);
  const server = await serve(nano, "--name", "r1-nano", "-t", "1", "--parallel", "4", "--context", "1024", "--ledger", ledger, "--require-keys", "--operator-token-file", token,
    "--prefix-cache", path.join(folder, "prefixes"), "--prefix-cache-bytes", "4MB");
  const health = async () => (await fetch(`${server.url}/health`, { headers: { Authorization: `Bearer ${kToken}` } })).json();
  // Descriptors besides connections, once nothing runs; a connection may open between the two looks.
  const filesAtRest = async (wanted) => {
    let n_files;
    for (let i = 0; i < 200; ++i) {
      const { http, models } = await health();
      n_files = server.n_files() - http.connections;
      if (models[0].running + models[0].waiting === 0 && (wanted === undefined || n_files === wanted)) return n_files;
      await sleep(25);
    }
    return n_files;
  };
  await fillPasses(server.url, keys[0]);
  const next = random(51), ends = { whole: 0, "given up": 0, refused: 0 }, running = new Set(), samples = [];
  const begin = performance.now(), hours = () => (performance.now() - begin) / 3_600_000;
  let failure, n_files_before, i = 0;
  while (!failure && hours() * 60 < kMinutes) {
    const one = ask(server.url, keys, next, ++i).then((end) => ++ends[end], (error) => (failure = error)).finally(() => running.delete(one));
    running.add(one);
    if (i === 40) {
      await Promise.all(running);
      n_files_before = await filesAtRest();
    }
    if (hours() * 3_600_000 > samples.length * kSampleMs) samples.push({ x: hours(), y: server.rss_kb() / 1024, n: i });
    await sleep(1000 / kRate);
  }
  await Promise.all(running);
  if (failure) throw failure;
  const n_files = await filesAtRest(n_files_before);
  await server.stop();
  t.diagnostic(`${i} requests: ${Object.entries(ends).map(([name, n]) => `${n} ${name}`).join(", ")}; ${n_files} files open at rest, ${n_files_before} at first`);
  assert.equal(n_files, n_files_before);
  assert.ok(Object.values(ends).every((n) => n > 0), JSON.stringify(ends));
  assert.match(r1("ledger", "verify", "--ledger", ledger), / 0 holds are open/);
  assert.equal(entriesOf(ledger).filter(({ kind }) => kind === "settle").length >= ends.whole, true, "each whole answer was charged");

  const judged = samples.filter(({ x, n }) => n > kWarmRequests && x * 60 > kMinutes / 3);
  const minutes = judged.length * kSampleMs / 60_000;
  const shown = (some) => some.filter((_, k) => k % Math.ceil(some.length / 12) === 0).map(({ y }) => y.toFixed(1)).join(" ");
  t.diagnostic(`MB resident, all the time: ${shown(samples)}; of the last ${minutes.toFixed(0)} minutes: ${shown(judged)}`);
  if (minutes < kJudgedMinutes) return t.diagnostic("too short to judge what its memory does");
  const { rise, error } = slope(judged);
  t.diagnostic(`${rise.toFixed(2)} MB/h, give or take ${error.toFixed(2)} (99 %)`);
  if (rise + error > kMegabytesPerHour) t.diagnostic(`too short, or too uneven, to show that it is below ${kMegabytesPerHour} MB/h`);
  assert.ok(rise - error < kMegabytesPerHour, `it grows by more than ${kMegabytesPerHour} MB/h`);
});
