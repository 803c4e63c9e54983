// auth_request with an authorizer made with Express, as people have one: who it lets in, what others
// are told, and what is told where it is at fault.
//   node auth_request_test.mjs BIN_FOLDER DEPENDENCIES_FOLDER
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';

import { Suite, until, within } from './check.mjs';
import { binFolder, load, WebSocket, WebSocketServer } from './dependencies.mjs';
import { Sluice } from './sluice.mjs';

const express = load('express');
const who = 'who are you?\n';

// It judges by the path that was asked for.
function judging(seen) {
  const app = express();
  app.get('/verify', async (request, response) => {
    const target = request.get('X-Original-URI');
    seen.push(target);
    const { pathname } = new URL(target, 'http://any');
    switch (pathname.split('/').at(-1)) {
      case 'yes':
        return response.set('X-User', 'alice').send('welcome');
      case 'empty':
        return response.status(204).end();
      case 'cookie':
        return request.get('Cookie') === 'session=1' ? response.sendStatus(200)
                                                      : response.sendStatus(403);
      case 'no':
        return response.status(401).set('WWW-Authenticate', 'Bearer realm="locks"')
          .type('text').send(who);
      case 'never':
        return response.status(403).json({ error: 'never' });
      case 'login':
        return response.redirect('/login');
      case 'slow':
        await pause(300);
        return response.sendStatus(200);
      case 'silence':
        return undefined;
      case 'half':
        response.status(401).set('Content-Length', '100').write('half');
        return setTimeout(() => response.destroy(), 20);
      default:
        throw new Error('it has a bug'); // Express makes 500 of it
    }
  });
  app.use((error, request, response, _) => response.status(500).send('sorry'));
  return app;
}

const stage = {
  seen: [],
  upgrades: [],
  plain: [],

  async start() {
    this.judge = judging(this.seen).listen(0, '127.0.0.1');
    this.server = http.createServer((request, response) => {
      this.plain.push(request.url);
      request.on('data', (data) => response.write(data)).on('end', () => response.end());
    }).listen(0, '127.0.0.1');
    const sockets = new WebSocketServer({ server: this.server });
    sockets.on('connection', (socket, request) => {
      this.upgrades.push([request.url, request.headers['x-user']]);
      socket.on('message', (data) => socket.send(String(data)));
    });
    await Promise.all([once(this.judge, 'listening'), once(this.server, 'listening')]);
    const asks = [`auth_request http://127.0.0.1:${this.judge.address().port}/verify`,
                  'auth_timeout 1s', 'http on', 'set_header X-User $auth_http_x_user'];
    const { port } = this.server.address();
    this.sluice = new Sluice(binFolder, [
      { path: '/kept', port, lines: [...asks, 'auth_cache 1h'] }, { path: '/', port, lines: asks }]);
    await this.sluice.start();
  },

  async stop() {
    await this.sluice?.stop();
    for (const server of [this.judge, this.server]) {
      server?.closeAllConnections?.();
      server?.close();
    }
  },
};

// 101, or the status, fields and body of the answer.
async function upgrade(target, headers = {}) {
  const client = new WebSocket(stage.sluice.url(target), { headers: { 'X-User': 'root', ...headers } });
  client.on('error', () => {});
  const answer = new Promise((resolve) => {
    client.once('open', () => resolve({ status: 101 }));
    client.once('unexpected-response', async (_, response) => {
      let body = '';
      for await (const part of response) body += part;
      resolve({ status: response.statusCode, headers: response.headers, body });
    });
  });
  return { ...await within(10, target, answer), client };
}

const get = (target, options = {}) =>
  within(10, target, fetch(`http://127.0.0.1:${stage.sluice.port}${target}`,
                           { redirect: 'manual', ...options }));

async function letIn() {
  for (const [target, user] of [['/yes?a=b', 'alice'], ['/empty', undefined], ['/slow', undefined]]) {
    const { status, client } = await upgrade(target);
    assert.equal(status, 101);
    client.send('hello');
    const [data] = await within(5, 'echo', once(client, 'message'));
    assert.equal(String(data), 'hello');
    assert.deepEqual(stage.upgrades.at(-1), [target, user]);
    assert.equal(stage.seen.at(-1), target);
    client.terminate();
  }
  assert.equal((await upgrade('/cookie', { Cookie: 'session=1' })).status, 101);
  assert.equal((await upgrade('/cookie')).status, 403);
}

async function refuse() {
  const before = stage.upgrades.length;
  const no = await upgrade('/no');
  assert.equal(no.status, 401);
  assert.equal(no.body, who);
  assert.equal(no.headers['www-authenticate'], 'Bearer realm="locks"');
  const never = await upgrade('/never');
  assert.equal(never.status, 403);
  assert.deepEqual(JSON.parse(never.body), { error: 'never' });
  const plain = await get('/no');
  assert.equal(plain.status, 401);
  assert.equal(await plain.text(), who);
  assert.equal(stage.upgrades.length, before);
  assert.deepEqual(stage.plain, []);
}

async function keepOut() {
  const before = stage.upgrades.length;
  for (const target of ['/bug', '/login', '/silence', '/half']) {
    assert.equal((await upgrade(target)).status, 503, target);
    const plain = await get(target);
    assert.equal(plain.status, 503, target);
    assert.equal(plain.headers.get('location'), null);
  }
  const told = () => stage.sluice.errorLines().join('\n');
  for (const why of ['answered 500', 'answered 302', 'auth_timeout', 'its answer broke off']) {
    await until(5, why, () => told().includes(why));
  }
  assert.equal(stage.upgrades.length, before);
  assert.deepEqual(stage.plain, []);
}

async function post() {
  const body = 'b'.repeat(300_000);
  const answer = await get('/yes', { method: 'POST', body });
  assert.equal(answer.status, 200);
  assert.equal(await answer.text(), body);
  assert.equal((await get('/no', { method: 'POST', body: 'small' })).status, 401);
  assert.deepEqual(stage.plain, ['/yes']);
}

// Two workers have a cache each.
async function cache() {
  const before = stage.seen.length;
  for (let i = 0; i < 20; ++i) {
    const { status, client } = await upgrade('/kept/yes');
    assert.equal(status, 101);
    assert.equal(stage.upgrades.at(-1)[1], 'alice');
    client.terminate();
    assert.equal((await upgrade('/kept/no')).body, who);
  }
  const asked = stage.seen.length - before;
  assert.ok(asked >= 2 && asked <= 4, `asked ${asked} times`);
}

const suite = new Suite();
suite.check('2xx lets a client in, with what it says of it', letIn);
suite.check('401 and 403 reach the client', refuse);
suite.check('whatever else comes keeps it out', keepOut);
suite.check('a body waits for the verdict', post);
suite.check('verdicts are kept', cache);
suite.run({
  prepare: () => stage.start(),
  finish: () => stage.stop(),
  onFailure: () => stage.sluice?.printTails(),
});
