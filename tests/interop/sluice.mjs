// Sluice: the real binary under test, with a conf and logs in a temporary folder of its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';

import { until, within } from './check.mjs';

const started = new Set();
const folders = new Set();
// Whatever happens to this program, nothing that it started outlives it. Each instance leads a
// process group: workers would go on serving without their master.
process.on('exit', () => {
  for (const sluice of started) sluice.killNow();
  for (const folder of folders) fs.rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => process.exit(1));

// Nobody listens there, nor can a test that runs beside this one come to: tcpmux's.
export const nobodysPort = 1;

export async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

function accepts(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

export class Sluice {
  // `routes`: {path, port or server, lines}; `port` is that of the server behind it, `server` its
  // URI. `top` and `listen` are further lines at the top and of the listener; `access` are words
  // behind the access log's path.
  constructor(bin, routes, { top = [], listen = [], access = '' } = {}) {
    this.access = access;
    this.program = path.join(bin, 'sluice');
    this.routes = routes;
    this.top = top;
    this.listen = listen;
    this.secure = listen.some((line) => line.startsWith('tls_certificate '));
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-interop-'));
    folders.add(this.folder);
    this.errorLog = path.join(this.folder, 'error.log');
    this.accessLog = path.join(this.folder, 'access.log');
    this.output = '';
  }

  async start() {
    if (!fs.existsSync(this.program)) throw new Error(`${this.program} is missing: build it first`);
    // Between choosing a port and listening on it somebody else may take it.
    for (let tries = 1; ; ++tries) {
      await this.#startOnce();
      if (!this.ended) return;
      if (tries === 3) throw new Error(`sluice did not start: ${this.output}`);
    }
  }

  async #startOnce() {
    this.port = await freePort();
    const conf = path.join(this.folder, 'sluice.conf');
    fs.writeFileSync(conf, this.#conf());
    this.ended = undefined;
    this.process = spawn(this.program, ['-c', conf], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    started.add(this);
    this.exited = new Promise((resolve) => {
      this.process.once('error', (error) => this.#onEnd({ error }, resolve));
      this.process.once('exit', (code, signal) => this.#onEnd({ code, signal }, resolve));
    });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream.on('data', (data) => (this.output += data));
    }
    const end = Date.now() + 15_000;
    while (!this.ended && !(await accepts(this.port))) {
      if (Date.now() > end) throw new Error(`sluice does not listen: ${this.output}`);
    }
  }

  #onEnd(how, resolve) {
    this.ended = how;
    started.delete(this);
    resolve(how);
  }

  #conf() {
    const lines = ['workers 2', `error_log ${this.errorLog} info`,
                   `access_log ${this.accessLog} ${this.access}`];
    if (process.getuid() === 0) lines.push('user root');
    lines.push('drain_timeout off', ...this.top, `listen 127.0.0.1:${this.port}`);
    for (const line of this.listen) lines.push(`  ${line}`);
    for (const route of this.routes) {
      const server = route.server ?? `ws://127.0.0.1:${route.port}`;
      lines.push(`route ${route.path}`, `  proxy_pass ${server}`);
      for (const line of route.lines ?? []) lines.push(`  ${line}`);
    }
    return lines.join('\n') + '\n';
  }

  url(target) {
    return `${this.secure ? 'wss' : 'ws'}://127.0.0.1:${this.port}${target}`;
  }

  signal(name) {
    process.kill(this.process.pid, name);
  }

  // Ends it with TERM and says how it went: it must be gone soon, in order.
  async stop() {
    if (!this.process || this.ended) return;
    this.signal('SIGTERM');
    await this.expectExit();
  }

  async expectExit() {
    try {
      const how = await within(10, 'exit of sluice', this.exited);
      if (how.code !== 0) throw new Error(`sluice ended with ${JSON.stringify(how)}`);
      const dead = this.#lines(this.errorLog).filter((line) => line.includes('starting it again'));
      if (dead.length > 0) throw new Error(`a worker died: ${dead[0]}`);
    } finally {
      this.killNow();
    }
  }

  killNow() {
    if (!started.delete(this)) return;
    try {
      process.kill(-this.process.pid, 'SIGKILL');
    } catch {
      // It has gone.
    }
  }

  #lines(file) {
    if (!fs.existsSync(file)) return [];
    return fs.readFileSync(file, 'utf8').split('\n').filter((line) => line !== '');
  }

  accessLines() {
    return this.#lines(this.accessLog);
  }

  errorLines() {
    return this.#lines(this.errorLog);
  }

  // The sessions (`id`) that have a line of that event, sorted. A line is `TIME EVENT id=W-S-N ...`.
  sessionsWith(event) {
    const form = /^\d{4}-\S+Z (\S+) id=(\d+-[0-9a-z]+-\d+) /;
    const lines = this.accessLines().map((line) => form.exec(line));
    if (lines.includes(null)) throw new Error('a line of the access log has another form');
    return lines.filter((line) => line[1] === event).map((line) => line[2]).sort();
  }

  // Every session that was opened has been closed, once; to be asked after stop().
  async expectBalancedAccessLog() {
    if (this.sessionsWith('open').length === 0) throw new Error('no session in the access log');
    await until(2, 'a close line for each open line', () =>
      this.sessionsWith('open').join(' ') === this.sessionsWith('close').join(' '));
  }

  printTails() {
    if (this.output !== '') console.log(`--- output of sluice\n${this.output.trimEnd()}`);
    for (const file of [this.errorLog, this.accessLog]) {
      const lines = this.#lines(file).slice(-30);
      console.log(`--- end of ${path.basename(file)}\n${lines.join('\n')}`);
    }
  }
}

// Runs `use(sluice)` with an instance of its own, and ends it in order.
export async function withSluice(bin, routes, use, conf = {}) {
  const sluice = new Sluice(bin, routes, conf);
  try {
    await sluice.start();
    await use(sluice);
    await sluice.stop();
  } catch (error) {
    sluice.printTails();
    throw error;
  } finally {
    sluice.killNow();
  }
}
