// accounts_test.mjs: `r1 serve` with a ledger, through OpenAI's own client: what a key may do, what it is charged, and
// who is let in. The engine plays a script.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";

import { chatScript, entriesOf, hasNpm, makeKey, R1, r1, serve, sleep, temporaryFolder } from "./served.mjs";

const skip = hasNpm("openai") ? false : "the openai package is not installed: tools/setup_npm.sh";
const { default: OpenAI } = skip ? {} : await import("openai");

const folder = temporaryFolder();
const ledger = path.join(folder, "ledger.db");
let server;

before(async () => {
  makeKey(ledger, "first");
  server = await serve("--engine", `script:${chatScript}`, "--ledger", ledger, "--require-keys");
});
after(() => server?.stop());

const messages = [{ role: "user", content: "Hello" }];
const clientOf = (apiKey, more = {}) => new OpenAI({ baseURL: `${server.url}/v1`, apiKey, maxRetries: 0, ...more });
const create = (apiKey, more = {}, options = {}) =>
  clientOf(apiKey).chat.completions.create({ model: "deepseek-r1-script", messages, max_tokens: 60, ...more }, options);

// A server's word that a request is over reaches the ledger a moment after its client is gone.
async function closed(count) {
  for (let i = 0; i < 400; ++i) {
    const ends = entriesOf(ledger).filter(({ hold_id }) => hold_id > 0);
    if (ends.length >= count) return ends;
    await sleep(25);
  }
  assert.fail(`fewer than ${count} holds were closed`);
}

test("the client's own errors for each refusal", { skip }, async () => {
  const { AuthenticationError, PermissionDeniedError, RateLimitError } = OpenAI;
  await assert.rejects(create("sk-wrong"), AuthenticationError);
  const elsewhere = makeKey(ledger, "elsewhere", "--models", "other");
  await assert.rejects(create(elsewhere.key), PermissionDeniedError);
  const poor = makeKey(ledger, "poor", "--account", "poor", "--credit", "0.0001");
  await assert.rejects(create(poor.key), ({ status, message }) => status === 402 && /Insufficient Balance/.test(message));
  const bounded = makeKey(ledger, "bounded", "--budget", "0.0001");
  await assert.rejects(create(bounded.key), ({ status, message }) => status === 402 && /budget/.test(message));
  const slow = makeKey(ledger, "slow", "--rpm", "1");
  await create(slow.key);
  await assert.rejects(create(slow.key), (error) => {
    const seconds = Number(error.headers.get("retry-after"));
    return error instanceof RateLimitError && seconds >= 1 && seconds <= 60;
  });
});

test("a key that is made or revoked while the server runs counts for the next request", { skip }, async () => {
  const { id, key } = makeKey(ledger, "short-lived");
  assert.equal((await create(key)).choices[0].finish_reason, "stop");
  r1("keys", "revoke", String(id), "--ledger", ledger);
  await assert.rejects(create(key), ({ status }) => status === 401);
});

test("what is charged is what the client was told", { skip }, async () => {
  const { key } = makeKey(ledger, "told", "--account", "told", "--credit", "1");
  const n_before = entriesOf(ledger).filter(({ hold_id }) => hold_id > 0).length;
  const whole = await create(key, { messages: [{ role: "user", content: "strawberry" }], n: 2, max_tokens: 200 });
  let streamed;
  for await (const chunk of await create(key, { stream: true })) streamed = chunk.usage ?? streamed;
  const ends = (await closed(n_before + 2)).slice(n_before);
  let cost = 0;
  for (const [i, usage] of [whole.usage, streamed].entries()) {
    assert.equal(ends[i].kind, "settle");
    assert.equal(ends[i].prompt_tokens, usage.prompt_tokens);
    assert.equal(ends[i].cached_tokens, usage.prompt_cache_hit_tokens);
    assert.equal(ends[i].completion_tokens, usage.completion_tokens);
    cost += usage.prompt_cache_miss_tokens * 550 + usage.prompt_cache_hit_tokens * 140 + usage.completion_tokens * 2190;
  }
  const account = JSON.parse(r1("ledger", "show", "--json", "--ledger", ledger)).find((each) => each.account === "told");
  assert.equal(account.balance_nanousd, 1_000_000_000 - cost);
  assert.equal(account.held_nanousd, 0);
  for (const prefix of ["", "/v1", "/beta"]) {
    const response = await fetch(`${server.url}${prefix}/user/balance`, { headers: { Authorization: `Bearer ${key}` } });
    assert.deepEqual(await response.json(), {
      is_available: true,
      balance_infos: [{ currency: "USD", total_balance: "0.99", granted_balance: "0.00", topped_up_balance: "0.99" }],
    });
  }
});

test("who hangs up pays for what was written until then", { skip }, async () => {
  const { key } = makeKey(ledger, "leaver");
  const n_before = entriesOf(ledger).filter(({ hold_id }) => hold_id > 0).length;
  const stream = await create(key, { messages: [{ role: "user", content: "slowly" }], stream: true, max_tokens: 1000 });
  let n_chunks = 0;
  for await (const _ of stream) if (++n_chunks === 5) break;
  const end = (await closed(n_before + 1)).at(-1);
  assert.equal(end.kind, "settle");
  assert.ok(end.completion_tokens >= 4 && end.completion_tokens < 100, `${end.completion_tokens} tokens`);
});

test("of 50 requests at once, a balance that pays for 7 admits 7", { skip }, async () => {
  const request = { messages: [{ role: "user", content: "stall" }], max_tokens: 100, stream: true };
  const cost = 550 * 10 + 2190 * 100;
  const { key } = makeKey(ledger, "seven", "--account", "seven", "--credit", ((7 * cost) / 1e9).toFixed(9));
  const asked = await Promise.allSettled(Array.from({ length: 50 }, () => create(key, request)));
  const admitted = asked.filter(({ status }) => status === "fulfilled");
  assert.equal(admitted.length, 7);
  for (const { reason } of asked.filter(({ status }) => status === "rejected")) assert.equal(reason.status, 402);
  for (const { value } of admitted) value.controller.abort();
});

test("a repeat with the same Idempotency-Key is charged once", { skip }, async () => {
  const { key } = makeKey(ledger, "once", "--account", "once", "--credit", "1");
  const again = () => create(key, {}, { headers: { "Idempotency-Key": "invoice 7" } });
  const asked = await Promise.allSettled(Array.from({ length: 100 }, again));
  const answers = asked.filter(({ status }) => status === "fulfilled").map(({ value }) => value);
  assert.ok(answers.length > 0);
  for (const { reason } of asked.filter(({ status }) => status === "rejected")) assert.equal(reason.status, 409);
  // The client's own retries wait until the first is answered, and then get the same.
  const patient = clientOf(key, { maxRetries: 5 }).chat.completions.create(
    { model: "deepseek-r1-script", messages, max_tokens: 60 }, { headers: { "Idempotency-Key": "invoice 7" } });
  for (const answer of [...answers, await patient]) assert.deepEqual(answer, answers[0]);
  const ends = entriesOf(ledger).filter(({ kind, request }) => kind === "settle" && request === "invoice 7");
  assert.equal(ends.length, 1);
});

test("what failed and is sent again by the client itself is not charged for what it did not get", { skip }, async () => {
  const { key } = makeKey(ledger, "unlucky", "--account", "unlucky", "--credit", "1");
  const request = { model: "deepseek-r1-script", max_tokens: 60, messages: [{ role: "user", content: "fail" }] };
  const n_before = entriesOf(ledger).length;
  await assert.rejects(clientOf(key, { maxRetries: 2 }).chat.completions.create(request), ({ status }) => status === 500);
  let entries = [];
  for (let i = 0; i < 400 && entries.filter(({ kind }) => kind === "void").length < 3; ++i, await sleep(25))
    entries = entriesOf(ledger).slice(n_before);
  assert.deepEqual(entries.map(({ kind }) => kind), ["reserve", "void", "reserve", "void", "reserve", "void"]);
});

test("a copy made under load is a ledger of some moment, and verifies", { skip }, async () => {
  const { key } = makeKey(ledger, "busy", "--account", "busy", "--credit", "5");
  const running = Array.from({ length: 40 }, () => create(key));
  const copies = [0, 1, 2].map((i) => path.join(folder, `copy-${i}.db`));
  const backup = "import sqlite3, sys; sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True).backup(sqlite3.connect(sys.argv[2]))";
  for (const copy of copies) {
    const made = spawnSync("python3", ["-c", backup, ledger, copy], { encoding: "utf8" });
    assert.equal(made.status, 0, made.stderr);
  }
  await Promise.all(running);
  const all = entriesOf(ledger);
  for (const copy of copies) {
    const entries = entriesOf(copy);
    assert.deepEqual(entries, all.slice(0, entries.length), "the first entries, all of them to some moment");
    assert.match(r1("ledger", "verify", "--ledger", copy), /entries/);
  }
});

test("a server that stops settles what it was writing", { skip }, async () => {
  const other = path.join(folder, "stopping.db");
  const { key } = makeKey(other, "only");
  const stopping = await serve("--engine", `script:${chatScript}`, "--ledger", other, "--require-keys");
  const client = new OpenAI({ baseURL: `${stopping.url}/v1`, apiKey: key, maxRetries: 0 });
  const ask = (content, stream) =>
    client.chat.completions.create({ model: "deepseek-r1-script", messages: [{ role: "user", content }], stream });
  const stream = await ask("stall", true), whole = ask("stall", false);
  whole.catch(() => {});
  for await (const _ of stream) break;
  const ended = stopping.stop("SIGTERM");
  await sleep(100);
  stopping.stop("SIGTERM").catch(() => {});
  await ended;
  const entries = entriesOf(other);
  const n = (kind) => entries.filter((entry) => entry.kind === kind).length;
  assert.equal(n("reserve"), n("settle") + n("void"));
  assert.match(r1("ledger", "verify", "--ledger", other), /0 holds are open/);
});

test("where others can reach it, a server needs a key in its ledger", () => {
  const empty = path.join(folder, "empty.db");
  const refused = (...args) => spawnSync(R1, ["serve", "--engine", `script:${chatScript}`, "--port", "0", ...args],
                                         { encoding: "utf8", env: { ...process.env, R1_HOME: folder } });
  const none = refused("--host", "0.0.0.0", "--ledger", empty);
  assert.equal(none.status, 1);
  assert.match(none.stderr, /no ledger .*r1 keys create/);
  r1("keys", "revoke", String(makeKey(empty, "gone").id), "--ledger", empty);
  const revoked = refused("--host", "0.0.0.0", "--ledger", empty);
  assert.equal(revoked.status, 1);
  assert.match(revoked.stderr, /no API key/);
  writeFileSync(path.join(folder, "nothing.db"), "");
  assert.equal(refused("--ledger", path.join(folder, "nothing.db")).status, 1);
  const second = refused("--ledger", ledger);
  assert.equal(second.status, 1);
  assert.match(second.stderr, /another process that serves/);
});
