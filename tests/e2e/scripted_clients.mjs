// scripted_clients.mjs: for the tests of client libraries here: two scripted servers, and what their answers begin with.
import { after, before } from "node:test";

import { chatScript, hasNpm, serve, toolsScript } from "./served.mjs";

export const kModel = "deepseek-r1-script", kQuestion = "How many r's are in strawberry?";
export const kThought = /^The user asks how many r's/, kAnswer = /^There are \*\*three\*\* r's/;

// False, or why a test of packages that are not there is skipped.
export function missing(...names) {
  const absent = names.find((name) => !hasNpm(name));
  return absent ? `${absent} is not installed: tools/setup_npm.sh` : false;
}

// Two servers: one that talks, one that calls a tool and then says what it told, in turn.
export function withServers() {
  const at = {};
  before(async () => {
    at.talking = await serve("--engine", `script:${chatScript}`);
    at.calling = await serve("--engine", `script:${toolsScript}`);
  });
  after(() => Promise.all([at.talking?.stop(), at.calling?.stop()]));
  return at;
}
