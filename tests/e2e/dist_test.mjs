// dist_test.mjs: the files in dist/ do what they say: options from a file and the environment, the systemd unit, nginx in
// front of streams. NGINX names an nginx that is not in the PATH.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import https from "node:https";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { R1, chatScript, serve, sleep, temporaryFolder } from "./served.mjs";

const dist = path.join(path.dirname(fileURLToPath(import.meta.url)), "../../dist");
const read = (name) => readFileSync(path.join(dist, name), "utf8");
const find = (name) => ["/usr/sbin", "/usr/bin", "/usr/local/sbin"].map((folder) => path.join(folder, name)).find(existsSync);
const folder = temporaryFolder();

function replaced(text, ...pairs) {
  for (const [from, to] of pairs) {
    assert.ok(text.includes(from), `the file holds '${from}'`);
    text = text.replaceAll(from, to);
  }
  return text;
}

function scriptedConfig(name, ...pairs) {
  const file = path.join(folder, name);
  const script = `engine = "script:${chatScript}"`;
  writeFileSync(file, replaced(read("serve.toml"), ['MODEL = ["smollm2:135m"]', script], ["port = 8080", "port = 0"], ...pairs));
  return file;
}

test("serve.toml is read, and the command line wins", async () => {
  const server = await serve("--config", scriptedConfig("serve.toml"), "--name", "other");
  const { data } = await (await fetch(`${server.url}/v1/models`)).json();
  assert.equal(data[0].id, "other");
  const said = await server.stop();
  assert.match(said, /^\{"time":.*"answered"/m, "log-format = json");
});

test("a wrong line of the file and a wrong variable are wrong usage, and named", () => {
  const file = path.join(folder, "wrong.toml");
  writeFileSync(file, "prot = 80\n");
  const wrong = spawnSync(R1, ["serve", "--config", file], { encoding: "utf8" });
  assert.equal(wrong.status, 2);
  assert.match(wrong.stderr, /wrong\.toml: 'prot' is no option of r1 serve/);
  const variable = spawnSync(R1, ["serve", "x"], { encoding: "utf8", env: { ...process.env, R1_PORT: "70000" } });
  assert.equal(variable.status, 2);
  assert.match(variable.stderr, /70000/);
});

const analyze = find("systemd-analyze");
test("the systemd unit is valid, and gives answers their time", { skip: !analyze && "systemd-analyze is not installed" }, () => {
  const unit = path.join(folder, "r1.service");
  const verify = (text) => {
    writeFileSync(unit, text);
    return spawnSync(analyze, ["verify", "--man=no", unit], { encoding: "utf8" });
  };
  const text = replaced(read("r1.service"), ["/usr/local/bin/r1", R1]);
  const good = verify(text);
  assert.equal(good.stderr, "");
  assert.equal(good.status, 0);
  assert.notEqual(verify(replaced(text, ["TimeoutStopSec=90", "TimeoutStopSec=soon"])).stderr, "", "it finds faults");
  const drain_s = Number(read("serve.toml").match(/^drain-seconds = ([\d.]+)/m)[1]);
  assert.ok(Number(text.match(/^TimeoutStopSec=(\d+)/m)[1]) > drain_s + 5);
});

// nginx with the example, in front of `server`; {port, stop()}.
async function proxy(nginx, server) {
  const key = path.join(folder, "key.pem"), cert = path.join(folder, "cert.pem");
  const made = spawnSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=r1.example.org",
                                     "-keyout", key, "-out", cert], { encoding: "utf8" });
  assert.equal(made.status, 0, made.stderr);
  const port = 20000 + ((process.pid * 7) % 20000);
  writeFileSync(path.join(folder, "r1.conf"), replaced(read("nginx.conf"), ["listen 443", `listen 127.0.0.1:${port}`],
    ["127.0.0.1:8080", new URL(server.url).host], ["/etc/ssl/r1/fullchain.pem", cert], ["/etc/ssl/r1/privkey.pem", key]));
  const temps = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/${name};`);
  const config = path.join(folder, "nginx.conf");
  writeFileSync(config, `${process.getuid() === 0 ? "user root;" : ""} daemon off; pid ${folder}/nginx.pid; error_log stderr;
    events {} http { access_log off; ${temps.join(" ")} include ${folder}/r1.conf; }`);
  const tested = spawnSync(nginx, ["-t", "-e", "stderr", "-c", config], { encoding: "utf8" });
  assert.equal(tested.status, 0, tested.stderr);
  const child = spawn(nginx, ["-e", "stderr", "-c", config], { stdio: "ignore" });
  process.on("exit", () => child.kill("SIGKILL"));
  return { port, stop: () => new Promise((resolve) => (child.on("exit", resolve), child.kill("SIGTERM"))) };
}

// {reply, first_ms, total_ms, text} of a request through the proxy.
function ask(port, body) {
  const started = Date.now();
  return new Promise((resolve, reject) => {
    const request = https.request({ host: "127.0.0.1", port, path: "/v1/chat/completions", method: "POST", rejectUnauthorized: false,
                                    headers: { Host: "r1.example.org", "Content-Type": "application/json" } });
    request.on("error", reject);
    request.on("response", (reply) => {
      const got = { reply, text: "", first_ms: null };
      reply.on("data", (bytes) => {
        got.first_ms ??= Date.now() - started;
        got.text += bytes;
      });
      reply.on("end", () => resolve({ ...got, total_ms: Date.now() - started }));
    });
    request.end(JSON.stringify(body));
  });
}

const nginx = process.env.NGINX ?? find("nginx");
test("nginx lets events through as they come", { skip: !nginx && "nginx is not installed (apt-get install nginx-light)" }, async () => {
  const server = await serve("--config", scriptedConfig("proxied.toml", ["drain-seconds = 60.0", "drain-seconds = 5"]));
  const front = await proxy(nginx, server);
  const messages = [{ role: "user", content: "slowly" }];
  let streamed;
  for (let i = 0; i < 100 && !streamed; ++i)
    streamed = await ask(front.port, { messages, stream: true, max_tokens: 50 }).catch(() => sleep(50));
  assert.equal(streamed.reply.statusCode, 200, streamed.text);
  assert.ok(streamed.text.endsWith("data: [DONE]\n\n"));
  assert.ok(streamed.total_ms > 1000, `50 tokens of 30 ms took ${streamed.total_ms} ms`);
  assert.ok(streamed.first_ms < streamed.total_ms / 2, `the first event came after ${streamed.first_ms} of ${streamed.total_ms} ms`);
  assert.match(streamed.reply.headers["x-request-id"], /^[0-9a-f]{32}$/, "nginx's id is ours");
  const whole = await ask(front.port, { messages: [{ role: "user", content: "hi" }] });
  assert.match(whole.text, /How can I help you today/);
  await front.stop();
  const said = await server.stop();
  assert.ok(said.includes(`"request_id":"${streamed.reply.headers["x-request-id"]}"`));
});
