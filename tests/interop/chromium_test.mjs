// The WebSocket of a browser, headless Chromium, through the real binary to npm's ws:
//   node chromium_test.mjs BIN_FOLDER DEPENDENCIES_FOLDER
import assert from 'node:assert/strict';

import { Suite, until, within } from './check.mjs';
import { Chromium } from './chromium.mjs';
import { closeInOrder, exchangeMessages, openPair } from './chromium_pairs.mjs';
import { binFolder } from './dependencies.mjs';
import { withSluice } from './sluice.mjs';
import { Stage } from './stage.mjs';

const megabyte = 1024 * 1024;
const suite = new Suite();
const stage = new Stage();
let browser;

const connect = (route, options) => openPair(browser, stage, route, options);

async function chooseSubprotocol() {
  const pair = await connect('choosy', { protocols: ['chat', 'mqtt', 'other'] });
  assert.equal(pair.opened.protocol, 'mqtt');
  assert.equal(pair.server.ws.protocol, 'mqtt');
  await closeInOrder(pair);
}

async function seeWhoAsks() {
  const pair = await connect('plain');
  const { headers } = pair.server.request;
  assert.equal(headers.origin, browser.origin);
  assert.match(headers['user-agent'], /Chrome/);
  assert.equal(headers.host, `127.0.0.1:${stage.sluice.port}`);
  assert.equal(headers['x-forwarded-for'], '127.0.0.1');
  await closeInOrder(pair);
}

async function pingPage() {
  const pair = await connect('plain');
  pair.server.ws.ping('are you there?');
  assert.equal(await pair.server.ponged(), 'are you there?');
  await closeInOrder(pair);
}

async function closeFromPage() {
  const { client, server } = await connect('plain');
  await client.close(4001, 'Schluß für heute');
  assert.deepEqual(await server.closed(), { code: 4001, reason: 'Schluß für heute' });
  assert.deepEqual(await client.next('close'),
                   { type: 'close', code: 4001, reason: 'Schluß für heute', wasClean: true });
  const silent = await connect('plain');
  await silent.client.close();
  assert.equal((await silent.server.closed()).code, 1005);
  assert.equal((await silent.client.next('close')).code, 1005);
}

async function closeFromServer() {
  for (const [code, reason] of [[1000, ''], [4002, 'no more today']]) {
    const { client, server } = await connect('plain');
    server.ws.close(code, reason);
    assert.deepEqual(await client.next('close'), { type: 'close', code, reason, wasClean: true });
    assert.equal((await server.closed()).code, code);
  }
}

async function loseServer() {
  const { client, server } = await connect('plain');
  await server.send('last words');
  server.ws.terminate();
  assert.equal(await client.message(), 'last words');
  assert.equal((await client.next('close')).code, 1006);
}

// More than a ring of the frame comes, so part of it must have been sent on when the server dies.
async function loseServerInsideFrame() {
  const { client, server } = await connect('plain');
  const header = Buffer.from([0x82, 0x7f, 0, 0, 0, 0, 0, 0x20, 0, 0]);
  server.socket.end(Buffer.concat([header, Buffer.alloc(megabyte)]));
  // Chromium has an error event for failures of the handshake and protocol only.
  const { code, wasClean } = await client.next('close');
  assert.deepEqual([code, wasClean], [1006, false]);
}

// Chromium says Close 1001 for a page that goes; on a busy machine it may end the page's process
// before that. The server learns what came, as the access log has it (Closes that a reset follows:
// closing_test.py).
async function losePage() {
  const other = await browser.context.newPage();
  await other.goto(browser.origin);
  await other.evaluate((wanted) => openSocket(...wanted),
                       [stage.sluice.url('/plain/of-a-page-that-goes'), [], 'arraybuffer']);
  const server = await stage.peers.plain.accept();
  await other.close();
  const { code } = await server.closed();
  const line = (pattern) => stage.sluice.accessLines().map((text) => pattern.exec(text))
    .find((match) => match !== null);
  await until(10, 'its open line', () => line(/ target=\/plain\/of-a-page-that-goes /));
  const [, id] = line(/ open id=(\S+) .* target=\/plain\/of-a-page-that-goes /);
  await until(10, 'its close line', () => line(new RegExp(` close id=${id} `)));
  const [, rest] = line(new RegExp(` close id=${id} .* (closed_by=client .*)`));
  assert.equal(code, rest.includes(' code=1001 ') ? 1001 : 1006, rest);
}

// What the answer was, a page does not learn; sluice's log says it.
async function beRefused(route, status) {
  const refused = () => stage.sluice.accessLines()
    .filter((line) => line.includes(' refused ') && line.includes(` target=/${route} `) &&
                      line.includes(` status=${status} `)).length;
  const before = refused();
  const client = await browser.socket(stage.sluice.url(`/${route}`));
  await client.next('error');
  const { code, wasClean } = await client.next('close');
  assert.deepEqual([code, wasClean], [1006, false]);
  await until(10, `a refused line with ${status}`, () => refused() === before + 1);
}

async function openMany() {
  const went = browser.page.evaluate((wanted) => echoOnMany(...wanted),
                                     [stage.sluice.url('/echo'), 20, 5]);
  assert.equal(await within(25, 'all the sockets', went), 20);
}

async function leaveAtOnce() {
  const routes = [{ path: '/', port: stage.peers.plain.port }];
  await withSluice(binFolder, routes, async (sluice) => {
    const client = await browser.socket(sluice.url('/'));
    await client.next('open');
    const server = await stage.peers.plain.accept();
    sluice.signal('SIGTERM');
    assert.equal((await client.next('close')).code, 1001);
    assert.equal((await server.closed()).code, 1001);
    await sluice.expectExit();
  });
}

const checkMessages = (what, route, extensions) => suite.check(`chromium: ${what}`, () =>
  exchangeMessages((options) => connect(route, options), extensions));

checkMessages('messages of every kind', 'plain', '');
checkMessages('messages with compression', 'deflate', 'permessage-deflate');
checkMessages('compression without context takeover', 'fresh',
              'permessage-deflate; server_no_context_takeover; client_no_context_takeover');
suite.check('chromium: a subprotocol is chosen', chooseSubprotocol);
suite.check('chromium: the server sees who asks', seeWhoAsks);
suite.check('chromium: the page answers pings', pingPage);
suite.check('chromium: the page closes', closeFromPage);
suite.check('chromium: the server closes', closeFromServer);
suite.check('chromium: the server goes without a close', loseServer);
suite.check('chromium: the server dies inside a frame', loseServerInsideFrame);
suite.check('chromium: the page is closed', losePage);
suite.check('chromium: the server refuses', () => beRefused('guarded', 401));
suite.check('chromium: nobody behind the route', () => beRefused('nobody', 502));
suite.check('chromium: 20 sockets of one page', openMany);
suite.check('chromium: TERM closes with 1001', leaveAtOnce);

await suite.run({
  prepare: async () => {
    await stage.start();
    browser = await Chromium.start();
  },
  finish: async () => {
    await browser?.stop();
    await stage.stop();
  },
  onFailure: () => stage.sluice?.printTails(),
});
