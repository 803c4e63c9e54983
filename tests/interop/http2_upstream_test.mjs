// HTTP/2 servers of the field behind sluice: HAProxy (pages, and WebSockets on streams), nghttpd, and
// node's http2 server over TLS, which does not allow WebSockets on streams.
//   node http2_upstream_test.mjs BIN_FOLDER DEPENDENCIES_FOLDER
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
import { WebSocket, WebSocketServer, binFolder } from './dependencies.mjs';
import { Peer } from './peer.mjs';
import { Sluice, freePort } from './sluice.mjs';

const suite = new Suite();
const certificates = new Certificates();
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-http2-upstream-'));
const programs = [];
const sluices = [];
let echo;
let pages;
let secure; // node's server
let sessions = 0; // of that one

async function before(server, version) {
  const sluice = new Sluice(binFolder, [{ path: '/', server, lines: ['http on'] }],
                            { top: [`upstream_http ${version}`, certificates.trust] });
  sluices.push(sluice);
  await sluice.start();
  return sluice;
}

function start(program, words) {
  programs.push(spawn(program, words, { stdio: 'ignore' }));
}

async function get(sluice, target, options = {}) {
  const request = http.request({ host: '127.0.0.1', port: sluice.port, path: target, ...options });
  request.end(options.body);
  const [answer] = await within(20, 'the answer', once(request, 'response'));
  answer.setEncoding('utf8');
  let text = '';
  for await (const piece of answer) text += piece;
  return { status: answer.statusCode, text };
}

async function opened(sluice, target) {
  const ws = new WebSocket(`ws://127.0.0.1:${sluice.port}${target}`);
  await within(20, 'the 101', once(ws, 'open'));
  return ws;
}

async function echoes(ws, payload) {
  const echoed = once(ws, 'message');
  ws.send(payload);
  const [message] = await within(20, 'the echo', echoed);
  assert.ok(Buffer.from(payload).equals(message));
}

async function answers(sluice, target, text) {
  await until(15, 'the server behind sluice', async () => (await get(sluice, target)).text === text);
}

async function haproxy() {
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
  bind 127.0.0.1:${port} proto h2
  use_backend echo if { path_beg /ws }
  default_backend pages
backend echo
  server one ${new URL(echo.server).host}
backend pages
  server one 127.0.0.1:${pages.address().port}
`);
  start('/usr/sbin/haproxy', ['-db', '-f', conf]);
  const sluice = await before(`ws://127.0.0.1:${port}`, 2);
  await answers(sluice, '/text/a', 'text a');
  const body = 'x'.repeat(300_000);
  const posted = await get(sluice, '/echo', { method: 'POST', body });
  assert.equal(posted.text, body);
  assert.equal((await get(sluice, '/none')).status, 404);
  const sockets = await Promise.all([...Array(10).keys()].map((i) => opened(sluice, `/ws/${i}`)));
  await Promise.all(sockets.map((ws, i) => echoes(ws, `${i}`)));
  await Promise.all(sockets.map((ws, i) => echoes(ws, Buffer.alloc(200_000 + i, i))));
  for (const ws of sockets) {
    const closed = once(ws, 'close');
    ws.close(1000);
    assert.equal((await within(20, 'the Close', closed))[0], 1000);
  }
}

async function nghttpd() {
  const port = await freePort();
  fs.writeFileSync(path.join(folder, 'page.txt'), 'of nghttpd');
  start('nghttpd', ['--no-tls', '-a', '127.0.0.1', '-d', folder, `${port}`]);
  const sluice = await before(`http://127.0.0.1:${port}`, 2);
  await answers(sluice, '/page.txt', 'of nghttpd');
  const all = await Promise.all([...Array(50)].map(() => get(sluice, '/page.txt')));
  for (const each of all) assert.deepEqual(each, { status: 200, text: 'of nghttpd' });
  assert.equal((await get(sluice, '/page.txt', { method: 'HEAD' })).text, '');
  assert.equal((await get(sluice, '/none')).status, 404);
}

// By ALPN; a WebSocket gets an HTTP/1.1 connection, where node answers it.
async function node() {
  const sluice = await before(`wss://127.0.0.1:${secure.address().port}`, 'auto');
  assert.deepEqual(await get(sluice, '/a'), { status: 200, text: '2.0 /a' });
  const all = await Promise.all([...Array(20).keys()].map((i) => get(sluice, `/${i}`)));
  all.forEach((each, i) => assert.equal(each.text, `2.0 /${i}`));
  assert.ok(sessions <= 3, `${sessions} connections`);
  const ws = await opened(sluice, '/ws');
  await echoes(ws, 'over HTTP/1.1');
  ws.terminate();
}

suite.check('http2 upstream: HAProxy', haproxy, { seconds: 60 });
suite.check('http2 upstream: nghttpd', nghttpd);
suite.check('http2 upstream: node over TLS', node);

await suite.run({
  prepare: async () => {
    echo = await Peer.startEcho();
    pages = http.createServer((request, answer) => {
      if (request.url === '/echo') return request.pipe(answer);
      if (request.url.startsWith('/text/')) return answer.end(`text ${request.url.slice(6)}`);
      answer.statusCode = 404;
      return answer.end();
    }).listen(0, '127.0.0.1');
    await once(pages, 'listening');
    secure = http2.createSecureServer({ ...certificates.pair('server'), allowHTTP1: true }, (request, answer) => {
      answer.end(`${request.httpVersion} ${request.url}`);
    });
    secure.on('session', () => (sessions += 1));
    new WebSocketServer({ server: secure }).on('connection', (ws) => {
      ws.on('message', (data, binary) => ws.send(data, { binary }));
    });
    secure.listen(0, '127.0.0.1');
    await once(secure, 'listening');
  },
  finish: async () => {
    for (const sluice of sluices) await sluice.stop();
    for (const program of programs) program.kill();
    await echo?.stop();
    pages?.close();
    pages?.closeAllConnections();
    secure?.close();
    fs.rmSync(folder, { recursive: true, force: true });
  },
  onFailure: () => {
    for (const sluice of sluices) sluice.printTails();
  },
});
