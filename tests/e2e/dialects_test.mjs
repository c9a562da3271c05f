// dialects_test.mjs: the Messages API through Anthropic's client, the Responses API through OpenAI's, with scripted
// engines; and their answers against the OpenAPI document.
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { kAnswer, kModel, kQuestion, kThought, missing, withServers } from "./scripted_clients.mjs";
import { chatScript, makeKey, serve, temporaryFolder } from "./served.mjs";

const kSchema = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };

const skipMessages = missing("@anthropic-ai/sdk");
describe("POST /v1/messages, with Anthropic's client", { skip: skipMessages }, async () => {
  const at = withServers();
  const { default: Anthropic } = skipMessages ? {} : await import("@anthropic-ai/sdk");
  const clientOf = (server, apiKey = "none") => new Anthropic({ baseURL: server.url, apiKey, maxRetries: 0 });
  const request = (content, more) => ({ model: kModel, max_tokens: 1000, messages: [{ role: "user", content }], ...more });
  const textOf = ({ content }) => content.filter(({ type }) => type === "text").map(({ text }) => text).join("");

  test("an answer: thinking, text, and usage with the cached apart", async () => {
    const message = await clientOf(at.talking).messages.create(request(kQuestion, { system: [{ type: "text", text: "Be brief." }] }));
    assert.deepEqual(message.content.map(({ type }) => type), ["thinking", "text"]);
    assert.match(message.content[0].thinking, kThought);
    assert.match(textOf(message), kAnswer);
    assert.equal(message.stop_reason, "end_turn");
    assert.equal(message.usage.cache_read_input_tokens, 3);
    assert.ok(message.usage.input_tokens > 3 && message.usage.output_tokens > 10);
  });

  test("a stream put together is the whole answer", async () => {
    const whole = await clientOf(at.talking).messages.create(request(kQuestion));
    const stream = clientOf(at.talking).messages.stream(request(kQuestion));
    const types = [];
    for await (const event of stream) types.push(event.type);
    const got = await stream.finalMessage();
    assert.deepEqual(got.content, whole.content);
    assert.equal(got.stop_reason, whole.stop_reason);
    assert.equal(got.usage.output_tokens, whole.usage.output_tokens);
    assert.equal(types[0], "message_start");
    assert.equal(types.at(-1), "message_stop");
    assert.equal(types.filter((type) => type === "content_block_stop").length, 2);
  });

  test("limits and stop sequences say what ended the answer", async () => {
    const cut = await clientOf(at.talking).messages.create(request(kQuestion, { max_tokens: 3 }));
    assert.equal(cut.stop_reason, "max_tokens");
    assert.equal(cut.usage.output_tokens, 3);
    const stopped = await clientOf(at.talking).messages.create(request(kQuestion, { stop_sequences: ["two", "1. st"] }));
    assert.equal(stopped.stop_reason, "stop_sequence");
    assert.equal(stopped.stop_sequence, "1. st");
    assert.match(textOf(stopped), /“strawberry”:\n\n$/);
    const limited = await clientOf(at.talking).messages.create(request(kQuestion, { thinking: { type: "enabled", budget_tokens: 4 } }));
    assert.ok(limited.content[0].thinking.startsWith("The user asks how"));
    assert.ok(limited.content[0].thinking.length < 200, limited.content[0].thinking);
  });

  for (const isStream of [false, true]) {
    test(`a tool is used, and told${isStream ? ", streamed" : ""}`, async () => {
      const client = clientOf(at.calling).messages;
      const more = { tools: [{ name: "get_weather", input_schema: kSchema }] };
      const ask = (messages) => {
        const asked = { ...request("", more), messages };
        return isStream ? client.stream(asked).finalMessage() : client.create(asked);
      };
      const question = { role: "user", content: "Will it rain in Paris?" };
      const used = await ask([question]);
      assert.equal(used.stop_reason, "tool_use");
      const use = used.content.at(-1);
      assert.deepEqual({ type: use.type, name: use.name, input: use.input }, { type: "tool_use", name: "get_weather", input: { city: "Paris" } });
      const result = { role: "user", content: [{ type: "tool_result", tool_use_id: use.id, content: "rain" }] };
      assert.equal(textOf(await ask([question, { role: "assistant", content: used.content }, result])), "It will rain, says the tool.");
    });
  }

  test("errors, of requests and of engines, are the client's", async () => {
    const client = clientOf(at.talking).messages;
    const refused = async (more, status, words) =>
      assert.rejects(client.create(request("hi", more)), (error) => {
        assert.equal(error.status, status, String(error));
        assert.equal(error.error.type, "error");
        assert.equal(error.error.request_id, error.headers.get("x-request-id"));
        assert.match(error.error.error.message, words);
        return true;
      });
    await refused({ model: "nobody" }, 404, /no model 'nobody'/);
    await refused({ max_tokens: undefined }, 400, /'max_tokens' is missing/);
    await refused({ temperature: 3 }, 422, /'temperature'/);
    await refused({ messages: [{ role: "system", content: "x" }] }, 400, /messages\[0\]\.role/);
    await refused({ messages: [{ role: "user", content: [{ type: "image", source: {} }] }] }, 400, /messages\[0\]\.content\[0\]\.type/);
    await refused({ tools: [{ type: "web_search_20250305", name: "web_search" }] }, 400, /tools\[0\]\.type/);
    await refused({ messages: [{ role: "user", content: "fail please" }] }, 500, /the expert store does not answer/);
    await assert.rejects(client.stream(request("fail please")).finalMessage(), /the expert store does not answer/);
  });

  test("keys come in x-api-key", async () => {
    const ledger = `${temporaryFolder()}/ledger.db`, { key } = makeKey(ledger, "k", "--credit", "1");
    const server = await serve("--engine", `script:${chatScript}`, "--ledger", ledger, "--require-keys");
    assert.match(textOf(await clientOf(server, key).messages.create(request(kQuestion))), kAnswer);
    await assert.rejects(clientOf(server, "sk-wrong").messages.create(request("hi")), Anthropic.AuthenticationError);
    await server.stop();
  });
});

const skipResponses = missing("openai");
describe("POST /v1/responses, with OpenAI's client", { skip: skipResponses }, async () => {
  const at = withServers();
  const { default: OpenAI } = skipResponses ? {} : await import("openai");
  const clientOf = (server) => new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 }).responses;
  const tools = [{ type: "function", name: "get_weather", parameters: kSchema, strict: true }];
  const reasoningOf = ({ output }) => output.find(({ type }) => type === "reasoning").content[0].text;

  test("an answer: reasoning, a message, usage, and what was asked", async () => {
    const response = await clientOf(at.talking).create({ model: kModel, input: kQuestion, instructions: "Be brief.", metadata: { a: "b" } });
    assert.equal(response.status, "completed");
    assert.match(response.output_text, kAnswer);
    assert.match(reasoningOf(response), kThought);
    assert.equal(response.instructions, "Be brief.");
    assert.deepEqual(response.metadata, { a: "b" });
    assert.equal(response.usage.input_tokens_details.cached_tokens, 3);
    assert.equal(response.usage.total_tokens, response.usage.input_tokens + response.usage.output_tokens);
    assert.ok(response.usage.output_tokens_details.reasoning_tokens > 5);
  });

  test("a stream put together is the whole answer, its events numbered", async () => {
    const asked = { model: kModel, input: [{ role: "user", content: [{ type: "input_text", text: kQuestion }] }] };
    const whole = await clientOf(at.talking).create(asked);
    let text = "", thought = "", n = 0, last;
    for await (const event of await clientOf(at.talking).create({ ...asked, stream: true })) {
      assert.equal(event.sequence_number, n++);
      if (event.type === "response.output_text.delta") text += event.delta;
      if (event.type === "response.reasoning_text.delta") thought += event.delta;
      last = event;
    }
    assert.equal(last.type, "response.completed");
    assert.equal(text, whole.output_text);
    assert.equal(thought, reasoningOf(whole));
    const forms = (response) => response.output.map(({ type, status, content }) => ({ type, status, content }));
    assert.deepEqual(forms(last.response), forms(whole));
    const stream = clientOf(at.talking).stream(asked);
    assert.equal((await stream.finalResponse()).output_text, text, "the client's own way of putting it together");
  });

  test("a limit leaves it incomplete", async () => {
    const response = await clientOf(at.talking).create({ model: kModel, input: kQuestion, max_output_tokens: 3 });
    assert.equal(response.status, "incomplete");
    assert.deepEqual(response.incomplete_details, { reason: "max_output_tokens" });
  });

  for (const isStream of [false, true]) {
    test(`a function is called, and its output told${isStream ? ", streamed" : ""}`, async () => {
      const client = clientOf(at.calling);
      const ask = (input) => {
        const asked = { model: kModel, input, tools };
        return isStream ? client.stream(asked).finalResponse() : client.create(asked);
      };
      const question = { role: "user", content: "Will it rain in Paris?" };
      const called = await ask([question]);
      const call = called.output.find(({ type }) => type === "function_call");
      assert.equal(call.name, "get_weather");
      assert.deepEqual(JSON.parse(call.arguments), { city: "Paris" });
      const told = { type: "function_call_output", call_id: call.call_id, output: "rain" };
      assert.equal((await ask([question, ...called.output, told])).output_text, "It will rain, says the tool.");
    });
  }

  test("what is not there is refused by name, and a failure is an event", async () => {
    const refused = async (more, status, param) =>
      assert.rejects(clientOf(at.talking).create({ model: kModel, input: "hi", ...more }), (error) => {
        assert.equal(error.status, status, String(error));
        assert.equal(error.param, param);
        return true;
      });
    await refused({ previous_response_id: "resp_1" }, 400, "previous_response_id");
    await refused({ background: true }, 400, "background");
    await refused({ tools: [{ type: "web_search" }] }, 400, "tools[0].type");
    await refused({ input: [{ type: "item_reference", id: "x" }] }, 400, "input[0].type");
    await refused({ model: "nobody" }, 404, "model");
    const types = [];
    for await (const { type } of await clientOf(at.talking).create({ model: kModel, input: "fail please", stream: true })) types.push(type);
    assert.equal(types.at(-1), "response.failed");
  });
});

const skipSchemas = missing("ajv");
describe("the OpenAPI document", { skip: skipSchemas }, async () => {
  const { default: Ajv } = skipSchemas ? {} : await import("ajv/dist/2020.js");
  const at = withServers();

  test("describes requests, answers and events of both", async () => {
    const { components } = await (await fetch(`${at.talking.url}/openapi.json`)).json();
    const ajv = new Ajv({ strict: false, validateFormats: false });
    const check = (name, value) => {
      const allows = ajv.compile({ ...components.schemas[name], components });
      assert.ok(allows(value), `${name}: ${ajv.errorsText(allows.errors)}: ${JSON.stringify(value)}`);
    };
    for (const server of [at.talking, at.calling]) {
      const tool = { name: "get_weather", input_schema: kSchema };
      for (const [path, form, body] of [
        ["messages", "Message", { max_tokens: 500, messages: [{ role: "user", content: kQuestion }], tools: [tool] }],
        ["responses", "Response", { input: kQuestion, tools: [{ type: "function", name: "get_weather", parameters: kSchema }] }],
      ]) {
        check(`${form}Request`, body);
        const post = (more) => fetch(`${server.url}/v1/${path}`, { method: "POST", body: JSON.stringify({ ...body, ...more }) });
        check(form, await (await post()).json());
        const events = (await (await post({ stream: true })).text()).trim().split("\n\n");
        for (const event of events) {
          const [, name, data] = event.match(/^event: (\S+)\ndata: (.*)$/);
          assert.equal(JSON.parse(data).type, name);
          check(`${form}Event`, JSON.parse(data));
        }
      }
    }
  });
});
