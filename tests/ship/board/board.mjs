// A board for the tests of `trapship flash`: MicroPython's own interpreter (the WebAssembly build, with its real raw
// REPL), a folder as its flash, and the master end of a pty as its USB socket.
//
//   node board.mjs PACKAGE/micropython.mjs FOLDER CLAIM.json      the pty's master end is file descriptor 3, not blocking
//
// What the interpreter is not, CLAIM says, and `prologue.py` puts it in front of the interpreter's own answers: machine,
// version, mpy, flash_bytes; power_bytes: after so many bytes written to flash the power goes. Everything else is real.
// A reset begins a new process with a blank heap; after a power cut nobody answers until the test starts it again.
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const RESET = 64;
const POWER_GONE = 65;
const LINE = 3;
const ENOSPC = 51; // Emscripten's number for it
const NAP_MS = 1;
const [, here, program, folder, claimPath, inside] = process.argv;

if (!inside) {
  let status = RESET;
  while (status === RESET) {
    const run = spawnSync(process.execPath, [...process.argv.slice(1, 5), "inside"], { stdio: ["ignore", "inherit", "inherit", LINE] });
    status = run.status;
  }
  process.exit(status ?? 1);
}

const { loadMicroPython } = await import(pathToFileURL(program).href);
const claim = JSON.parse(fs.readFileSync(claimPath, "utf8"));
const cell = new Int32Array(new SharedArrayBuffer(4));
const nap = () => Atomics.wait(cell, 0, 0, NAP_MS);

const say = (bytes) => {
  for (let at = 0; at < bytes.length; ) {
    try { at += fs.writeSync(LINE, bytes, at); } catch (error) { if (error.code !== "EAGAIN") throw error; nap(); }
  }
};
let came = Buffer.alloc(0);
/** The next byte of the line: null when there is none yet. The process ends with the line. */
const poll = () => {
  if (came.length === 0) {
    const data = Buffer.alloc(4096);
    try { came = data.subarray(0, fs.readSync(LINE, data, 0, data.length, null)); } catch (error) {
      if (error.code === "EAGAIN") return null;
      if (error.code !== "EIO") throw error;
    }
    if (came.length === 0) process.exit(0);
  }
  const byte = came[0];
  came = came.subarray(1);
  return byte;
};

// What is written waits for the end of a line, or of a call: a write a byte would be slow.
let said = [];
const flush = () => { say(Buffer.from(said)); said = []; };
const mp = await loadMicroPython({ heapsize: 8 << 20, linebuffer: false, stdout: (c) => { said.push(c[0]); if (c[0] === 10) flush(); } });
const FS = mp.FS;

// ---- the flash: what the interpreter has in memory, with every change made in the folder at once
const load = (from, to) => {
  for (const name of fs.readdirSync(from)) {
    const [source, target] = [join(from, name), `${to}/${name}`];
    if (fs.statSync(source).isDirectory()) { if (!FS.analyzePath(target).exists) FS.mkdir(target); load(source, target); }
    else FS.writeFile(target, fs.readFileSync(source));
  }
};
load(folder, "");
const used = (path) => fs.readdirSync(path).reduce((sum, name) => {
  const found = fs.statSync(join(path, name));
  return sum + (found.isDirectory() ? used(join(path, name)) : found.size);
}, 0);
const own = (path) => !/^\/(dev|proc|tmp|home)(\/|$)/.test(path);
const absolute = (path) => (path.startsWith("/") ? path : `${FS.cwd().replace(/\/$/, "")}/${path}`);
const host = (path) => join(folder, absolute(path));
let left = claim.power_bytes ?? Infinity;
const spend = (bytes) => { left -= bytes; if (left < 0) process.exit(POWER_GONE); };

const real = { open: FS.open, write: FS.write, rename: FS.rename, unlink: FS.unlink, mkdir: FS.mkdir, rmdir: FS.rmdir };
FS.open = (path, flags, ...rest) => {
  const stream = real.open.call(FS, path, flags, ...rest);
  if (stream.path && own(stream.path) && FS.isFile(stream.node.mode) && (typeof flags === "number" ? flags & 3 : flags !== "r")) {
    const data = Buffer.from(FS.readFile(stream.path));
    if (!fs.existsSync(host(stream.path)) || fs.statSync(host(stream.path)).size !== data.length) { spend(1); fs.writeFileSync(host(stream.path), data); }
  }
  return stream;
};
FS.write = (stream, buffer, offset, length, position, ...rest) => {
  if (!stream.path || !own(stream.path) || !FS.isFile(stream.node.mode)) return real.write.call(FS, stream, buffer, offset, length, position, ...rest);
  if (claim.flash_bytes && used(folder) + length > claim.flash_bytes) throw new FS.ErrnoError(ENOSPC);
  const [at, going] = [position ?? (stream.flags & 1024 ? stream.node.usedBytes : stream.position), Math.min(length, left)];
  const file = fs.openSync(host(stream.path), "r+");
  fs.writeSync(file, Buffer.from(buffer.subarray(offset, offset + going)), 0, going, at);
  fs.closeSync(file);
  spend(length);
  return real.write.call(FS, stream, buffer, offset, length, position, ...rest);
};
const changing = (name, change) => { FS[name] = (...args) => { const answer = real[name].apply(FS, args); if (own(absolute(args[0]))) { spend(1); change(...args.map((a) => (typeof a === "string" ? host(a) : a))); } return answer; }; };
changing("rename", (from, to) => fs.renameSync(from, to));
changing("unlink", (path) => fs.unlinkSync(path));
changing("mkdir", (path) => fs.mkdirSync(path, { recursive: true }));
changing("rmdir", (path) => fs.rmdirSync(path));

// ---- the hardware that `prologue.py` makes its `machine` of
mp.registerJsModule("_board", {
  claim: JSON.stringify(claim),
  reset: () => { flush(); process.exit(RESET); },
  free_bytes: () => Math.max(0, (claim.flash_bytes || 1 << 21) - used(folder)),
  /** A byte that came, or -1 after at most `ms`. */
  key: (ms) => { flush(); for (let until = Date.now() + ms; ; nap()) { const byte = poll(); if (byte !== null) return byte; if (Date.now() >= until) return -1; } },
});

const run = (source, name) => {
  try { mp.runPython(source); } catch (error) { said.push(...Buffer.from(`${name}: ${error.message}\r\n`.replace(/\n/g, "\r\n"))); }
  flush();
};
run(fs.readFileSync(join(dirname(fileURLToPath(import.meta.url)), "prologue.py"), "utf8"), "prologue.py");
for (const name of ["boot.py", "main.py"]) if (fs.existsSync(join(folder, name))) run(fs.readFileSync(join(folder, name), "utf8"), name);
mp.replInit();
flush();
for (;;) {
  const byte = poll();
  if (byte === null) { flush(); nap(); continue; }
  if (mp.replProcessChar(byte) & 256) { flush(); process.exit(RESET); }
}
