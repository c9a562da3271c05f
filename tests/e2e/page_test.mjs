// page_test.mjs: the chat page in a real browser, the engine scripted (scripts/chat.json). CHROMIUM names another one
// than /usr/bin/chromium. With SCREENSHOTS=FOLDER the page is also drawn there: light, dark, narrow.
import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";

import { chatScript, hasNpm, makeKey, serve, sleep, temporaryFolder } from "./served.mjs";

const chromiumPath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const skip = !hasNpm("playwright-core") ? "playwright-core is not installed: tools/setup_npm.sh"
  : !existsSync(chromiumPath) ? `there is no ${chromiumPath}` : false;
const { chromium } = skip ? {} : (await import("playwright-core")).default;
const kFlags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];

describe("the chat page", { skip }, () => {
  let server, browser, page, complaints;

  before(async () => {
    server = await serve("--engine", `script:${chatScript}`);
    browser = await chromium.launchPersistentContext(temporaryFolder(), {
      executablePath: chromiumPath, headless: true, args: kFlags, viewport: { width: 1100, height: 800 },
      permissions: ["clipboard-read", "clipboard-write"],
    });
    browser.setDefaultTimeout(20_000);
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });
  beforeEach(async () => {
    page = await browser.newPage();
    await page.goto(`${server.url}/health`);  // the page itself would save its conversation once more when it is left
    await page.evaluate(() => localStorage.clear());
    complaints = [];
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    await page.goto(server.url);
    await page.waitForFunction(() => document.title.includes("·"));
  });
  afterEach(async () => {
    await page.close();
    assert.deepEqual(complaints, [], "errors in the console");
  });

  const send = async (text) => {
    await page.fill("#input", text);
    await page.press("#input", "Enter");
  };
  // Until the last message has a text there; `.stats` has one when the answer is complete.
  const says = (selector, text = "") => page.waitForFunction(
    ([css, part]) => (document.querySelector(`#messages > li:last-child ${css}`)?.textContent || null)?.includes(part),
    [selector, text]);
  const answered = () => says(".foot .stats");
  const last = (selector) => page.locator("#messages > li:last-child").locator(selector);
  const idle = async () => {
    for (let i = 0; i < 200; ++i) {
      if ((await server.health()).models[0].running === 0) return;
      await sleep(25);
    }
    assert.fail("the engine still runs");
  };

  test("greets, names the model, and sends nothing until asked", async () => {
    assert.equal(await page.title(), "deepseek-r1-script · r1");
    assert.ok(await page.isVisible("#welcome"));
    assert.ok(await page.isDisabled("#send"));
    await page.fill("#input", "  \n ");
    assert.ok(await page.isDisabled("#send"), "spaces are no question");
  });

  test("answers, its thinking folded", async () => {
    await send("How many r's are in strawberry?");
    await answered();
    assert.equal(await page.inputValue("#input"), "");
    assert.ok(!(await page.isVisible("#welcome")));
    assert.equal(await page.locator("#messages .user").innerText(), "How many r's are in strawberry?");
    assert.match(await last("summary").innerText(), /^Thought for/);
    assert.ok(!(await last(".thought").isVisible()), "folded");
    await last("summary").click();
    assert.match(await last(".thought").innerText(), /^The user asks how many r's/);
    assert.match(await last(".answer").innerText(), /^There are three r's/);
    assert.equal(await last(".answer ol > li").count(), 3);
    assert.match(await last("figure.code pre").innerText(), /^print\("strawberry"/);
    const stats = await last(".stats").innerText();
    assert.match(stats, /\d+ tokens.*tokens\/s/s);
    assert.match(stats, /\(3 cached\)/);
    await last("figure.code button").click();
    // The page writes to the clipboard in its own time, and a page without the focus may not read it for a moment.
    await page.waitForFunction(async () => (await navigator.clipboard.readText().catch(() => "")).startsWith("print("));
  });

  test("a conversation goes on, and the next request has all of it but the thinking", async () => {
    await send("Hi");
    await answered();
    const [request] = await Promise.all([page.waitForRequest("**/v1/chat/completions"), send("More")]);
    assert.deepEqual(request.postDataJSON().messages, [
      { role: "user", content: "Hi" },
      { role: "assistant", content: "Hello! How can I help you today?" },
      { role: "user", content: "More" },
    ]);
    await answered();
    assert.equal(await page.locator("#messages > li").count(), 4);
  });

  test("stop ends the answer, here and in the engine; what was said stays and can be asked again", async () => {
    for (const stop of [() => page.click("#send"), () => page.keyboard.press("Escape")]) {
      await send("Tell me slowly");
      await says(".answer", "word word");
      assert.equal(await page.getAttribute("#send", "aria-label"), "Stop");
      await stop();
      await answered();
      assert.match(await last(".stats").innerText(), /stopped/);
      assert.match(await last(".answer").innerText(), /^Here it comes, one word at a time: word word/);
      assert.equal(await page.getAttribute("#send", "aria-label"), "Send");
      await idle();
    }
    await last(".again").click();
    await says(".answer", "word");
    await page.keyboard.press("Escape");
    await answered();
    assert.equal(await page.locator("#messages > li").count(), 4);
  });

  test("a reload keeps the conversation, also in the middle of an answer", async () => {
    await send("How many r's are in strawberry?");
    await answered();
    const before = await page.locator("#messages").innerText();
    await page.reload();
    assert.equal(await page.locator("#messages").innerText(), before);
    await send("slowly");
    await says(".answer", "word");
    await page.reload();
    assert.equal(await page.locator("#messages > li").count(), 4);
    assert.match(await last(".answer").innerText(), /^Here it comes/);
    assert.match(await last(".stats").innerText(), /stopped/);
    await idle();
    await page.click("#new");
    assert.equal(await page.locator("#messages > li").count(), 0);
    assert.ok(await page.isVisible("#welcome"));
    await page.reload();
    assert.equal(await page.locator("#messages > li").count(), 0, "forgotten for good");
  });

  test("two tabs keep a conversation each; a new one goes on with the last that was saved", async () => {
    await send("How many r's are in strawberry?");
    await answered();
    const other = await browser.newPage();
    await other.goto(server.url);
    await other.click("#new");
    await other.fill("#input", "hello");
    await other.press("#input", "Enter");
    await other.waitForSelector("#messages > li:last-child .foot .stats:not(:empty)");
    await page.reload();
    assert.equal(await page.locator("#messages .user").innerText(), "How many r's are in strawberry?");
    await other.reload();
    assert.equal(await other.locator("#messages .user").innerText(), "hello");
    const third = await browser.newPage();
    await third.goto(server.url);
    assert.equal(await third.locator("#messages > li").count(), 2);
    await third.close();
    await other.close();
  });

  test("markup is text: in questions, in thinking, in answers", async () => {
    const attack = "markup <script>window.hacked=1</script><img src=x onerror='window.hacked=1'>";
    await send(attack);
    await answered();
    await last("summary").click();
    for (let reloaded = 0; reloaded < 2; ++reloaded) {
      await sleep(200);
      assert.equal(await page.evaluate(() => window.hacked), undefined);
      assert.equal(await page.locator("#messages :is(script, img, svg, a, iframe, b)").count(), 0);
      assert.equal(await page.locator("#messages .user").innerText(), attack);
      assert.match(await last(".thought").textContent(), /<img src=x onerror="window.hacked=1"> in thought/);
      assert.match(await last(".answer").innerText(), /<script>window.hacked=1<\/script><img src=x onerror=/);
      assert.match(await last(".answer").innerText(), /\[a link\]\(javascript:window.hacked=1\)/);
      assert.match(await last("figure.code pre").innerText(), /<svg onload=/);
      await page.reload();
    }
  });

  test("the server's policy forbids what the page does not need", async () => {
    const headers = (await page.goto(server.url)).headers();
    assert.match(headers["content-security-policy"], /default-src 'none'.*script-src 'self'.*frame-ancestors 'none'/);
    assert.equal(headers["x-content-type-options"], "nosniff");
    await page.evaluate(() => {
      const script = document.createElement("script");
      try {
        script.text = "window.hacked = 1";
        document.body.append(script);
      } catch {}
    });
    assert.equal(await page.evaluate(() => window.hacked), undefined);
    assert.ok(complaints.length > 0, "the browser says that it refused");
    complaints = [];
  });

  test("a failure is said where the answer would be, and can be tried again", async () => {
    await send("fail please");
    await answered();
    assert.match(await last(".problem").innerText(), /the expert store does not answer/);
    assert.match(await last(".answer").innerText(), /^The first half/);
    assert.ok(await last(".again").isVisible());
  });

  test("Shift+Enter starts a line, a suggestion is a question, the theme is remembered", async () => {
    await page.click("#input");
    await page.keyboard.type("one");
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.type("two");
    assert.equal(await page.inputValue("#input"), "one\ntwo");
    await page.fill("#input", "");
    await page.click(".suggestions button:visible");
    await answered();
    const scheme = () => page.evaluate(() => getComputedStyle(document.documentElement).colorScheme);
    await page.click("#theme");
    assert.equal(await scheme(), "dark");
    await page.reload();
    assert.equal(await scheme(), "dark");
    await page.click("#theme");
    assert.equal(await scheme(), "light");
  });

  test("the model in the program is offered what it can do", async () => {
    const nano = await serve("r1-nano", "-t", "1");
    try {
      await page.goto(nano.url);
      await page.waitForFunction(() => document.title.includes("r1-nano"));
      const offered = page.locator("#welcome [data-for]:visible button");
      assert.ok((await offered.allInnerTexts()).includes("Which is larger, 9.11 or 9.9?"));
      assert.ok(await page.getByText("knows nothing else").isVisible());
      await offered.first().click();
      await answered();
      assert.match(await last(".answer").innerText(), /^\d+$/, "so many r's");
    } finally {
      await page.goto("about:blank");
      await nano.stop();
    }
  });

  test("follows the answer while it is watched, and stays where the reader scrolled to", async () => {
    await page.setViewportSize({ width: 500, height: 420 });
    await send("slowly");
    const fromEnd = () => page.evaluate(() => {
      const { scrollHeight, scrollTop, clientHeight } = document.getElementById("scroll");
      return scrollHeight - scrollTop - clientHeight;
    });
    await page.waitForFunction(() => document.getElementById("scroll").scrollHeight > 700);
    assert.ok((await fromEnd()) < 80, "followed");
    await page.evaluate(() => (document.getElementById("scroll").scrollTop = 0));
    await page.waitForSelector("#latest:not([hidden])");
    assert.equal(await page.evaluate(() => document.getElementById("scroll").scrollTop), 0);
    await page.click("#latest");
    assert.ok((await fromEnd()) < 80);
    await page.keyboard.press("Escape");
    await answered();
    await page.setViewportSize({ width: 1100, height: 800 });
  });

  test("nothing sticks out of a narrow screen", async () => {
    await page.setViewportSize({ width: 320, height: 640 });
    await send("strawberry " + "x".repeat(300));
    await answered();
    const width = await page.evaluate(() =>
      Math.max(document.documentElement.scrollWidth, document.getElementById("scroll").scrollWidth));
    assert.ok(width <= 320, `${width} wide`);
    await page.setViewportSize({ width: 1100, height: 800 });
  });

  // `use` gets a page of a server that asks for keys, and one of its keys.
  async function withKeyedServer(use) {
    const ledger = path.join(temporaryFolder(), "ledger.db"), { key } = makeKey(ledger, "page", "--credit", "1");
    const keyed = await serve("--engine", `script:${chatScript}`, "--ledger", ledger, "--require-keys");
    try {
      await page.goto(keyed.url);
      await use(key);
      complaints = complaints.filter((text) => !text.includes("401"));  // the browser notes each
    } finally {
      await page.goto("about:blank");
      await keyed.stop();
    }
  }
  const enterKey = async (key) => {
    await page.fill("#key", key);
    await page.press("#key", "Enter");
  };

  test("a server without keys is not asked about", async () => {
    assert.ok(!(await page.isVisible("#key-form")) && !(await page.isVisible("#change-key")));
  });

  test("a server that asks for a key gets one: kept in this tab, sent, and changed", () => withKeyedServer(async (key) => {
    await page.waitForSelector("#key-form:not([hidden])");
    assert.match(await page.innerText("#key-why"), /asks for an API key/);
    assert.equal(await page.getAttribute("#key", "type"), "password");
    await enterKey("sk-r1-wrong");
    await page.waitForFunction(() => document.getElementById("key-why").textContent.includes("doesn’t take this"));
    await enterKey(key);
    await page.waitForFunction(() => document.title.includes("deepseek-r1-script"));
    assert.ok(!(await page.isVisible("#key-form")));
    const [request] = await Promise.all([page.waitForRequest("**/v1/chat/completions"), send("Hi")]);
    assert.equal(request.headers().authorization, `Bearer ${key}`);
    await answered();
    assert.match(await last(".answer").innerText(), /^Hello!/);
    await page.reload();
    await page.waitForFunction(() => document.title.includes("deepseek-r1-script"));
    assert.ok(!(await page.isVisible("#key-form")), "this tab knows it");
    assert.ok(!JSON.stringify(await page.evaluate(() => ({ ...localStorage }))).includes(key), "others don't");
    await page.click("#change-key");
    await enterKey("");
    await page.waitForSelector("#key-form:not([hidden])");
    assert.equal(await page.evaluate(() => sessionStorage.getItem("r1.api-key")), null);
  }));

  test("a question that was refused for want of a key is asked again with it", () => withKeyedServer(async (key) => {
    await page.waitForSelector("#key-form:not([hidden])");
    await send("Hi");
    await says(".problem", "asks for an API key");
    await enterKey(key);
    await says(".answer", "Hello!");
    assert.equal(await page.locator("#messages > li").count(), 2);
    await answered();
  }));

  if (process.env.SCREENSHOTS) test("screenshots of the key's field", () => withKeyedServer(async () => {
    const folder = process.env.SCREENSHOTS;
    mkdirSync(folder, { recursive: true });
    await page.waitForSelector("#key-form:not([hidden])");
    for (const [size, viewport] of [["wide", { width: 1100, height: 800 }], ["narrow", { width: 380, height: 720 }]]) {
      await page.setViewportSize(viewport);
      for (const colorScheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme });
        await page.screenshot({ path: path.join(folder, `${size}-${colorScheme}-key.png`) });
      }
    }
  }));

  if (process.env.SCREENSHOTS) test("screenshots", async () => {
    const folder = process.env.SCREENSHOTS;
    mkdirSync(folder, { recursive: true });
    const shoot = (name) => page.screenshot({ path: path.join(folder, `${name}.png`) });
    for (const [size, viewport] of [["wide", { width: 1100, height: 800 }], ["narrow", { width: 380, height: 720 }]]) {
      await page.setViewportSize(viewport);
      for (const colorScheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme });
        const name = `${size}-${colorScheme}`;
        await page.click("#new");
        await shoot(`${name}-welcome`);
        await send("How many r's are in strawberry?");
        await answered();
        await shoot(`${name}-answer`);
        await last("summary").click();
        await shoot(`${name}-thought`);
        await send("slowly");
        await says(".answer", "word word word");
        await shoot(`${name}-writing`);
        await page.keyboard.press("Escape");
        await answered();
        await send("fail");
        await answered();
        await shoot(`${name}-problem`);
      }
    }
  });
});
