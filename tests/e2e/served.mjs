// served.mjs: for the tests here: starts `r1 serve` on a free port, makes tiny models, and ends what it started.
// R1 names the binary (default build/release/r1).
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
export const R1 = path.resolve(process.env.R1 ?? path.join(here, "../../build/release/r1"));
export const chatScript = path.join(here, "scripts/chat.json");
export const toolsScript = path.join(here, "scripts/tools.json");
export const hasNpm = (name) => existsSync(path.join(here, "../node_modules", name, "package.json"));
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export function temporaryFolder(parent = tmpdir()) {
  const folder = mkdtempSync(path.join(parent, "r1_e2e_"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function r1(...args) {
  const done = spawnSync(R1, args, { encoding: "utf8", maxBuffer: 1 << 30 });
  if (done.status !== 0) throw new Error(`r1 ${args.join(" ")}: status ${done.status}\n${done.stderr}`);
  return done.stdout;
}

export function synthesize(shape, ...args) {
  const file = path.join(temporaryFolder(), `${shape}.gguf`);
  r1("synth", shape, file, ...args);
  return file;
}

// The same, in a folder, with a longer context than the shape's own 512 tokens.
export function synthesizeLong(shape, n_context) {
  const folder = path.join(temporaryFolder(), shape), file = path.join(folder, "config.json");
  r1("synth", shape, folder);
  const config = JSON.parse(readFileSync(file, "utf8"));
  writeFileSync(file, JSON.stringify({ ...config, max_position_embeddings: n_context }));
  return folder;
}

// Whether a model is in the local store.
export function isStored(name) {
  if (!existsSync(R1)) return false;
  return JSON.parse(r1("list", "--json")).some((model) => model.name === name && model.type !== "unfinished");
}

// {id, key} of a new API key.
export function makeKey(ledger, name, ...args) {
  return JSON.parse(r1("keys", "create", name, "--json", "--ledger", ledger, ...args));
}

// All entries of a ledger, oldest first.
export function entriesOf(ledger) {
  return r1("ledger", "export", "--json", "--ledger", ledger).trim().split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

const started = new Set();
process.on("exit", () => started.forEach((child) => child.kill("SIGKILL")));

// {url, signal(), stop(), kill(), health(), rss_kb(), maps(), n_files()}. stop() expects the server to end by itself, with status 0: under a
// sanitizer that is also its report of leaks.
export async function serve(...args) {
  // What a sanitizer keeps of freed memory would look like a leak.
  const env = { R1_DRAIN_SECONDS: "5", ASAN_OPTIONS: "quarantine_size_mb=4:thread_local_quarantine_size_kb=64", ...process.env };
  const command = ["serve", ...(args.includes("--port") ? [] : ["--port", "0"]), ...args];
  // R1_E2E_FILES, for a moment in a test's own environment: how many files the server may have open.
  const n_files = process.env.R1_E2E_FILES;
  const [program, all] = n_files ? ["/bin/sh", ["-c", `ulimit -n ${n_files} && exec "$0" "$@"`, R1, ...command]] : [R1, command];
  const child = spawn(program, all, { env, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  const ended = new Promise((resolve) => child.on("exit", (code, signal) => resolve(code ?? signal)));
  started.add(child);
  child.on("exit", () => started.delete(child));
  const url = await new Promise((resolve, reject) => {
    child.stderr.on("data", (bytes) => {
      said += bytes;
      const at = said.match(/serving.* on (http:[^\s"]+)/);
      if (at) resolve(at[1]);
    });
    ended.then((code) => reject(new Error(`r1 serve ended with ${code}: ${said}`)));
  });
  const status = (name) => Number(readFileSync(`/proc/${child.pid}/status`, "utf8").match(`${name}:\\s+(\\d+)`)[1]);
  return {
    url,
    health: async () => (await fetch(`${url}/health`)).json(),
    rss_kb: () => status("VmRSS"),
    maps: () => readFileSync(`/proc/${child.pid}/maps`, "utf8"),
    n_files: () => readdirSync(`/proc/${child.pid}/fd`).length,
    signal: (name) => child.kill(name),
    async kill() {
      child.kill("SIGKILL");
      await ended;
    },
    async stop(signal = "SIGINT") {
      child.kill(signal);
      const code = await ended;
      if (code !== 0) throw new Error(`r1 serve ended with ${code} after ${signal}:\n${said}`);
      return said;
    },
  };
}
