// operation_test.mjs: what an operator relies on, with the real program: readiness, metrics, and the two ways to stop.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { R1, chatScript, serve, sleep, temporaryFolder } from "./served.mjs";

const scripted = (...args) => serve("--engine", `script:${chatScript}`, ...args);
const chat = (server, content, more = {}) =>
  fetch(`${server.url}/v1/chat/completions`, {
    method: "POST",
    body: JSON.stringify({ messages: [{ role: "user", content }], ...more }),
  });
const chunks = (text) => text.split("\n\n").filter((event) => event.startsWith("data: {")).map((event) => JSON.parse(event.slice(6)));

// Reads a stream until it holds `wanted`; rest() is what comes after, to the end.
async function begun(reply, wanted) {
  const reader = reply.body.getReader(), decoder = new TextDecoder();
  let text = "";
  while (!text.includes(wanted)) {
    const { done, value } = await reader.read();
    assert.ok(!done, `the stream ended with: ${text}`);
    text += decoder.decode(value);
  }
  return async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return text;
      text += decoder.decode(value);
    }
  };
}

test("ready, healthy and counting while it runs", async () => {
  const server = await scripted();
  const ready = await fetch(`${server.url}/ready`);
  assert.equal(ready.status, 200);
  assert.deepEqual(await ready.json(), { status: "ready" });
  assert.equal((await chat(server, "hi")).status, 200);
  const metrics = await fetch(`${server.url}/metrics`);
  assert.match(metrics.headers.get("content-type"), /^text\/plain; version=0\.0\.4/);
  const text = await metrics.text();
  assert.match(text, /^r1_answers_total\{model="deepseek-r1-script",finish="stop"\} 1$/m);
  assert.match(text, /^r1_time_to_first_token_seconds_count\{model="deepseek-r1-script"\} 1$/m);
  assert.match(text, /^r1_http_responses_total\{status="200"\} [23]$/m);
  await server.stop("SIGTERM");
});

test("SIGTERM: not ready at once, new work refused, what runs finishes", async () => {
  const server = await scripted("--drain-seconds", "60");
  const running = await chat(server, "slowly", { stream: true, max_tokens: 40 });
  const rest = await begun(running, "steady");
  const stopped = server.stop("SIGTERM");
  await sleep(50);
  const ready = await fetch(`${server.url}/ready`);
  assert.equal(ready.status, 503);
  assert.deepEqual(await ready.json(), { status: "stopping" });
  assert.equal((await fetch(`${server.url}/health`)).status, 200);
  const refused = await chat(server, "hi");
  assert.equal(refused.status, 503);
  assert.ok(Number(refused.headers.get("retry-after")) > 0);
  const text = await rest();
  assert.ok(text.endsWith("data: [DONE]\n\n"));
  assert.equal(chunks(text).at(-1).choices[0].finish_reason, "length", "as max_tokens has it");
  assert.equal(chunks(text).at(-1).usage.completion_tokens, 40);
  await stopped;
});

test("what outlasts the drain ends with a reason, the usage and [DONE]", async () => {
  const server = await scripted("--drain-seconds", "0.3");
  const streams = await Promise.all([{}, { stream_options: { include_usage: true } }, { n: 2 }].map(async (more) => {
    const reply = await chat(server, "stall", { stream: true, ...more });
    return begun(reply, "here.");
  }));
  const whole = chat(server, "stall");
  await sleep(100);
  const started = Date.now();
  const stopped = server.stop("SIGTERM");
  const texts = await Promise.all(streams.map((rest) => rest()));
  assert.ok(Date.now() - started >= 250, "it was given its time");
  for (const [i, text] of texts.entries()) {
    assert.ok(text.endsWith("data: [DONE]\n\n"), text);
    const events = chunks(text);
    const ends = events.flatMap(({ choices }) => choices).filter((choice) => choice.finish_reason);
    assert.equal(ends.length, i === 2 ? 2 : 1);
    for (const end of ends) {
      assert.equal(end.finish_reason, "insufficient_system_resource");
      assert.equal(end.finish_detail, "server_stopping");
    }
    const usages = events.filter(({ usage }) => usage);
    assert.equal(usages.length, 1, "the usage comes once");
    assert.equal(usages[0], events.at(-1));
    assert.equal(usages[0].usage.completion_tokens, i === 2 ? 8 : 4, "I will stop here.");
  }
  assert.equal((await whole).status, 503, "an answer of which nothing was sent can be asked for again");
  await stopped;
});

test("a second signal ends it at once", async () => {
  const server = await scripted("--drain-seconds", "600");
  const rest = await begun(await chat(server, "stall", { stream: true }), "here.");
  const started = Date.now();
  const stopped = server.stop("SIGTERM");
  await sleep(100);
  server.signal("SIGTERM");
  assert.ok((await rest()).endsWith("data: [DONE]\n\n"));
  await stopped;
  assert.ok(Date.now() - started < 5000);
});

test("an answer that repeats itself ends, unless it may", async () => {
  const script = path.join(temporaryFolder(), "loop.json");
  const steps = [{ text: "Let me see.\n</think>\n\n" }, { text: " again and again", repeat: 1000 }];
  writeFileSync(script, JSON.stringify({ detects_repetition: true, context_length: 8192, answers: [{ steps }] }));
  const server = await serve("--engine", `script:${script}`);
  const cut = (await (await chat(server, "hi")).json());
  assert.equal(cut.choices[0].finish_reason, "length");
  assert.equal(cut.choices[0].finish_detail, "repetition");
  assert.ok(cut.usage.completion_tokens >= 1024 && cut.usage.completion_tokens < 1040, cut.usage.completion_tokens);
  const streamed = chunks(await (await chat(server, "hi", { stream: true })).text());
  assert.equal(streamed.at(-1).choices[0].finish_detail, "repetition");
  assert.equal(streamed.map(({ choices }) => choices[0].delta.content ?? "").join(""), cut.choices[0].message.content);
  const whole = await (await chat(server, "hi", { detect_repetition: false })).json();
  assert.equal(whole.choices[0].finish_reason, "stop");
  assert.ok(!("finish_detail" in whole.choices[0]));
  assert.ok(whole.usage.completion_tokens > 3000);
  await server.stop();
});

test("while it loads it answers, but is not ready; a model that can't be loaded ends it", async () => {
  // A pipe in place of the script: loading waits until something is written.
  const { spawnSync } = await import("node:child_process");
  const fifo = path.join(temporaryFolder(), "script.json");
  assert.equal(spawnSync("mkfifo", [fifo]).status, 0);
  const port = 20000 + (process.pid % 20000);
  const starting = serve("--port", String(port), "--engine", `script:${fifo}`);
  starting.catch(() => {});
  const url = `http://127.0.0.1:${port}`;
  let ready;
  for (let i = 0; i < 200 && !ready; ++i) ready = await fetch(`${url}/ready`).catch(() => sleep(25));
  assert.equal(ready.status, 503);
  assert.deepEqual(await ready.json(), { status: "loading" });
  const refused = await chat({ url }, "hi");
  assert.equal(refused.status, 503);
  assert.equal((await refused.json()).error.code, "loading");
  assert.equal((await (await fetch(`${url}/health`)).json()).state, "loading");
  assert.match(await (await fetch(`${url}/metrics`)).text(), /^r1_ready 0$/m);
  writeFileSync(fifo, JSON.stringify({ answers: [{ steps: [{ text: "x" }] }] }));
  const server = await starting;
  assert.equal((await fetch(`${url}/ready`)).status, 200);
  await server.stop();
  await assert.rejects(serve("nowhere.gguf"), /ended with 1: .*nowhere\.gguf/s);
});

test("SIGTERM while it loads ends it at once", async () => {
  const { spawn, spawnSync } = await import("node:child_process");
  const fifo = path.join(temporaryFolder(), "script.json"); // nobody ever writes to it
  spawnSync("mkfifo", [fifo]);
  const port = 20000 + ((process.pid * 3) % 20000), url = `http://127.0.0.1:${port}`;
  const child = spawn(R1, ["serve", "--port", String(port), "--engine", `script:${fifo}`], { stdio: "ignore" });
  const ended = new Promise((resolve) => child.on("exit", (code, signal) => resolve(code ?? signal)));
  let ready;
  for (let i = 0; i < 200 && !ready; ++i) ready = await fetch(`${url}/ready`).catch(() => sleep(25));
  assert.equal(ready.status, 503);
  child.kill("SIGTERM");
  assert.equal(await Promise.race([ended, sleep(5000)]), 0);
});

test("JSON logs tell of every request and hold neither keys nor prompts", async () => {
  const server = await scripted("--log-format", "json");
  const canary = "CANARY7f3a", key = `sk-r1-${canary}${"0".repeat(54)}`;
  const post = (path, body, headers = {}) =>
    fetch(server.url + path, { method: "POST", body, headers: { Authorization: `Bearer ${key}`, "User-Agent": canary, ...headers } });
  const messages = [{ role: "user", content: `my secret is ${canary}` }];
  const replies = [
    await post("/v1/chat/completions", JSON.stringify({ messages }), { "X-Request-Id": "trace-1" }),
    await post("/v1/chat/completions", JSON.stringify({ messages, stream: true }), { "X-Request-Id": "trace-2" }),
    await post("/v1/chat/completions", JSON.stringify({ messages: canary })),
    await post("/v1/chat/completions", JSON.stringify({ messages, [canary]: 1, model: canary })),
    await post("/v1/chat/completions", `{"${canary}"`),
    await post("/v1/completions", JSON.stringify({ prompt: canary, stop: canary, suffix: canary })),
    await post(`/${canary}?key=${key}`, canary),
    await post("/v1/chat/completions", canary, { "Content-Encoding": canary }),
    await post("/v1/chat/completions", canary, { Origin: `http://${canary}.example` }),
    await post(`/v1/chat/completions/control`, JSON.stringify({ id: canary, action: "end_thinking" })),
    await fetch(`${server.url}/v1/models/${canary}`, { headers: { "X-Request-Id": `<${canary}>` } }),
    await fetch(`${server.url}/v1/models`, { headers: { "X-Request-Id": key } }),
  ];
  const ids = [];
  for (const reply of replies) {
    const id = reply.headers.get("x-request-id"), text = await reply.text();
    ids.push(id);
    if (reply.status >= 400) assert.equal(JSON.parse(text).request_id, id);
  }
  assert.deepEqual(ids.slice(0, 2), ["trace-1", "trace-2"]);
  assert.equal(new Set(ids).size, ids.length, "each request has its own");
  const said = await server.stop();
  assert.ok(!said.includes(canary), said);
  const lines = said.trim().split("\n").map((line) => JSON.parse(line));
  const answered = lines.filter(({ message }) => message === "answered");
  assert.equal(answered.length, replies.length);
  for (const [i, reply] of replies.entries()) {
    const line = answered.find(({ request_id }) => request_id === (ids[i] === key ? "sk-***" : ids[i]));
    assert.equal(line?.status, reply.status, `${ids[i]}: ${JSON.stringify(line)}`);
  }
  for (const { time, level, path, duration_ms, client_gone } of answered) {
    assert.ok(!Number.isNaN(Date.parse(time)) && level === "info" && duration_ms >= 0 && client_gone === false);
    assert.ok(path.startsWith("/") || path === "unknown", path);
  }
});
