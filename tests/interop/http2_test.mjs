// HTTP/2 clients of the field: headless Chromium (a page, fetches and ten WebSockets on one
// connection), node's http2, curl, nghttp2's own tools, and HAProxy as the client's side.
//   node http2_test.mjs BIN_FOLDER DEPENDENCIES_FOLDER
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import os from 'node:os';
import path from 'node:path';

import { Certificates } from './certificates.mjs';
import { Suite, until, within } from './check.mjs';
import { Chromium } from './chromium.mjs';
import { WebSocket, binFolder } from './dependencies.mjs';
import { Peer } from './peer.mjs';
import { Sluice, freePort } from './sluice.mjs';

const suite = new Suite();
const certificates = new Certificates();
const fields = 'id client protocol connection method target status code';
let browser;
let echo;
let pages;
let secure; // over TLS
let cleartext;

function field(line, name) {
  return new RegExp(` ${name}=(\\S+)`).exec(line)?.[1];
}

async function linesOf(sluice, event, target, count) {
  const found = () => sluice.accessLines()
    .filter((line) => line.includes(` ${event} `) && field(line, 'target')?.startsWith(target));
  await until(10, `${count} lines ${event} ${target}`, () => found().length >= count);
  return found();
}

async function browse() {
  const origin = `https://127.0.0.1:${secure.port}`;
  await browser.page.goto(`${origin}/`);
  const protocol = await browser.page.evaluate(
    () => performance.getEntriesByType('navigation')[0].nextHopProtocol);
  assert.equal(protocol, 'h2');
  const texts = await browser.page.evaluate(() => Promise.all([...Array(5).keys()].map(
    async (number) => (await fetch(`/text/${number}`)).text())));
  assert.deepEqual(texts, ['0', '1', '2', '3', '4'].map((number) => `text ${number}`));
  const body = await browser.page.evaluate(async () => {
    const answer = await fetch('/echo', { method: 'POST', body: 'x'.repeat(300_000) });
    return (await answer.text()).length;
  });
  assert.equal(body, 300_000);
  const sockets = [];
  for (let number = 0; number < 10; ++number) {
    sockets.push(await browser.socket(`wss://127.0.0.1:${secure.port}/ws/${number}`));
  }
  for (const socket of sockets) await socket.next('open');
  for (const socket of sockets) await socket.sendText(`from ${socket.number}`);
  for (const socket of sockets) assert.equal(await socket.message(), `from ${socket.number}`);
  const large = Buffer.alloc(1_000_000, 'z');
  await sockets[3].sendBytes(large);
  const got = await sockets[3].message();
  assert.ok(got.bytes.equals(large));
  for (const socket of sockets) await socket.close(1000, '');
  for (const socket of sockets) {
    assert.deepEqual(await socket.next('close'),
                     { type: 'close', code: 1000, reason: '', wasClean: true });
  }
  const lines = [...await linesOf(secure, 'request', '/text/', 5),
                 ...await linesOf(secure, 'close', '/ws/', 10)];
  assert.equal(lines.length, 15);
  for (const line of lines) assert.equal(field(line, 'protocol'), 'HTTP/2', line);
  assert.equal(new Set(lines.map((line) => field(line, 'connection'))).size, 1, lines.join('\n'));
}

async function connectNode(sluice, options) {
  const scheme = sluice === secure ? 'https' : 'http';
  const session = http2.connect(`${scheme}://127.0.0.1:${sluice.port}`, options);
  session.on('error', () => {});
  await within(10, 'its settings', once(session, 'remoteSettings'));
  return session;
}

// A masked text frame, and the payload of an unmasked short one.
const masked = (text) => Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]),
                                        Buffer.from(text)]);

async function talkFromNode(sluice, options) {
  const session = await connectNode(sluice, options);
  assert.equal(session.remoteSettings.enableConnectProtocol, true);
  const stream = session.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/ws/node',
                                   'sec-websocket-version': '13' });
  const [headers] = await within(10, 'the answer', once(stream, 'response'));
  assert.equal(headers[':status'], 200);
  stream.write(masked('hello'));
  const [frame] = await within(10, 'the echo', once(stream, 'data'));
  assert.equal(frame.subarray(2).toString(), 'hello');
  const plain = session.request({ ':path': '/text/node' });
  plain.setEncoding('utf8');
  let text = '';
  for await (const piece of plain) text += piece;
  assert.equal(text, 'text node');
  stream.close(http2.constants.NGHTTP2_CANCEL);
  session.close();
  await linesOf(sluice, 'close', '/ws/node', 1);
}

// The servers behind sluice are in this process: it must not wait.
async function run(command, words) {
  const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => (output += text));
  }
  const [status] = await within(25, `${command}'s end`, once(child, 'close'));
  assert.equal(status, 0, `${command} ${words.join(' ')}: ${output}`);
  return output;
}

async function curl() {
  const common = ['--silent', '--show-error', '--include', '--noproxy', '*', '--max-time', '20'];
  const ca = ['--cacert', certificates.path('ca.pem')];
  const tls = await run('curl', [...common, ...ca, '--http2', `https://127.0.0.1:${secure.port}/text/curl`]);
  assert.match(tls, /^HTTP\/2 200/);
  assert.match(tls, /text curl$/);
  const known = await run('curl', [...common, '--http2-prior-knowledge',
                             `http://127.0.0.1:${cleartext.port}/text/curl`]);
  assert.match(known, /^HTTP\/2 200/);
  const upgraded = await run('curl', [...common, '--http2', `http://127.0.0.1:${cleartext.port}/text/up`]);
  assert.match(upgraded, /^HTTP\/1\.1 200/); // RFC 9113 3.1: that upgrade is no more
  const old = await run('curl', [...common, ...ca, '--http1.1',
                           `https://127.0.0.1:${secure.port}/text/curl`]);
  assert.match(old, /^HTTP\/1\.1 200/);
  const file = path.join(certificates.folder, 'body');
  fs.writeFileSync(file, Buffer.alloc(2_000_000, 'b'));
  const posted = await run('curl', [...common, ...ca, '--http2', '--data-binary', `@${file}`,
                              `https://127.0.0.1:${secure.port}/echo`]);
  assert.equal(posted.length - posted.indexOf('\r\n\r\n') - 4, 2_000_000);
}

async function nghttp() {
  const told = await run('nghttp', ['-v', '--no-verify-peer', `https://127.0.0.1:${secure.port}/text/nghttp`]);
  assert.match(told, /:status: 200/);
  assert.match(told, /SETTINGS_ENABLE_CONNECT_PROTOCOL\(0x08\):1/);
  assert.match(told, /text nghttp/);
  const load = await run('h2load', ['-n', '500', '-c', '3', '-m', '20',
                              `https://127.0.0.1:${secure.port}/text/load`]);
  assert.match(load, /500 total, 500 started, 500 done, 500 succeeded, 0 failed/);
}

// A client of HTTP/1.1 comes through HAProxy, which speaks HTTP/2 to sluice, WebSockets included.
async function haproxy() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-haproxy-'));
  const port = await freePort();
  const conf = path.join(folder, 'haproxy.cfg');
  fs.writeFileSync(conf, `global
  maxconn 100
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend in
  bind 127.0.0.1:${port}
  default_backend sluice
backend sluice
  server one 127.0.0.1:${cleartext.port} proto h2 ws h2
`);
  const process_ = spawn('/usr/sbin/haproxy', ['-db', '-f', conf], { stdio: 'ignore' });
  try {
    const open = async () => {
      const ws = new WebSocket(`ws://127.0.0.1:${port}/ws/haproxy`);
      const opened = await new Promise((resolve) => {
        ws.once('open', () => resolve(true));
        ws.once('error', () => resolve(false));
      });
      return opened ? ws : undefined;
    };
    let first;
    const end = Date.now() + 10_000;
    while (!(first = await open())) assert.ok(Date.now() < end, 'HAProxy did not let it in');
    const all = [first, ...await Promise.all([...Array(9)].map(open))];
    for (const [number, ws] of all.entries()) {
      const echoed = once(ws, 'message');
      ws.send(`${number}`);
      assert.equal((await within(10, 'the echo', echoed))[0].toString(), `${number}`);
    }
    for (const ws of all) ws.close(1000);
    const lines = await linesOf(cleartext, 'close', '/ws/haproxy', 10);
    for (const line of lines) {
      assert.equal(field(line, 'protocol'), 'HTTP/2', line);
      assert.equal(field(line, 'code'), '1000', line);
    }
  } finally {
    process_.kill();
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

suite.check('http2: Chromium has a page, fetches and ten WebSockets on one connection', browse,
            { seconds: 60 });
suite.check('http2: node over TLS', () => talkFromNode(secure, { ca: certificates.authority }));
suite.check('http2: node by prior knowledge', () => talkFromNode(cleartext, {}));
suite.check('http2: curl', curl);
suite.check('http2: nghttp and h2load', nghttp);
suite.check('http2: HAProxy in front', haproxy);

await suite.run({
  prepare: async () => {
    echo = await Peer.startEcho();
    pages = http.createServer((request, answer) => {
      if (request.url === '/') {
        answer.setHeader('Content-Type', 'text/html');
        return answer.end('<script src="/page.js"></script>');
      }
      if (request.url.startsWith('/echo')) return request.pipe(answer);
      if (request.url.startsWith('/text/')) return answer.end(`text ${request.url.slice(6)}`);
      if (request.url === '/page.js') {
        answer.setHeader('Content-Type', 'text/javascript');
        return answer.end(fs.readFileSync(new URL('chromium_page.js', import.meta.url)));
      }
      answer.statusCode = 404;
      return answer.end();
    });
    pages.listen(0, '127.0.0.1');
    await once(pages, 'listening');
    const routes = [
      { path: '/ws', server: echo.server },
      { path: '/', server: `http://127.0.0.1:${pages.address().port}`, lines: ['http on'] },
    ];
    const top = [`log_format wide text ${fields}`];
    secure = new Sluice(binFolder, routes,
                        { top, access: 'wide', listen: [...certificates.listen(), 'http2 on'] });
    cleartext = new Sluice(binFolder, routes,
                           { top, access: 'wide', listen: ['http2 cleartext'] });
    await secure.start();
    await cleartext.start();
    browser = await Chromium.start({ authority: certificates.path('ca.pem') });
  },
  finish: async () => {
    await browser?.stop();
    await secure?.stop();
    await cleartext?.stop();
    await echo?.stop();
    pages?.close();
    pages?.closeAllConnections();
  },
  onFailure: () => {
    secure?.printTails();
    cleartext?.printTails();
  },
});
