// The WebSocket of headless Chromium over wss, with and without trust in the listener's authority,
// through the real binary to npm's ws behind wss://:
//   node chromium_tls_test.mjs BIN_FOLDER DEPENDENCIES_FOLDER
import assert from 'node:assert/strict';

import { Certificates } from './certificates.mjs';
import { Suite, until } from './check.mjs';
import { Chromium } from './chromium.mjs';
import { closeInOrder, exchangeMessages, openPair } from './chromium_pairs.mjs';
import { binFolder } from './dependencies.mjs';
import { withSluice } from './sluice.mjs';
import { Stage } from './stage.mjs';

const suite = new Suite();
const certificates = new Certificates();
const stage = new Stage(certificates);
let browser; // trusts the test authority
let stranger; // does not

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
  assert.equal(headers['x-forwarded-proto'], 'https');
  assert.match(headers['user-agent'], /Chrome/);
  assert.equal(pair.server.socket.alpnProtocol, 'http/1.1');
  await closeInOrder(pair);
}

async function seeCodes() {
  for (const [code, reason] of [[1000, ''], [3000, 'a'], [4999, 'Schluß für heute']]) {
    const fromPage = await connect('plain');
    await fromPage.client.close(code, reason);
    assert.deepEqual(await fromPage.server.closed(), { code, reason });
    assert.deepEqual(await fromPage.client.next('close'),
                     { type: 'close', code, reason, wasClean: true });
    const fromServer = await connect('plain');
    fromServer.server.ws.close(code, reason);
    assert.deepEqual(await fromServer.client.next('close'),
                     { type: 'close', code, reason, wasClean: true });
  }
  const lost = await connect('plain');
  lost.server.ws.terminate();
  assert.equal((await lost.client.next('close')).code, 1006);
}

// A page learns nothing but that it failed; sluice's log says what the browser's alert was.
async function fail(page, sluice, reason) {
  const client = await page.socket(sluice.url('/'));
  await client.next('error');
  const { code, wasClean } = await client.next('close');
  assert.deepEqual([code, wasClean], [1006, false]);
  await until(10, `"${reason}" in the access log`, () =>
    sluice.accessLines().some((line) => / refused /.test(line) && !line.includes(' status=') &&
                                        line.includes(reason)));
}

// `name` is the certificate's; nobody gets through to the server.
async function failWith(name, page, reason, conf = []) {
  const { server } = stage.peers.plain;
  await withSluice(binFolder, [{ path: '/', server }], async (sluice) => {
    await fail(page(), sluice, reason);
    assert.equal(sluice.sessionsWith('open').length, 0);
  }, { top: [certificates.trust], listen: [...certificates.listen(name), ...conf] });
}

async function succeedWith(lines) {
  const { peers: { plain } } = stage;
  await withSluice(binFolder, [{ path: '/', server: plain.server }], async (sluice) => {
    const client = await browser.socket(sluice.url('/'));
    await client.next('open');
    await closeInOrder({ client, server: await plain.accept() });
  }, { top: [certificates.trust], listen: [...certificates.listen(), ...lines] });
}

suite.check('chromium, wss: messages', () =>
  exchangeMessages((options) => connect('plain', options), '', ['arraybuffer']));
suite.check('chromium, wss: messages with compression', () =>
  exchangeMessages((options) => connect('deflate', options), 'permessage-deflate', ['blob']));
suite.check('chromium, wss: a subprotocol is chosen', chooseSubprotocol);
suite.check('chromium, wss: the server sees who asks', seeWhoAsks);
suite.check('chromium, wss: close codes as the page sees them', seeCodes);
for (const version of ['TLSv1.2', 'TLSv1.3']) {
  suite.check(`chromium, wss: ${version} alone`, () => succeedWith([`tls_protocols ${version}`]));
}
suite.check('chromium, wss: a browser that does not trust the authority',
            () => failWith('server', () => stranger, 'the peer refuses our certificate'));
suite.check('chromium, wss: a certificate of another authority',
            () => failWith('stranger', () => browser, 'the peer refuses our certificate'));
suite.check('chromium, wss: a certificate of another name',
            () => failWith('one', () => browser, 'the peer refuses our certificate'));
suite.check('chromium, wss: a browser without a certificate of its own',
            () => failWith('server', () => browser, 'ended during the TLS handshake',
                           [`tls_client_ca ${certificates.path('ca.pem')}`,
                            'tls_verify_client on']));

await suite.run({
  prepare: async () => {
    await stage.start();
    [browser, stranger] = await Promise.all([
      Chromium.start({ authority: certificates.path('ca.pem') }),
      Chromium.start(),
    ]);
  },
  finish: async () => {
    await Promise.all([browser?.stop(), stranger?.stop()]);
    await stage.stop();
  },
  onFailure: () => stage.sluice?.printTails(),
});
