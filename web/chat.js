// chat.js: the plain chat page: one conversation, kept in this browser, streamed from /v1/chat/completions.
//
// State: `conversation`, an array of {role, content, thinking, …}; everything on screen is made from it.

import { button, copyButton, element, renderText } from "/markdown.js";

const $ = (id) => document.getElementById(id);
const kStorageKey = "r1.conversation", kThemeKey = "r1.theme", kModelKey = "r1.model";
const kApiKeyKey = "r1.api-key";  // of this tab's session alone

let conversation = [];
let running = null;  // {controller, view} while an answer is being written
let isLeaving = false;  // the page is being closed or loaded again, which breaks the connection

// ---- small things ----------------------------------------------------------------------------------------------------

function stored(key, storage = localStorage) {
  try {
    return storage.getItem(key);
  } catch {
    return null;  // private windows and full disks: the page works, it just forgets
  }
}

function store(key, value, storage = localStorage) {
  try {
    storage.setItem(key, value);
  } catch {}
}

// ---- the API key, where the server asks for one ------------------------------------------------------------------------

let apiKey = "";
try {
  apiKey = sessionStorage.getItem(kApiKeyKey) ?? "";
} catch {}

function useKey(key) {
  apiKey = key;
  try {
    if (key) sessionStorage.setItem(kApiKeyKey, key);
    else sessionStorage.removeItem(kApiKeyKey);
  } catch {}
  $("change-key").hidden = !key;
}

function askForKey(why) {
  $("key-why").textContent = why;
  $("key").value = "";
  $("key-form").hidden = false;
  $("key").focus();
}

class KeyNeeded extends Error {
  constructor() {
    super(apiKey ? "The server doesn’t take this API key." : "This server asks for an API key.");
  }
}

async function request(path, options = {}) {
  const headers = { ...options.headers, ...(apiKey && { Authorization: `Bearer ${apiKey}` }) };
  const response = await fetch(path, { ...options, headers });
  if (response.status === 401) throw new KeyNeeded();
  return response;
}

// ---- numbers in words ------------------------------------------------------------------------------------------------

const seconds = (ms) => (ms < 50 ? "<0.1" : ms < 9950 ? (ms / 1000).toFixed(1) : Math.round(ms / 1000)) + " s";
const count = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;

// ---- messages on the screen ------------------------------------------------------------------------------------------

// What a message took, most telling first; narrow screens leave out what is marked "more".
function statsElement(message) {
  const stats = element("span", "stats");
  const add = (text, className = "") => stats.append(element("span", className, text));
  const { usage, write_ms, first_ms } = message;
  if (message.finish === "length") add("cut at the token limit");
  if (message.finish === "stopped") add("stopped");
  if (usage) add(count(usage.completion_tokens, "token"));
  if (usage?.completion_tokens > 1 && write_ms > 0) {
    const rate = (usage.completion_tokens - 1) / (write_ms / 1000);
    add(`${rate.toFixed(rate < 100 ? 1 : 0)} tokens/s`);
  }
  if (first_ms !== undefined) add(`first after ${seconds(first_ms)}`, "more");
  if (usage) {
    const cached = usage.prompt_tokens_details?.cached_tokens;
    add(`prompt ${usage.prompt_tokens.toLocaleString("en")}${cached ? ` (${cached} cached)` : ""}`, "more");
  }
  return stats;
}

function thinkingTitle(ms, isThinking) {
  const whole = Math.floor(ms / 1000);
  if (isThinking) return whole >= 1 ? `Thinking for ${whole} s` : "Thinking";
  return whole >= 1 ? `Thought for ${whole} s` : "Thought for a moment";
}

function userView(message) {
  const item = element("li", "user");
  item.append(element("div", "", message.content));
  return { item, update() {} };
}

function answerView(message) {
  const item = element("li");
  const thinking = element("details", "thinking"), summary = element("summary"), thought = element("div", "thought");
  const answer = element("div", "answer"), foot = element("div", "foot"), waiting = element("span", "waiting");
  thinking.append(summary, thought);
  item.append(thinking, answer, waiting, foot);
  const thoughtText = document.createTextNode("");
  thought.append(thoughtText);

  function update() {
    const isLive = running?.message === message;
    item.classList.toggle("live", isLive);
    thinking.hidden = !message.thinking;
    const isThinking = isLive && !message.content && !!message.thinking;
    thinking.classList.toggle("now", isThinking);
    if (message.thinking) {
      const ms = isThinking ? performance.now() - running.thinking_since : message.thinking_ms ?? 0;
      summary.textContent = thinkingTitle(ms, isThinking);
      if (message.thinking.length !== thoughtText.length)
        thoughtText.appendData(message.thinking.slice(thoughtText.length));
    }
    waiting.hidden = !isLive || !!message.thinking || !!message.content;
    answer.classList.toggle("now", isLive);
    renderText(answer, message.content);
    if (!isLive) finish();
  }

  function finish() {
    foot.replaceChildren(statsElement(message));
    if (message.content) foot.append(copyButton(() => message.content));
    if (conversation.at(-1) === message) foot.append(againButton());
    item.querySelector(".problem")?.remove();
    if (message.problem) foot.before(element("div", "problem", message.problem));
  }
  return { item, update };
}

function againButton() {
  const made = button("Try again", retry);
  made.classList.add("again");
  return made;
}

function show(message) {
  const view = message.role === "user" ? userView(message) : answerView(message);
  view.update();
  $("messages").append(view.item);
  $("welcome").hidden = true;
  return view;
}

function showAll() {
  $("messages").replaceChildren();
  $("welcome").hidden = conversation.length > 0;
  conversation.forEach(show);
}

const isAtEnd = () => $("scroll").scrollHeight - $("scroll").scrollTop - $("scroll").clientHeight < 60;
function toEnd() {
  $("scroll").scrollTop = $("scroll").scrollHeight;
  $("latest").hidden = true;
}

// ---- talking to the server -------------------------------------------------------------------------------------------

// The data of each server-sent event of a response.
async function* eventsOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    held += value;
    const events = held.split("\n\n");
    held = events.pop();
    for (const event of events) if (event.startsWith("data: ")) yield event.slice(6);
  }
}

async function* chunksOf(messages, signal) {
  const response = await request("/v1/chat/completions", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ model: $("model").value || undefined, messages, stream: true }),
    signal,
  });
  if (!response.ok) {
    const body = await response.json().catch(() => null);
    throw new Error(body?.error?.message ?? `The server answered ${response.status}.`);
  }
  for await (const data of eventsOf(response)) {
    if (data === "[DONE]") return;
    const chunk = JSON.parse(data);
    if (chunk.error) throw new Error(chunk.error.message);
    yield chunk;
  }
  throw new Error("The connection ended before the answer did.");
}

function take(chunk, message, now) {
  const choice = chunk.choices[0];
  const { reasoning_content: thinking, content } = choice?.delta ?? {};
  if ((thinking || content) && message.first_ms === undefined) {
    message.first_ms = now - running.asked_at;
    running.first_at = now;
  }
  if (thinking) {
    running.thinking_since ??= now;
    message.thinking += thinking;
  }
  if (content && running.thinking_since !== undefined) message.thinking_ms ??= now - running.thinking_since;
  if (content) message.content += content;
  if (choice?.finish_reason) message.finish = choice.finish_reason;
  if (chunk.usage) message.usage = chunk.usage;
}

function explain(error) {
  if (error instanceof TypeError) return "The server can’t be reached. Is r1 still running?";
  return error.message;
}

// Asks for the answer to the conversation as it stands.
async function ask() {
  const messages = conversation.filter((message) => message.content).map(({ role, content }) => ({ role, content }));
  const message = { role: "assistant", content: "", thinking: "" };
  conversation.push(message);
  const controller = new AbortController();
  running = { controller, message, asked_at: performance.now() };
  const view = show(message);
  let frame = 0;
  const draw = () => {
    frame = 0;
    const follow = isAtEnd();
    view.update();
    if (follow) toEnd();
    else $("latest").hidden = false;
  };
  const schedule = () => (frame ||= requestAnimationFrame(draw));
  const clock = setInterval(() => (schedule(), save()), 1000);
  updateComposer();
  toEnd();
  try {
    for await (const chunk of chunksOf(messages, controller.signal)) {
      take(chunk, message, performance.now());
      schedule();
    }
  } catch (error) {
    if (controller.signal.aborted || isLeaving) message.finish = "stopped";
    else message.problem = explain(error);
    if (error instanceof KeyNeeded) askForKey(error.message);
  }
  clearInterval(clock);
  cancelAnimationFrame(frame);
  if (running.first_at !== undefined) message.write_ms = performance.now() - running.first_at;
  if (running.thinking_since !== undefined) message.thinking_ms ??= performance.now() - running.thinking_since;
  running = null;
  draw();
  save();
  updateComposer();
  $("announce").textContent = message.problem ?? "The answer is complete.";
}

function retry() {
  if (running) return;
  conversation.pop();
  showAll();
  ask();
}

// ---- the composer and the rest ---------------------------------------------------------------------------------------

function updateComposer() {
  const send = $("send"), input = $("input");
  send.classList.toggle("stop", !!running);
  send.disabled = !running && input.value.trim() === "";
  send.setAttribute("aria-label", running ? "Stop" : "Send");
  input.style.height = "auto";
  input.style.height = input.scrollHeight + 2 + "px";
}

function submit() {
  const text = $("input").value.trim();
  if (!text || running) return;
  $("input").value = "";
  for (const old of document.querySelectorAll(".again")) old.remove();  // only the last answer can be asked for again
  conversation.push({ role: "user", content: text });
  show(conversation.at(-1));
  ask();
}

// Twice: a tab goes on with its own conversation, a new one with the last that was saved in any.
function save() {
  const text = JSON.stringify(conversation);
  store(kStorageKey, text, sessionStorage);
  store(kStorageKey, text);
}

function restore() {
  try {
    const saved = JSON.parse(stored(kStorageKey, sessionStorage) ?? stored(kStorageKey) ?? "[]");
    conversation = Array.isArray(saved) ? saved.filter((m) => m && typeof m.content === "string") : [];
  } catch {
    conversation = [];
  }
  const last = conversation.at(-1);
  if (last?.role === "assistant" && !last.finish && !last.problem) last.finish = "stopped";  // the page was closed meanwhile
}

const isDark = () => getComputedStyle(document.documentElement).colorScheme === "dark" ||
  (!stored(kThemeKey) && matchMedia("(prefers-color-scheme: dark)").matches);

function showTheme() {
  const chosen = stored(kThemeKey);
  if (chosen) document.documentElement.dataset.theme = chosen;
}

// What a model of 1.7 million parameters can be asked is not what others can.
function showSuggestions() {
  const isNano = $("model").value === "r1-nano";
  for (const part of document.querySelectorAll("#welcome [data-for]")) part.hidden = (part.dataset.for === "r1-nano") !== isNano;
}

async function loadModels() {
  const select = $("model");
  try {
    const { data } = await (await request("/v1/models")).json();
    select.replaceChildren(...data.map(({ id }) => new Option(id, id)));
    const chosen = stored(kModelKey);
    if (data.some(({ id }) => id === chosen)) select.value = chosen;
    select.disabled = data.length < 2;
    showSuggestions();
    document.title = `${select.value} · r1`;
  } catch (error) {
    const needsKey = error instanceof KeyNeeded;
    select.replaceChildren(new Option(needsKey ? "API key needed" : "server not reached", ""));
    select.disabled = true;
    if (needsKey) askForKey(error.message);
  }
}

showTheme();
useKey(apiKey);
restore();
showAll();
toEnd();
updateComposer();
loadModels();

addEventListener("beforeunload", () => (isLeaving = true));
addEventListener("pagehide", save);
addEventListener("pageshow", () => (isLeaving = false));
$("theme").addEventListener("click", () => {
  store(kThemeKey, isDark() ? "light" : "dark");
  showTheme();
});
$("change-key").addEventListener("click", () => askForKey("Another API key; leave it empty to use none."));
$("key-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  useKey($("key").value.trim());
  $("key-form").hidden = true;
  $("input").focus();
  await loadModels();
  if ($("key-form").hidden && conversation.at(-1)?.problem) retry();
});
$("model").addEventListener("change", (event) => {
  store(kModelKey, event.target.value);
  showSuggestions();
});
$("new").addEventListener("click", () => {
  running?.controller.abort();
  conversation = [];
  save();
  showAll();
  $("input").focus();
});
$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  if (running) running.controller.abort();
  else submit();
});
$("input").addEventListener("input", updateComposer);
$("input").addEventListener("keydown", (event) => {
  // While an input method composes, Enter chooses a word (229: what browsers send then).
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  submit();
});
addEventListener("keydown", (event) => event.key === "Escape" && running?.controller.abort());
$("welcome").addEventListener("click", (event) => {
  if (!(event.target instanceof HTMLButtonElement)) return;
  $("input").value = event.target.textContent;
  submit();
});
$("latest").addEventListener("click", toEnd);
$("scroll").addEventListener("scroll", () => isAtEnd() && ($("latest").hidden = true));
