// socket.io, whose clients poll over plain HTTP, upgrade, or do either alone; Server-Sent Events; and
// a page that does all of it in Chromium: everything through one route of the real binary.
//   node socketio_test.mjs BIN_FOLDER DEPENDENCIES_FOLDER
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';

import { Suite, until, within } from './check.mjs';
import { Chromium } from './chromium.mjs';
import { binFolder, load } from './dependencies.mjs';
import { withSluice } from './sluice.mjs';

const { Server } = load('socket.io');
const { io } = load('socket.io-client');

const page = `<!doctype html><title>chat</title><link rel="icon" href="data:,">
<script src="/socket.io/socket.io.js"></script>
<script>
  const socket = io();
  window.told = [];
  socket.on('connect', () => socket.emit('say', 'from the page', (answer) => told.push(answer)));
  socket.io.engine.on('upgrade', (transport) => told.push(transport.name));
  const events = new EventSource('/events');
  events.onmessage = (event) => told.push('event ' + event.data);
</script>`;

// An application with a page, a stream of events and socket.io, as such servers are.
class Application {
  static async start() {
    const application = new Application();
    application.server = http.createServer(application.#answer);
    application.io = new Server(application.server, { pingInterval: 500, pingTimeout: 5000 });
    application.io.on('connection', (socket) => {
      socket.on('say', (text, acknowledge) => acknowledge(`heard ${text}`));
      socket.on('bytes', (bytes) => socket.emit('bytes', bytes));
    });
    application.server.listen(0, '127.0.0.1');
    await once(application.server, 'listening');
    return application;
  }

  #answer(request, answer) {
    if (request.url === '/events') {
      answer.writeHead(200, { 'Content-Type': 'text/event-stream' });
      let count = 0;
      const timer = setInterval(() => answer.write(`data: ${++count}\n\n`), 20);
      request.on('close', () => clearInterval(timer));
      return;
    }
    if (request.url.startsWith('/socket.io/')) return; // socket.io's own
    answer.setHeader('Content-Type', 'text/html');
    answer.end(page);
  }

  get port() {
    return this.server.address().port;
  }

  async stop() {
    await this.io.close();
    this.server.closeAllConnections();
  }
}

async function withApplication(use) {
  const application = await Application.start();
  const routes = [{ path: '/', port: application.port, lines: ['http on'] }];
  await withSluice(binFolder, routes, async (sluice) => {
    try {
      await use(`http://127.0.0.1:${sluice.port}`, sluice);
    } finally {
      await application.stop();
    }
  });
}

async function converse(transports, last) {
  await withApplication(async (url, sluice) => {
    const socket = io(url, { transports, reconnection: false, forceNew: true });
    await within(15, 'a connection', new Promise((resolve, reject) => {
      socket.on('connect', resolve).on('connect_error', reject);
    }));
    await until(15, `transport ${last}`, () => socket.io.engine.transport.name === last);
    for (let i = 0; i < 50; ++i) {
      const answer = await within(15, 'an answer', socket.emitWithAck('say', `${i}`));
      assert.equal(answer, `heard ${i}`);
    }
    const bytes = Buffer.alloc(300_000, 'x');
    const back = new Promise((resolve) => socket.on('bytes', resolve));
    socket.emit('bytes', bytes);
    assert.ok(bytes.equals(Buffer.from(await within(15, 'the bytes', back))));
    await pause(1200); // its pings, which travel by either
    assert.ok(socket.connected);
    socket.disconnect();
    await until(5, 'a line', () => sluice.accessLines().length > 0);
  });
}

async function streamEvents() {
  await withApplication(async (url) => {
    const answer = await fetch(`${url}/events`);
    assert.equal(answer.headers.get('content-type'), 'text/event-stream');
    let text = '';
    for await (const piece of answer.body) {
      text += Buffer.from(piece).toString();
      if (text.includes('data: 20\n')) break;
    }
    assert.ok(text.startsWith('data: 1\n\ndata: 2\n\n'));
  });
}

async function showPage() {
  await withApplication(async (url, sluice) => {
    const browser = await Chromium.start();
    try {
      const wrong = [];
      const tab = await browser.context.newPage();
      tab.on('console', (line) => line.type() === 'error' && wrong.push(line.text()));
      tab.on('pageerror', (error) => wrong.push(String(error)));
      await tab.goto(`${url}/`);
      const told = () => tab.evaluate('told');
      let all = [];
      await until(20, 'the page to hear of everything', () => {
        told().then((now) => (all = now), () => {});
        return ['heard from the page', 'websocket', 'event 5'].every((each) => all.includes(each));
      });
      assert.deepEqual(wrong, []);
      assert.ok(sluice.accessLines().some((line) => line.includes(' request ')));
      await tab.close();
    } finally {
      await browser.stop();
    }
  });
}

const suite = new Suite();
suite.check('socket.io: polling alone', () => converse(['polling'], 'polling'));
suite.check('socket.io: polling, then an upgrade', () => converse(['polling', 'websocket'], 'websocket'));
suite.check('socket.io: WebSocket alone', () => converse(['websocket'], 'websocket'));
suite.check('Server-Sent Events', streamEvents);
suite.check('a page with all of it in Chromium', showPage);
await suite.run({ prepare: async () => {}, finish: async () => {}, onFailure: () => {} });
