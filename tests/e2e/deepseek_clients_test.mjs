// deepseek_clients_test.mjs: what programs see that talk to `r1 serve` through clients made for DeepSeek's API: Vercel's
// AI SDK with @ai-sdk/deepseek, and LangChain with @langchain/deepseek. The engine is scripted.
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { kAnswer, kModel, kQuestion, kThought, missing, withServers } from "./scripted_clients.mjs";

const weather = {
  description: "The weather in a city",
  schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false },
};

const skipSdk = missing("ai", "@ai-sdk/deepseek");
describe("@ai-sdk/deepseek", { skip: skipSdk }, async () => {
  const at = withServers();
  const { generateText, jsonSchema, stepCountIs, streamText, tool } = skipSdk ? {} : await import("ai");
  const { createDeepSeek } = skipSdk ? {} : await import("@ai-sdk/deepseek");
  const modelOf = (server) => createDeepSeek({ baseURL: `${server.url}/v1`, apiKey: "none" })(kModel);
  const ask = (server, more) => ({ model: modelOf(server), maxRetries: 0, ...more });

  test("an answer, its reasoning apart, and its usage", async () => {
    const { text, reasoningText, usage, finishReason } = await generateText(ask(at.talking, { prompt: kQuestion }));
    assert.match(text, kAnswer);
    assert.match(reasoningText, kThought);
    assert.equal(finishReason, "stop");
    assert.ok(usage.inputTokens > 3 && usage.outputTokens > 10);
    assert.equal(usage.inputTokenDetails.cacheReadTokens, 3);
    assert.ok(usage.outputTokenDetails.reasoningTokens > 5);
  });

  test("a stream: reasoning first, then text, together what the whole answer says", async () => {
    const whole = await generateText(ask(at.talking, { prompt: kQuestion }));
    const result = streamText(ask(at.talking, { prompt: kQuestion }));
    let thought = "", text = "";
    for await (const part of result.fullStream) {
      assert.notEqual(part.type, "error", String(part.error));
      if (part.type === "reasoning-delta") assert.equal(text, "", "the thought comes first"), (thought += part.text);
      if (part.type === "text-delta") text += part.text;
    }
    assert.equal(text, whole.text);
    assert.equal(thought, whole.reasoningText);
    assert.equal((await result.usage).outputTokens, whole.usage.outputTokens);
    assert.equal(await result.finishReason, "stop");
  });

  const tools = (asked) => ({
    get_weather: tool({
      description: weather.description,
      inputSchema: jsonSchema(weather.schema),
      execute: async ({ city }) => (asked.push(city), "rain"),
    }),
  });

  for (const isStream of [false, true]) {
    test(`a tool is called, and the answer goes on with what it gave${isStream ? ", streamed" : ""}`, async () => {
      const asked = [];
      const request = ask(at.calling, { prompt: "Will it rain in Paris?", tools: tools(asked), stopWhen: stepCountIs(3) });
      const result = isStream ? streamText(request) : await generateText(request);
      const steps = await result.steps;
      assert.deepEqual(asked, ["Paris"]);
      assert.deepEqual(steps.map(({ finishReason }) => finishReason), ["tool-calls", "stop"]);
      assert.match(steps[0].reasoningText, /^I need the weather/);
      assert.equal(await result.text, "It will rain, says the tool.");
    });
  }

  test("errors are the client's, with status and message", async () => {
    const nobody = createDeepSeek({ baseURL: `${at.talking.url}/v1`, apiKey: "none" })("nobody");
    await assert.rejects(generateText({ model: nobody, prompt: "hi", maxRetries: 0 }), (error) => {
      assert.equal(error.statusCode, 404);
      assert.match(error.message, /there is no model 'nobody'/);
      return true;
    });
  });
});

const skipLangchain = missing("@langchain/core", "@langchain/deepseek");
describe("@langchain/deepseek", { skip: skipLangchain }, async () => {
  const at = withServers();
  const { ChatDeepSeek } = skipLangchain ? {} : await import("@langchain/deepseek");
  const { HumanMessage, ToolMessage } = skipLangchain ? {} : await import("@langchain/core/messages");
  const clientOf = (server, more) =>
    new ChatDeepSeek({ model: kModel, apiKey: "none", maxRetries: 0, configuration: { baseURL: `${server.url}/v1` }, ...more });
  const tools = [{ type: "function", function: { name: "get_weather", description: weather.description, parameters: weather.schema } }];

  test("an answer, its reasoning apart, and its usage", async () => {
    const message = await clientOf(at.talking).invoke(kQuestion);
    assert.match(message.content, kAnswer);
    assert.match(message.additional_kwargs.reasoning_content, kThought);
    assert.ok(message.usage_metadata.output_tokens > 10);
    assert.equal(message.usage_metadata.input_token_details.cache_read, 3);
    assert.equal(message.response_metadata.finish_reason, "stop");
  });

  test("a stream: reasoning and text, together what the whole answer says", async () => {
    const whole = await clientOf(at.talking).invoke(kQuestion);
    let thought = "", text = "", usage;
    for await (const chunk of await clientOf(at.talking).stream(kQuestion)) {
      thought += chunk.additional_kwargs.reasoning_content ?? "";
      text += chunk.content;
      usage = chunk.usage_metadata ?? usage;
    }
    assert.equal(text, whole.content);
    assert.equal(thought, whole.additional_kwargs.reasoning_content);
    assert.equal(usage.output_tokens, whole.usage_metadata.output_tokens);
  });

  for (const isStream of [false, true]) {
    test(`a tool is called, and the answer goes on with what it gave${isStream ? ", streamed" : ""}`, async () => {
      const client = clientOf(at.calling).bindTools(tools), question = new HumanMessage("Will it rain in Paris?");
      const ask = async (messages) => {
        if (!isStream) return client.invoke(messages);
        let all;
        for await (const chunk of await client.stream(messages)) all = all?.concat(chunk) ?? chunk;
        return all;
      };
      const called = await ask([question]);
      assert.deepEqual(called.tool_calls.map(({ name, args }) => ({ name, args })), [{ name: "get_weather", args: { city: "Paris" } }]);
      assert.match(called.additional_kwargs.reasoning_content, /^I need the weather/);
      const told = new ToolMessage({ content: "rain", tool_call_id: called.tool_calls[0].id });
      assert.equal((await ask([question, called, told])).content, "It will rain, says the tool.");
    });
  }

  test("errors are the client's, with status and message", async () => {
    await assert.rejects(clientOf(at.talking, { model: "nobody" }).invoke("hi"), (error) => {
      assert.equal(error.status, 404);
      assert.match(error.message, /there is no model 'nobody'/);
      return true;
    });
  });
});
