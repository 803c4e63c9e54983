// Chromium: a headless browser with a folder of its own and one page, which a server here serves.
// PageSocket is a WebSocket of that page, seen from the test.
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

import { within } from './check.mjs';
import { load } from './dependencies.mjs';

const program = '/usr/bin/chromium';
const pageScript = fileURLToPath(new URL('chromium_page.js', import.meta.url));
const options = ['--no-sandbox', '--disable-gpu', '--disable-background-networking',
                 '--no-first-run', '--no-proxy-server'];

export class PageSocket {
  constructor(page, number) {
    this.page = page;
    this.number = number;
  }

  // The next thing that happened to it, which must be of that type.
  async next(type) {
    const asked = this.page.evaluate((number) => sockets[number].next(), this.number);
    const event = await within(15, `${type} in the page`, asked);
    if (event.type !== type) {
      throw new Error(`${type} was expected in the page, but: ${JSON.stringify(event)}`);
    }
    return event;
  }

  // Text comes as it is, bytes as {kind, bytes}.
  async message() {
    const { kind, text, base64 } = await this.next('message');
    return kind === 'text' ? text : { kind, bytes: Buffer.from(base64, 'base64') };
  }

  sendText(text) {
    return this.page.evaluate(([number, data]) => sockets[number].ws.send(data),
                              [this.number, text]);
  }

  sendBytes(bytes, { asBlob = false } = {}) {
    return this.page.evaluate(([number, base64, blob]) => sendBytes(number, base64, blob),
                              [this.number, bytes.toString('base64'), asBlob]);
  }

  close(code, reason) {
    return this.page.evaluate(([number, ...how]) => sockets[number].ws.close(...how),
                              [this.number, code, reason]);
  }
}

// Makes the user whose HOME that is trust an authority (PEM): what Chromium reads is a database of
// NSS.
function trust(home, authority) {
  const folder = path.join(home, '.pki', 'nssdb');
  fs.mkdirSync(folder, { recursive: true });
  const database = `sql:${folder}`;
  for (const words of [['-N', '--empty-password'],
                       ['-A', '-n', 'test authority', '-t', 'C,,', '-i', authority]]) {
    const done = spawnSync('certutil', [...words, '-d', database],
                           { encoding: 'utf8', timeout: 30_000 });
    if (done.error?.code === 'ENOENT') {
      throw new Error('certutil is missing: `.ci/deps test` installs libnss3-tools');
    }
    if (done.status !== 0) throw new Error(`certutil ${words[0]}: ${done.error ?? done.stderr}`);
  }
}

export class Chromium {
  // `authority` is a file with one that it trusts besides its own, in PEM form.
  static async start({ authority } = {}) {
    if (!fs.existsSync(program)) {
      throw new Error(`${program} is missing: \`.ci/deps test\` installs chromium`);
    }
    const browser = new Chromium();
    await browser.#servePage();
    browser.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-chromium-'));
    if (authority) trust(browser.folder, authority);
    process.on('exit', () => browser.#removeFolder()); // behind playwright's own: Chromium is gone
    browser.context = await load('playwright-core').chromium.launchPersistentContext(
      path.join(browser.folder, 'profile'),
      {
        executablePath: program,
        headless: true,
        args: options,
        env: { ...process.env, HOME: browser.folder },
        timeout: 45_000,
      });
    await browser.openPage();
    return browser;
  }

  async #servePage() {
    this.server = http.createServer((request, answer) => {
      const script = request.url === '/page.js';
      answer.setHeader('Content-Type', script ? 'text/javascript' : 'text/html; charset=utf-8');
      answer.end(script ? fs.readFileSync(pageScript) : '<script src="/page.js"></script>');
    });
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    this.origin = `http://127.0.0.1:${this.server.address().port}`;
  }

  async openPage() {
    this.page = await this.context.newPage();
    await this.page.goto(this.origin);
  }

  async socket(url, { protocols = [], binaryType = 'arraybuffer' } = {}) {
    const number = await this.page.evaluate((wanted) => openSocket(...wanted),
                                            [url, protocols, binaryType]);
    return new PageSocket(this.page, number);
  }

  async stop() {
    await this.context.close();
    this.server.close();
    this.server.closeAllConnections();
  }

  #removeFolder() {
    try {
      fs.rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
    } catch {
      // A process of Chromium that is just ending may still write there.
    }
  }
}
