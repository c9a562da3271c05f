// ledger_crash_test.mjs: `kill -9` of `r1 serve` during 64 parallel streams, again and again on one ledger. Afterwards
// nothing is lost and nothing doubled: who has seen the end of an answer was charged for it once, by the usage in it, and
// every other reservation was settled or voided once. The same for a ledger in PostgreSQL, and there again with the
// database killed in place of the server. R1_SERVE_KILLS=1000 for many more kills than the usual five.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { test } from "node:test";

import { postgresServer } from "./postgres.mjs";
import { entriesOf, makeKey, r1, serve, sleep, temporaryFolder } from "./served.mjs";

const kKills = Number(process.env.R1_SERVE_KILLS ?? 5), kKillsOfOne = 50;
const kStreams = 64;
const kAccounts = 4;
const kCredit = 1000;  // dollars

const folder = temporaryFolder();
const script = path.join(folder, "script.json");
writeFileSync(script, JSON.stringify({
  model: "r1", parallel: kStreams, answers: [
    { ms_per_token: 1, steps: [{ text: " word", repeat: 10 }, { text: "\n</think>\n\nShort." }] },
    { ms_per_token: 2, cached_tokens: 5, steps: [{ text: " word", repeat: 40 }, { text: "\n</think>\n\nLonger." }] },
    { steps: [{ text: "At once.\n</think>\n\nDone." }] },
    { ms_per_token: 1, steps: [{ text: " word", repeat: 8 }, { fail: "as the script says" }] },
  ],
}));

// What the server sent, complete or not; null when it can't be reached any more.
function post(url, headers, body) {
  return new Promise((resolve) => {
    const request = http.request(`${url}/v1/chat/completions`, { method: "POST", headers, agent: false }, (response) => {
      let text = "";
      response.on("data", (bytes) => (text += bytes));
      response.on("error", () => {});  // "close" follows
      response.on("close", () => resolve({ status: response.statusCode, text }));
    });
    request.on("error", () => resolve(null));
    request.end(body);
  });
}

// The usage that the client was told, or null when it has not seen the end. 503: the ledger can't be reached.
async function stream(url, key, request) {
  const headers = { Authorization: `Bearer ${key}`, "Idempotency-Key": request };
  const body = { stream: true, max_tokens: 200, messages: [{ role: "user", content: "Hello there" }] };
  const answer = await post(url, headers, JSON.stringify(body));
  if (answer === null) return null;
  if (answer.status === 503) return null;
  assert.equal(answer.status, 200, `request ${request}: ${answer.status}`);
  if (!answer.text.endsWith("data: [DONE]\n\n")) return null;
  const events = answer.text.split("\n\n").filter((event) => event.startsWith("data: {"));
  return JSON.parse(events.at(-1).slice(6)).usage;
}

// Requests in kStreams lanes until `kill` has killed what it kills; what was answered to its end goes into `told`.
async function load(server, keys, round, told, kill) {
  let stopped = false;
  const lane = async (number) => {
    for (let turn = 0; !stopped; ++turn) {
      const request = `${round}-${number}-${turn}`;
      const usage = await stream(server.url, keys[number % keys.length], request);
      if (usage) told.set(request, usage);
      if (usage === null) await sleep(5);
    }
  };
  const lanes = Promise.all(Array.from({ length: kStreams }, (_, number) => lane(number)));
  await sleep(30 + ((round * 7919) % 400));  // another moment in every round
  await kill(() => (stopped = true)).finally(() => (stopped = true));  // or a failure would leave them going for ever
  await lanes;
}

// An oracle that knows nothing of the ledger but its columns.
function sumsOf(entries) {
  const accounts = new Map(), open = new Map();
  for (const entry of entries) {
    const account = accounts.get(entry.account_id) ?? { balance: 0, held: 0 };
    accounts.set(entry.account_id, account);
    if (entry.kind === "credit") account.balance += entry.amount_nanousd;
    if (entry.kind === "reserve") open.set(entry.seq, entry), account.held += entry.amount_nanousd;
    if (entry.kind !== "settle" && entry.kind !== "void") continue;
    const hold = open.get(entry.hold_id);
    assert.ok(hold, `entry ${entry.seq}: hold ${entry.hold_id} is closed twice or was never made`);
    open.delete(entry.hold_id);
    account.held -= hold.amount_nanousd;
    account.balance -= entry.amount_nanousd;
    const { prompt_tokens, cached_tokens, completion_tokens } = entry;
    const cost = (prompt_tokens - cached_tokens) * 550 + cached_tokens * 140 + completion_tokens * 2190;
    assert.equal(entry.amount_nanousd, entry.kind === "settle" ? cost : 0);
  }
  return { accounts, open };
}

const makeKeys = (ledger) => Array.from({ length: kAccounts }, (_, i) =>
  makeKey(ledger, `key ${i}`, "--account", `account ${i}`, "--credit", String(kCredit)).key);
const start = (ledger) => serve("--engine", `script:${script}`, "--ledger", ledger, "--require-keys");

// Entries against what clients were told. Every hold must have been closed.
function compare(ledger, told) {
  const entries = entriesOf(ledger);
  const { accounts, open } = sumsOf(entries);
  assert.equal(open.size, 0, "every hold was closed");
  const settled = new Map();
  for (const entry of entries.filter(({ kind }) => kind === "settle")) {
    assert.ok(!settled.has(entry.request), `${entry.request} was charged twice`);
    settled.set(entry.request, entry);
  }
  for (const [request, usage] of told) {
    const entry = settled.get(request);
    assert.ok(entry, `${request} was answered to its end and is not charged`);
    assert.equal(entry.prompt_tokens, usage.prompt_tokens);
    assert.equal(entry.cached_tokens, usage.prompt_cache_hit_tokens);
    assert.equal(entry.completion_tokens, usage.completion_tokens);
  }
  for (const shown of JSON.parse(r1("ledger", "show", "--json", "--ledger", ledger))) {
    assert.equal(shown.balance_nanousd, accounts.get(shown.id).balance, shown.account);
    assert.equal(shown.held_nanousd, 0);
  }
  assert.match(r1("ledger", "verify", "--ledger", ledger), / 0 holds are open/);
  const voids = entries.filter(({ kind }) => kind === "void");
  console.log(`# ${entries.length} entries, ${told.size} answers complete, ${settled.size} settled, ${voids.length} voided`);
  return voids;
}

// Kills in all, each so many of them on a new ledger: a ledger remembers the Idempotency-Keys of a day, and a server that starts reads
// them all.
async function inTurns(newLedger, killSome) {
  for (let done = 0; done < kKills; done += kKillsOfOne) await killSome(await newLedger(), Math.min(kKillsOfOne, kKills - done));
}

async function killServers(ledger, n_kills) {
  const keys = makeKeys(ledger), told = new Map();
  for (let round = 0; round < n_kills; ++round) {
    const server = await start(ledger);
    await load(server, keys, round, told, (stop) => {
      stop();
      return server.kill();
    });
    if (round % 20 === 0) r1("ledger", "verify", "--ledger", ledger);  // walks all entries: not after each
  }
  await (await start(ledger)).stop();  // voids what the last kill left
  const abandoned = compare(ledger, told).filter(({ detail }) => detail.startsWith("abandoned"));
  assert.ok(told.size > 0 && abandoned.length > 0, `${told.size} answers were complete, ${abandoned.length} cut off by a kill`);
}

async function killDatabases(postgres, ledger, n_kills) {
  const keys = makeKeys(ledger), told = new Map();
  const server = await start(ledger);
  for (let round = 0; round < n_kills; ++round) {
    const n_before = told.size;
    await load(server, keys, round, told, async (stop) => {
      await postgres.kill();
      const body = '{"stream": true, "messages": [{"role": "user", "content": "x"}]}';
      let n_asked = 0;
      const ask = () => post(server.url, { Authorization: `Bearer ${keys[0]}`, "Idempotency-Key": `asked-${round}-${++n_asked}` }, body);
      let refused = await ask();
      while (refused.status === 200) refused = await ask();  // its connections have not noticed yet
      assert.equal(refused.status, 503, refused.text);
      assert.ok(!refused.text.includes(folder), "where the ledger is, is nobody's business");
      await postgres.start();
      const n_killed = told.size;
      while (told.size < n_killed + kStreams) await sleep(10);
      stop();
    });
    assert.ok(told.size > n_before);
  }
  await server.stop();
  await (await start(ledger)).stop();
  compare(ledger, told);
}

test(`${kKills} kills during ${kStreams} streams lose nothing and double nothing`, async () => {
  let n_ledgers = 0;
  await inTurns(() => path.join(folder, `ledger-${++n_ledgers}.db`), killServers);
});

test(`${kKills} kills during ${kStreams} streams, with the ledger in PostgreSQL`, async () => {
  await inTurns((await postgresServer()).newDatabase, killServers);
});

test(`${kKills} kills of PostgreSQL during ${kStreams} streams: 503 until it is back, nothing lost, nothing doubled`, async () => {
  const postgres = await postgresServer();
  await inTurns(postgres.newDatabase, (ledger, n_kills) => killDatabases(postgres, ledger, n_kills));
});
