// openai_client_test.mjs: what a program sees that talks to `r1 serve` through OpenAI's own client for Node, with an
// engine that plays a script, with tiny models of random weights, and with SmolLM2 when it is in the local store.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";

import { chatScript, toolsScript, hasNpm, isStored, r1, serve, sleep, synthesize, synthesizeLong } from "./served.mjs";

const skip = hasNpm("openai") ? false : "the openai package is not installed: tools/setup_npm.sh";
const { default: OpenAI } = skip ? {} : await import("openai");

const said = (content) => [{ role: "user", content }];

// The deltas of a stream put together, as the client hands them out.
async function collect(stream) {
  const got = { thinking: "", text: "", finish: null, usage: null, roles: [], n_usages: 0, n_chunks: 0, logprobs: [] };
  for await (const chunk of stream) {
    ++got.n_chunks;
    if (chunk.usage) got.usage = chunk.usage, ++got.n_usages;
    const choice = chunk.choices[0];
    if (!choice) continue;
    if (choice.delta.role) got.roles.push(choice.delta.role);
    got.thinking += choice.delta.reasoning_content ?? "";
    got.text += choice.delta.content ?? "";
    got.logprobs.push(...(choice.logprobs?.content ?? []));
    got.finish = choice.finish_reason ?? got.finish;
  }
  return got;
}

async function idle(server) {
  for (let i = 0; i < 400; ++i) {
    const { models } = await server.health();
    if (models.every(({ running, waiting }) => running === 0 && waiting === 0)) return;
    await sleep(25);
  }
  assert.fail(`still busy: ${JSON.stringify(await server.health())}`);
}

// A bias that keeps an answer from ending before its limit.
function neverEnding(model, ...endTokens) {
  const idOf = (token) => JSON.parse(r1("tokenize", model, "--special", token)).ids[0];
  return Object.fromEntries(endTokens.map((token) => [idOf(token), -100]));
}

function withServer(start) {
  const at = {};
  before(async () => {
    at.server = await start();
    at.client = new OpenAI({ baseURL: `${at.server.url}/v1`, apiKey: "none", maxRetries: 0 });
    at.create = (more) => at.client.chat.completions.create({ model: at.model, ...more });
    at.chat = (content, more = {}) => at.create({ messages: said(content), ...more });
    at.model = (await at.client.models.list()).data[0].id;
  });
  after(() => at.server?.stop());
  return at;
}

// What holds for every engine.
function laws(at) {
  test("the list of models names each with its context", async () => {
    const { data } = await at.client.models.list();
    assert.equal(data.length, 1);
    assert.equal(data[0].object, "model");
    assert.ok(data[0].context_length > 0);
    assert.deepEqual(await at.client.models.retrieve(data[0].id), data[0]);
  });

  test("a stream put together is the whole answer", async () => {
    const request = { temperature: 0, seed: 7, max_tokens: 40 };
    const whole = await at.chat("Say hello.", request);
    const got = await collect(await at.chat("Say hello.", { ...request, stream: true }));
    const { message, finish_reason } = whole.choices[0];
    assert.equal(got.text, message.content ?? "");
    assert.equal(got.thinking, message.reasoning_content ?? "");
    assert.equal(got.finish, finish_reason);
    assert.deepEqual(got.roles, ["assistant"]);
    assert.equal(got.n_usages, 1, "the usage comes once");
    assert.equal(got.usage.completion_tokens, whole.usage.completion_tokens);
    assert.equal(got.usage.total_tokens, got.usage.prompt_tokens + got.usage.completion_tokens);
  });

  test("include_usage sends it in a chunk of its own", async () => {
    const stream = await at.chat("Hi", { stream: true, max_tokens: 5, stream_options: { include_usage: true } });
    let last;
    for await (const chunk of stream) {
      assert.equal(last?.usage ?? null, null, "only the last chunk has the usage");
      last = chunk;
    }
    assert.deepEqual(last.choices, []);
    assert.ok(last.usage.prompt_tokens > 0);
  });

  test("max_tokens ends with length and counts", async () => {
    const { choices, usage } = await at.chat("Tell me all about it, slowly.", { max_tokens: 3, temperature: 0 });
    assert.equal(choices[0].finish_reason, "length");
    assert.equal(usage.completion_tokens, 3);
  });

  test("an abort in the middle frees its place", async () => {
    const stream = await at.chat("Tell me slowly.", { stream: true, max_tokens: 400, logit_bias: at.never_end });
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content !== undefined) break;
    stream.controller.abort();
    await idle(at.server);
  });

  test("an abort of an answer that is not streamed frees its place", async () => {
    const controller = new AbortController();
    const asked = at.client.chat.completions.create(
      { model: at.model, messages: said("Tell me slowly."), max_tokens: 400, logit_bias: at.never_end },
      { signal: controller.signal });
    setTimeout(() => controller.abort(), 30);
    await assert.rejects(asked, OpenAI.APIUserAbortError);
    await idle(at.server);
  });

  test("errors have the client's types", async () => {
    await assert.rejects(at.chat("hi", { model: "nobody" }), (error) => {
      assert.ok(error instanceof OpenAI.NotFoundError, String(error));
      assert.equal(error.code, "model_not_found");
      assert.equal(error.param, "model");
      return true;
    });
    await assert.rejects(at.chat("word ".repeat(200_000)), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError, String(error));
      assert.equal(error.code, "context_length_exceeded");
      return true;
    });
    await assert.rejects(at.chat("hi", { temperature: 3 }), OpenAI.UnprocessableEntityError);
    await assert.rejects(at.chat("hi", { temperature: "warm" }), OpenAI.BadRequestError);
    await assert.rejects(at.create({}), OpenAI.BadRequestError);
    await assert.rejects(at.client.models.retrieve("nobody"), OpenAI.NotFoundError);
    await assert.rejects(at.client.get("/nowhere"), OpenAI.NotFoundError);
  });

  test("the older completions API continues a text", async () => {
    const request = { model: at.model, prompt: "Once upon", max_tokens: 4, temperature: 0 };
    const { choices, usage } = await at.client.completions.create(request);
    assert.equal(typeof choices[0].text, "string");
    assert.ok(usage.completion_tokens <= 4);
  });
}

// What only an engine with real logits can promise.
function modelLaws(at) {
  const hot = { temperature: 1, max_tokens: 24 };

  test("the same seed, the same text; n answers have the seeds that follow", async () => {
    const text = async (seed) => (await at.chat("Tell me a story", { ...hot, seed })).choices[0].message;
    const first = await text(11);
    assert.deepEqual(await text(11), first);
    const { choices, usage } = await at.chat("Tell me a story", { ...hot, seed: 11, n: 3 });
    assert.deepEqual(choices.map(({ index }) => index), [0, 1, 2]);
    assert.deepEqual(choices.map(({ message }) => message), [first, await text(12), await text(13)]);
    assert.notDeepEqual(choices[1].message, first);
    assert.ok(usage.completion_tokens > choices.length);
  });

  test("logprobs are those of the text, best first", async () => {
    const { choices } = await at.chat("Count", { temperature: 0, max_tokens: 8, logprobs: true, top_logprobs: 4 });
    const { content, reasoning_content } = choices[0].logprobs;
    const tokens = [...(reasoning_content ?? []), ...(content ?? [])];
    assert.ok(tokens.length > 0);
    for (const { token, logprob, bytes, top_logprobs } of tokens) {
      assert.ok(logprob <= 0);
      assert.equal(top_logprobs.length, 4);
      assert.equal(top_logprobs[0].token, token, "a greedy token is the likeliest");
      assert.equal(top_logprobs[0].logprob, logprob);
      assert.ok(bytes.every((byte) => byte >= 0 && byte < 256));
      for (let i = 1; i < 4; ++i) assert.ok(top_logprobs[i].logprob <= top_logprobs[i - 1].logprob);
    }
    const textOf = (reports) => Buffer.from((reports ?? []).flatMap(({ bytes }) => bytes)).toString().trim();
    assert.equal(textOf(content), (choices[0].message.content ?? "").trim());
    assert.equal(textOf(reasoning_content), (choices[0].message.reasoning_content ?? "").trim());
  });

  test("stop strings end the answer before them", async () => {
    const request = { temperature: 0, max_tokens: 30, prompt: "Hello", model: at.model };
    const { choices: [whole] } = await at.client.completions.create(request);
    const letters = [...whole.text];
    const stop = letters.find((letter, i) => i > 2 && letter !== "�" && letters.indexOf(letter) === i);
    assert.ok(stop, `nothing to stop at in ${JSON.stringify(whole.text)}`);
    const { choices: [cut] } = await at.client.completions.create({ ...request, stop: ["never said", stop] });
    assert.equal(cut.text, whole.text.slice(0, whole.text.indexOf(stop)));
    assert.equal(cut.finish_reason, "stop");
  });

  test("a context that fills up ends with length", async () => {
    const context = (await at.client.models.list()).data[0].context_length;
    if (context > 600) return;  // only tiny contexts are filled here
    const { choices, usage } = await at.chat("Go on for ever", { temperature: 0, logit_bias: at.never_end });
    assert.equal(choices[0].finish_reason, "length");
    assert.equal(usage.total_tokens, context);
  });

  test("a conversation goes on, and what was said before is found in the cache", async () => {
    const messages = said("The number to remember is seven, and there is a long story about it. ".repeat(4));
    const few = { max_tokens: 6, temperature: 0 };
    const first = await at.create({ messages, ...few });
    const answer = { role: "assistant", content: first.choices[0].message.content || "Yes." };
    const second = await at.create({ messages: [...messages, answer, ...said("Which one?")], ...few });
    const { prompt_tokens, prompt_tokens_details, prompt_cache_hit_tokens, prompt_cache_miss_tokens } = second.usage;
    assert.ok(prompt_tokens_details.cached_tokens > 0);
    assert.equal(prompt_cache_hit_tokens, prompt_tokens_details.cached_tokens);
    assert.equal(prompt_cache_hit_tokens + prompt_cache_miss_tokens, prompt_tokens);
  });
}

// What holds of constrained answers, whatever the weights: here they are random.
function formLaws(at) {
  const schema = {
    type: "object",
    properties: {
      title: { type: "string", maxLength: 12 },
      rating: { type: "integer" },
      tags: { type: "array", items: { enum: ["good", "bad"] }, minItems: 1, maxItems: 3 },
    },
    required: ["title", "rating", "tags"],
    additionalProperties: false,
  };
  const parameters = { type: "object", properties: { n: { type: "integer" }, why: { enum: ["a", "b"] } }, required: ["n"] };
  const tools = [{ type: "function", function: { name: "rate", strict: true, parameters } }];
  const hot = { temperature: 1, max_tokens: 300, max_thinking_tokens: 8 };
  function check(value) {
    assert.deepEqual(Object.keys(value), ["title", "rating", "tags"], "in the schema's order");
    assert.ok([...value.title].length <= 12 && Number.isInteger(value.rating));
    assert.ok(value.tags.length >= 1 && value.tags.length <= 3 && value.tags.every((tag) => ["good", "bad"].includes(tag)));
  }

  test("json_schema holds, streamed or not, at every temperature", async () => {
    const response_format = { type: "json_schema", json_schema: { name: "film", strict: true, schema } };
    for (const more of [{ seed: 1 }, { seed: 2 }, { seed: 3, top_p: 0.9 }, { temperature: 0 }]) {
      const request = { ...hot, ...more, response_format };
      const { message, finish_reason } = (await at.chat("Rate a film.", request)).choices[0];
      assert.equal(finish_reason, "stop", message.content);
      check(JSON.parse(message.content));
      const got = await collect(await at.chat("Rate a film.", { ...request, stream: true }));
      assert.equal(got.text, message.content);
      assert.equal(got.thinking, message.reasoning_content ?? "");
    }
  });

  test("json_object begins as an object", async () => {
    const request = { ...hot, seed: 5, max_tokens: 60, response_format: { type: "json_object" } };
    const { message, finish_reason } = (await at.chat("Some JSON, please.", request)).choices[0];
    assert.match(message.content, /^\s*\{/);
    if (finish_reason === "stop") JSON.parse(message.content);
    await assert.rejects(at.chat("Something, please.", request), OpenAI.BadRequestError);
  });

  test("a required call is made, with arguments that fit", async () => {
    for (const tool_choice of ["required", { type: "function", function: { name: "rate" } }]) {
      const request = { ...hot, max_tokens: 600, seed: 6, tools, tool_choice, parallel_tool_calls: false };
      const { message, finish_reason } = (await at.chat("Rate a film.", request)).choices[0];
      assert.equal(finish_reason, "tool_calls", JSON.stringify(message));
      assert.equal(message.content, null);
      assert.equal(message.tool_calls.length, 1);
      assert.equal(message.tool_calls[0].function.name, "rate");
      const { n, why, ...others } = JSON.parse(message.tool_calls[0].function.arguments);
      assert.ok(Number.isInteger(n) && ["a", "b", undefined].includes(why));
      assert.deepEqual(others, {});
      const runner = at.client.chat.completions.stream({ model: at.model, messages: said("Rate a film."), ...request });
      const [call] = (await runner.finalMessage()).tool_calls;
      assert.equal(call.function.arguments, message.tool_calls[0].function.arguments);
      const result = { role: "tool", tool_call_id: call.id, content: "done" };
      const next = await at.create({ messages: [...said("Rate a film."), message, result], max_tokens: 4 });
      assert.ok(next.usage.completion_tokens > 0);
    }
  });

  test("what can't be kept is refused by name", async () => {
    const response_format = { type: "json_schema", json_schema: { name: "n", schema: { type: "integer", multipleOf: 2 } } };
    await assert.rejects(at.chat("hi", { response_format }), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError, String(error));
      assert.equal(error.param, "response_format");
      assert.match(error.message, /schema\.multipleOf/);
      return true;
    });
  });
}

describe("scripted engine", { skip }, () => {
  const at = withServer(() => serve("--engine", `script:${chatScript}`));
  laws(at);

  test("thinking arrives before the answer, in fields of its own", async () => {
    const { choices, usage } = await at.chat("How many r's are in strawberry?");
    const { message, finish_reason } = choices[0];
    assert.equal(finish_reason, "stop");
    assert.match(message.reasoning_content, /^The user asks how many/);
    assert.match(message.content, /^There are \*\*three\*\* r's/);
    assert.equal(usage.prompt_tokens_details.cached_tokens, 3);
    assert.ok(usage.completion_tokens_details.reasoning_tokens > 10);
    const chunks = [];
    for await (const chunk of await at.chat("strawberry", { stream: true })) chunks.push(chunk.choices[0].delta);
    const lastThought = chunks.findLastIndex((delta) => delta.reasoning_content);
    assert.ok(lastThought < chunks.findIndex((delta) => delta.content));
  });

  test("thinking can be limited, switched off, and continued", async () => {
    const ask = (more) => at.chat("How many r's are in strawberry?", more);
    const whole = (await ask({})).choices[0].message;
    const { choices: [{ message: brief }], usage } = await ask({ max_thinking_tokens: 4 });
    const [first4] = whole.reasoning_content.match(/^\S+( \S+){3}/);
    assert.match(brief.reasoning_content, /I answer now\.$/);
    assert.ok(brief.reasoning_content.startsWith(first4), brief.reasoning_content);
    assert.ok(usage.completion_tokens_details.reasoning_tokens > 4);
    assert.equal(brief.content, whole.content);
    for (const off of [{ thinking: { type: "disabled" } }, { reasoning_effort: "none" }])
      assert.equal((await ask(off)).choices[0].message.reasoning_content, null);
    const begun = { role: "assistant", content: "", reasoning_content: "The", prefix: true };
    const { choices } = await at.create({ messages: [...said("strawberry"), begun] });
    assert.equal(choices[0].message.content, whole.content);
    await assert.rejects(ask({ reasoning_effort: "huge" }), (error) => {
      assert.ok(error instanceof OpenAI.UnprocessableEntityError);
      assert.equal(error.param, "reasoning_effort");
      return true;
    });
  });

  test("a thought ends while it runs", async () => {
    const stream = await at.chat("stall", { stream: true });
    let thinking = "", told = false;
    for await (const chunk of stream) {
      thinking += chunk.choices[0]?.delta.reasoning_content ?? "";
      if (!told && thinking.includes("here")) {
        told = true;
        await at.client.post("/chat/completions/control", { body: { id: chunk.id, action: "end_thinking" } });
      }
      if (thinking.endsWith("I answer now.")) break;
    }
    assert.match(thinking, /I answer now\.$/);
    await idle(at.server);
  });

  test("every base URL that DeepSeek documents serves the same", async () => {
    for (const base of ["", "/v1", "/beta"]) {
      const client = new OpenAI({ baseURL: at.server.url + base, apiKey: "none", maxRetries: 0 });
      assert.equal((await client.models.list()).data[0].id, at.model);
      const { choices } = await client.chat.completions.create({ model: at.model, messages: said("strawberry") });
      assert.match(choices[0].message.content, /^There are/);
      assert.ok((await client.completions.create({ model: at.model, prompt: "x" })).choices.length === 1);
    }
  });

  test("the client's own runner for streams agrees", async () => {
    const runner = at.client.chat.completions.stream({ model: at.model, messages: said("strawberry") });
    let text = "";
    runner.on("content", (delta) => (text += delta));
    assert.equal(await runner.finalContent(), text);
    assert.match(text, /It prints `3`\.$/);
  });

  test("stop is not looked for in thinking", async () => {
    const { choices } = await at.chat("strawberry", { stop: ["three", "1."] });
    assert.equal(choices[0].message.content, "There are **");
    assert.equal(choices[0].finish_reason, "stop");
    assert.match(choices[0].message.reasoning_content, /there are three\.$/);
  });

  test("an engine that fails in the middle is an error for the client, not an end", async () => {
    await assert.rejects(async () => collect(await at.chat("fail", { stream: true })), /expert store does not answer/);
    await assert.rejects(at.chat("fail"), OpenAI.InternalServerError);
    await idle(at.server);
  });

  test("a stalled answer ends with its client", async () => {
    const stream = await at.chat("stall", { stream: true });
    for await (const chunk of stream) if (chunk.choices[0].delta.reasoning_content?.includes("here")) break;
    await idle(at.server);
  });
});

describe("scripted tools", { skip }, () => {
  const at = withServer(() => serve("--engine", `script:${toolsScript}`));

  test("the client's runner calls a tool and goes on with its result", async () => {
    const asked = [];
    const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
    const weather = (args) => (asked.push(JSON.parse(args)), "rain");
    const tools = [{ type: "function", function: { name: "get_weather", parameters, function: weather } }];
    for (const stream of [false, true]) {
      const runner = at.client.chat.completions.runTools({ model: at.model, messages: said("call the weather"), tools, stream });
      assert.match(await runner.finalContent(), /It will rain/);
    }
    assert.deepEqual(asked, [{ city: "Paris" }, { city: "Paris" }]);
  });
});

const endTokens = {
  "tiny-deepseek": ["<｜end▁of▁sentence｜>", "<|EOT|>"],
  "tiny-qwen2": ["<|im_end|>", "<|endoftext|>"],
};
for (const [shape, ends] of Object.entries(endTokens)) {
  describe(`synthetic ${shape}`, { skip }, () => {
    const at = withServer(() => {
      const model = synthesize(shape);
      at.never_end = neverEnding(model, ...ends);
      return serve(model, "-t", "2");
    });
    laws(at);
    modelLaws(at);
  });

  describe(`synthetic ${shape} with room for tools`, { skip }, () => {
    formLaws(withServer(() => serve(synthesizeLong(shape, 4096), "-t", "2")));
  });
}

const name = "smollm2:135m";
describe("SmolLM2", { skip: skip || (isStored(name) ? false : `${name} is not in the store: r1 pull ${name}`) }, () => {
  const at = withServer(() => {
    at.never_end = neverEnding(name, "<|im_end|>", "<|endoftext|>");
    return serve(name, "-t", "2");
  });
  laws(at);
  modelLaws(at);

  test("prompts have the tokens that the file's own template gives", async () => {
    const chats = JSON.parse(readFileSync(new URL("../golden/smollm2/chat.json", import.meta.url)));
    for (const { messages, ids } of chats) {
      const { usage } = await at.create({ messages, max_tokens: 1 });
      assert.equal(usage.prompt_tokens, ids.length);
    }
  });

  test("it knows the capital of Japan", async () => {
    const ask = () => at.chat("What is the capital of Japan?", { temperature: 0, max_tokens: 24 });
    const { choices } = await ask();
    assert.match(choices[0].message.content, /Tokyo/);
    assert.equal((await ask()).choices[0].message.content, choices[0].message.content);
  });
});
