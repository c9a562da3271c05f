// echo_logprobs_test.mjs: /completions with `echo` and `logprobs`, by which evaluation harnesses score a text: what it
// says of the prompt's tokens is what `r1 score` says of the same text.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { r1, serve, synthesize } from "./served.mjs";

const kTexts = ["A", "The quick brown fox: 3 + 4 = 7.", "Schön — 思考。" + " again and again".repeat(12)];
const kTop = 5;

for (const shape of ["tiny-deepseek", "tiny-qwen2"]) {
  describe(shape, () => {
    const model = synthesize(shape);
    let server;
    before(async () => (server = await serve(model, "-t", "2")));
    after(() => server?.stop());

    async function complete(more) {
      const request = { max_tokens: 1, temperature: 0, seed: 1, logprobs: kTop, echo: true, ...more };
      const reply = await fetch(`${server.url}/v1/completions`, { method: "POST", body: JSON.stringify(request) });
      const text = await reply.text();
      assert.equal(reply.status, 200, text);
      return request.stream ? text : JSON.parse(text);
    }
    const scored = (...args) => r1("score", model, ...args).trim().split("\n").map((line) => JSON.parse(line));
    const near = (got, wanted, what) => assert.ok(Math.abs(got - wanted) < 1e-4 * (1 + Math.abs(wanted)), `${what}: ${got}, not ${wanted}`);

    function expectScores(choice, lines) {
      const { tokens, token_logprobs, top_logprobs, text_offset } = choice.logprobs;
      for (const list of [token_logprobs, top_logprobs, text_offset]) assert.equal(list.length, tokens.length);
      assert.equal(tokens.length, lines.length + 1, "the prompt's, and one that was written");
      assert.equal(token_logprobs[0], null);
      assert.equal(top_logprobs[0], null);
      for (let i = 1; i < lines.length; ++i) {
        near(token_logprobs[i], lines[i].logprob, `token ${i}`);
        const best = Object.values(top_logprobs[i]);
        assert.ok(best.length > 0 && best.length <= kTop);
        near(Math.max(...best), lines[i - 1].top[0].logprob, `the best in place of token ${i}`);
      }
    }

    for (const [i, text] of kTexts.entries()) {
      test(`text ${i}: the scores of r1 score, twice`, async () => {
        const lines = scored("--text", text);
        const first = await complete({ prompt: text });
        expectScores(first.choices[0], lines);
        assert.equal(first.usage.prompt_tokens, lines.length);
        assert.equal(first.choices[0].logprobs.tokens.length, first.usage.total_tokens);
        const again = await complete({ prompt: text });  // its prefix is cached now, and computed all the same
        assert.deepEqual(again.choices[0], first.choices[0]);
        assert.equal(again.usage.prompt_tokens_details.cached_tokens, 0);
        const { text: said, logprobs } = first.choices[0];
        assert.ok(said.startsWith(text));
        const shown = logprobs.tokens.map((token, j) => [token, logprobs.text_offset[j]]).slice(0, lines.length);
        const characters = [...said];
        for (const [token, offset] of shown)
          if (!token.includes("\ufffd") && !/^<.*>$/.test(token)) assert.equal(characters.slice(offset, offset + [...token].length).join(""), token);
      });
    }

    test("as lm-eval asks: ids, the continuation's share, greedy or not", async () => {
      const ids = JSON.parse(r1("tokenize", model, kTexts[1])).ids, n_context = 4;
      const { choices } = await complete({ prompt: [ids], logprobs: 1 });
      const { token_logprobs, top_logprobs } = choices[0].logprobs;
      const mine = token_logprobs.slice(n_context, -1), best = top_logprobs.slice(n_context, -1);
      assert.equal(mine.length, ids.length - n_context);
      const lines = scored("--ids", ids.join(","));
      near(mine.reduce((sum, each) => sum + each, 0), lines.slice(n_context).reduce((sum, { logprob }) => sum + logprob, 0), "sum");
      const greedy = mine.map((logprob, i) => logprob === Math.max(...Object.values(best[i])));
      assert.deepEqual(greedy, lines.slice(n_context).map(({ id }, i) => lines[n_context + i - 1].top[0].id === id));
    });

    test("a stream put together says the same", async () => {
      const whole = await complete({ prompt: kTexts[2], max_tokens: 8 });
      const events = (await complete({ prompt: kTexts[2], max_tokens: 8, stream: true })).split("\n\n");
      const choices = events.filter((event) => event.startsWith("data: {")).map((event) => JSON.parse(event.slice(6)).choices[0]);
      assert.equal(choices.map(({ text }) => text).join(""), whole.choices[0].text);
      const n_prompt = whole.usage.prompt_tokens;
      for (const [name, list] of Object.entries(whole.choices[0].logprobs)) {
        // Weights at random write parts of characters, which a text shows as U+FFFD: only the prompt's have their places.
        const until = name === "text_offset" ? n_prompt : list.length;
        const streamed = choices.flatMap(({ logprobs }) => logprobs[name]);
        assert.equal(streamed.length, list.length);
        assert.deepEqual(streamed.slice(0, until), list.slice(0, until), name);
      }
    });

    test("scores don't change beside other requests", async () => {
      const alone = await complete({ prompt: kTexts[2] });
      const others = kTexts.map((prompt) => complete({ prompt, max_tokens: 30, echo: false }));
      const beside = await Promise.all([1, 2, 3].map(() => complete({ prompt: kTexts[2] })));
      for (const { choices } of beside) assert.deepEqual(choices, alone.choices);
      await Promise.all(others);
    });
  });
}
