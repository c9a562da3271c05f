// openapi_test.mjs: /openapi.json is valid OpenAPI 3.1 for a validator that others wrote, and true: for every parameter the
// server takes exactly the values that the document allows, and all it answers is as the document says.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { chatScript, hasNpm, serve } from "./served.mjs";

const missing = ["ajv", "@readme/openapi-parser"].filter((name) => !hasNpm(name));
const skip = missing.length > 0 && `not installed: ${missing.join(", ")} (tools/setup_npm.sh)`;
const { default: Ajv } = skip ? {} : await import("ajv/dist/2020.js");
const { validate } = skip ? {} : await import("@readme/openapi-parser");

// Values to try on every parameter; what is right for one is wrong for most.
const values = [
  null, true, false, 0, 1, 2, 3, 8, 9, 20, 21, 100, 0.5, 1.5, -1, -2, -2.5, 2 ** 31 - 1, 2 ** 31, 1e300, "", "a", "8",
  "high", "none", "auto", "required", "x".repeat(1025), [], ["a"], ["a", 1], [""], Array(17).fill("a"), [[]], [1, 2],
  [1.5], [[1, 2]], ["a", "b"], {}, { 1: 1 }, { 1: 101 }, { 1: "1" }, { "-1": 1 }, { a: 1 }, { type: "text" },
  { type: "json" }, { type: "enabled" }, { type: "on" }, { type: 1 }, { include_usage: true }, { include_usage: 1 },
  { include_usage: null },
];
const messages = [
  {}, { role: "user" }, { role: "user", content: null }, { role: "user", content: "a" }, { role: "robot", content: "a" },
  { role: 1, content: "a" }, { role: "assistant" }, { role: "developer", content: [] }, { role: "tool", content: 1 },
  { role: "user", content: [{ type: "text", text: "a" }] }, { role: "user", content: [{ type: "image", text: "a" }] },
  { role: "user", content: ["a"] }, { role: "user", content: [{ type: "text" }] },
  { role: "assistant", content: "a", reasoning_content: 1 }, { role: "assistant", content: "a", reasoning: 1 },
  { role: "assistant", tool_calls: {} }, { role: "assistant", tool_calls: [{ function: { name: 1 } }] },
  { role: "assistant", tool_calls: [{}] }, { role: "user", content: "a", prefix: "yes" }, "a", null,
];

describe("the OpenAPI document", { skip }, () => {
  let server, document, ajv;
  const schemaOf = (name) => ajv.compile({ ...document.components.schemas[name], components: document.components });
  const post = (path, body, headers = {}) =>
    fetch(server.url + path, { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body), headers });

  before(async () => {
    server = await serve("--engine", `script:${chatScript}`);
    document = await (await fetch(`${server.url}/openapi.json`)).json();
    ajv = new Ajv({ strict: false, validateFormats: false });
  });
  after(() => server?.stop());

  test("is valid OpenAPI 3.1", async () => {
    assert.equal(document.openapi, "3.1.0");
    const result = await validate(structuredClone(document));
    assert.ok(result.valid, JSON.stringify(result.errors));
    const broken = structuredClone(document);
    delete broken.info.title;
    broken.paths["/v1/models"].get.responses = 7;
    assert.ok(!(await validate(broken)).valid, "this validator finds faults");
  });

  // One parameter changes, the others are right: then the server's yes or no is about that one.
  async function agree(path, schema, base, cases) {
    const allows = schemaOf(schema);
    let n_allowed = 0;
    for (const [name, value] of cases) {
      const body = { ...base, [name]: value };
      const allowed = allows(body);
      const reply = await post(path, body);
      const text = await reply.text();
      assert.ok(reply.status === 200 || reply.status === 400 || reply.status === 422, `${reply.status}: ${text}`);
      assert.equal(reply.status === 200, allowed, `${name}: ${JSON.stringify(value)}: ${text} ${ajv.errorsText(allows.errors)}`);
      if (!allowed) assert.ok(JSON.parse(text).error.param.startsWith(name), text);
      n_allowed += allowed;
    }
    return n_allowed;
  }
  const tried = (schema, without) =>
    Object.keys(document.components.schemas[schema].properties)
      .filter((name) => !without.includes(name))
      .flatMap((name) => values.map((value) => [name, value]));

  test("allows for /chat/completions what the server takes, and nothing else", async () => {
    // `model` must be one that is there: 404 otherwise, which no schema can say.
    const cases = tried("ChatCompletionRequest", ["model", "messages", "stream"]);
    cases.push(...messages.map((message) => ["messages", [message]]), ["messages", []], ["messages", null], ["messages", {}]);
    const tools = [{ type: "function", function: { name: "f" } }];  // what tool_choice may require
    const base = { messages: [{ role: "user", content: "hi" }], max_tokens: 1, logprobs: true, tools };
    // What is refused for what other parameters say, not for itself.
    const apart = cases.filter(([name, value]) => !(name === "logprobs" && !value) && name !== "top_logprobs");
    const n = await agree("/v1/chat/completions", "ChatCompletionRequest", base, apart);
    await agree("/v1/chat/completions", "ChatCompletionRequest", base, values.map((value) => ["top_logprobs", value]));
    assert.ok(n > 100 && n < apart.length / 2, `${n} of ${apart.length} allowed`);
  });

  test("allows for /completions what the server takes, and nothing else", async () => {
    const cases = tried("CompletionRequest", ["model", "stream", "prompt", "suffix", "echo"]);
    cases.push(...["a", ["a"], [1, 2], [[1, 2]], 1, {}, true, null, [], ["a", "b"], [1.5], [-1]].map((v) => ["prompt", v]));
    cases.push(...[null, true, false, 1, "true", {}].map((value) => ["echo", value]));
    cases.push(...[null, "", 1, true, []].map((value) => ["suffix", value])); // a script can't fill in: no text here
    const n = await agree("/v1/completions", "CompletionRequest", { prompt: "a", max_tokens: 1 }, cases);
    assert.ok(n > 80 && n < cases.length / 2, `${n} of ${cases.length} allowed`);
  });

  function check(schema, value) {
    const allows = schemaOf(schema);
    assert.ok(allows(value), `${schema}: ${ajv.errorsText(allows.errors)}: ${JSON.stringify(value)}`);
  }

  test("describes the answers", async () => {
    const base = { max_tokens: 8, logprobs: true, top_logprobs: 2, n: 2 };
    const chat = { ...base, messages: [{ role: "user", content: "strawberry" }] };
    check("ChatCompletion", await (await post("/v1/chat/completions", chat)).json());
    check("TextCompletion", await (await post("/v1/completions", { prompt: "a", logprobs: 2, max_tokens: 4 })).json());
    for (const [path, body, schema] of [
      ["/v1/chat/completions", { ...chat, max_tokens: 200, stream: true }, "ChatCompletionChunk"],
      ["/chat/completions", { ...chat, stream: true, stream_options: { include_usage: true } }, "ChatCompletionChunk"],
      ["/beta/completions", { prompt: "a", stream: true, logprobs: 1, max_tokens: 4 }, "TextCompletion"],
    ]) {
      const events = (await (await post(path, body)).text()).trim().split("\n\n");
      assert.equal(events.pop(), "data: [DONE]");
      assert.ok(events.length > 2);
      for (const event of events) check(schema, JSON.parse(event.slice("data: ".length)));
    }
  });

  test("every path that is read answers with the type and body it promises", async () => {
    const model = (await (await fetch(`${server.url}/models`)).json()).data[0].id;
    let n = 0;
    for (const [path, { get }] of Object.entries(document.paths)) {
      if (!get) continue;
      const reply = await fetch(server.url + path.replace("{name}", encodeURIComponent(model)));
      if (path.endsWith("/user/balance")) {
        assert.equal(reply.status, 404, "a server without a ledger has no balances; accounts_test.mjs asks one that has");
        continue;
      }
      const type = reply.headers.get("content-type");
      const content = get.responses[reply.status].content;
      assert.ok(type in content, `${path}: ${type}`);
      const { schema } = content[type];
      if (schema.$ref) check(schema.$ref.split("/").pop(), await reply.json()), ++n;
    }
    assert.ok(n >= 8, `${n} bodies compared`);
  });

  test("errors are as described, whatever went wrong", async () => {
    const errors = [
      [400, await post("/v1/chat/completions", "{")],
      [404, await post("/v1/nowhere", "{}")],
      [404, await fetch(`${server.url}/v1/models/nobody`)],
      [405, await fetch(`${server.url}/v1/chat/completions`)],
      [415, await post("/v1/chat/completions", "{}", { "Content-Encoding": "gzip" })],
      [422, await post("/v1/chat/completions", { messages: [{ role: "user", content: "hi" }], temperature: 3 })],
      [403, await post("/v1/chat/completions", "{}", { Origin: "http://evil.example" })],
      [413, await post("/v1/chat/completions", " ".repeat((8 << 20) + 1))],
    ];
    for (const [status, reply] of errors) {
      assert.equal(reply.status, status);
      assert.ok(document.components.responses[status], `${status} is described`);
      check("Error", await reply.json());
    }
  });
});
