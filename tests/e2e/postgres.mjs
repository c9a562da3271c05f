// postgres.mjs: for the tests here: a real PostgreSQL server of their own, in a temporary folder, on a socket in it, as a
// user who is not root. Ends with the test.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { chownSync, existsSync, readdirSync, statfsSync } from "node:fs";
import path from "node:path";

import { sleep, temporaryFolder } from "./served.mjs";

const kVersions = "/usr/lib/postgresql";

function binaries() {
  const versions = existsSync(kVersions) ? readdirSync(kVersions) : [];
  const found = versions.map((version) => path.join(kVersions, version, "bin")).filter((bin) => existsSync(path.join(bin, "initdb")));
  if (found.length === 0) throw new Error(`no ${kVersions}/*/bin/initdb: tools/setup.sh installs PostgreSQL`);
  return found.sort().at(-1);
}

// Where there is such a folder, with room: after a crash, the server flushes each of its files.
function memoryFolder() {
  if (!existsSync("/dev/shm")) return undefined;
  const space = statfsSync("/dev/shm");
  return space.bavail * space.bsize >= 2 ** 30 ? "/dev/shm" : undefined;
}

// {newDatabase(), kill(), start()}: the URL of an empty database, which takes the place of the one before; the server killed with its
// connections, and started again.
export async function postgresServer() {
  const bin = binaries(), folder = temporaryFolder(memoryFolder()), data = path.join(folder, "data");
  const own = {};
  if (process.getuid() === 0) {
    const id = (flag) => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
    [own.uid, own.gid] = [id("-u"), id("-g")];
    chownSync(folder, own.uid, own.gid);
  }
  const run = (name, ...args) => spawnSync(path.join(bin, name), args, { ...own, cwd: folder, encoding: "utf8" });
  const made = run("initdb", "-D", data, "-U", "r1", "-A", "trust", "-E", "UTF8", "--locale=C", "-N");
  if (made.status !== 0) throw new Error(`initdb: ${made.stderr}`);
  const options = ["-D", data, "-k", folder, "-h", "", "-c", "dynamic_shared_memory_type=mmap"];
  let child;
  async function start() {
    for (let n_tries = 0; n_tries < 200; ++n_tries) {
      if (!child || child.exitCode !== null || child.signalCode !== null)
        child = spawn(path.join(bin, "postgres"), options, { ...own, cwd: folder, stdio: "ignore" });
      child.unref();  // a test need not wait for it to end
      await sleep(50);
      if (run("pg_isready", "-q", "-h", folder, "-U", "r1").status === 0) return;
    }
    throw new Error("the PostgreSQL server of the test does not start");
  }
  await start();
  process.on("exit", () => child.kill("SIGQUIT"));
  let n_databases = 0;
  return {
    newDatabase() {
      if (n_databases > 0) run("dropdb", "-f", "-h", folder, "-U", "r1", `ledger_${n_databases}`);
      const name = `ledger_${++n_databases}`;
      if (run("createdb", "-h", folder, "-U", "r1", name).status !== 0) throw new Error("createdb failed");
      return `postgresql://r1@/${name}?host=${folder}`;
    },
    start,
    async kill() {
      child.ref();
      const ended = new Promise((resolve) => child.on("exit", resolve));
      child.kill("SIGKILL");
      await ended;
    },
  };
}
