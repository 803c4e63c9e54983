// Cross-site WebSocket hijacking in headless Chromium: a page of another origin opens a WebSocket
// with its visitor's cookies where nothing forbids it, and gets nowhere with allowed_origins.
//   node chromium_origin_test.mjs BIN_FOLDER DEPENDENCIES_FOLDER
import assert from 'node:assert/strict';

import { Suite, until } from './check.mjs';
import { Chromium } from './chromium.mjs';
import { binFolder } from './dependencies.mjs';
import { Peer } from './peer.mjs';
import { Sluice } from './sluice.mjs';

const suite = new Suite();
let browser;
let peer;
let sluice;

// The site: its page and its sockets come through sluice, and its visitor is signed in there.
async function signIn() {
  await browser.context.addCookies([{ name: 'sid', value: 'secret', url: sluice.url('/').replace('ws:', 'http:') }]);
}

async function openFrom(page, path) {
  await browser.page.goto(page);
  await browser.page.evaluate(() => document.readyState);
  return browser.socket(sluice.url(path));
}

const evilPage = () => browser.origin;
const ownPage = () => `http://127.0.0.1:${sluice.port}/page/`;

async function comesIn(page, path) {
  const client = await openFrom(page, path);
  await client.next('open');
  const server = await peer.accept();
  assert.equal(server.request.headers.cookie, 'sid=secret');
  assert.equal(server.request.headers.origin, new URL(page).origin);
  await client.close(1000, '');
  await client.next('close');
}

async function staysOut(page, path) {
  const refused = () => sluice.accessLines()
    .filter((line) => line.includes(' refused ') && line.includes(` target=${path} `) &&
                      line.includes(' status=403 ')).length;
  const before = refused();
  const client = await openFrom(page, path);
  await client.next('error');
  assert.equal((await client.next('close')).code, 1006);
  await until(10, 'a refused line with 403', () => refused() === before + 1);
}

suite.check('origin: without a rule a foreign page comes in with its visitor\'s cookie',
            () => comesIn(evilPage(), '/open'));
suite.check('origin: with same-origin it stays out', () => staysOut(evilPage(), '/own'));
suite.check('origin: the own page comes in', () => comesIn(ownPage(), '/own'));
suite.check('origin: a page that is listed comes in', () => comesIn(evilPage(), '/listed'));
suite.check('origin: the own page stays out where others alone are listed',
            () => staysOut(ownPage(), '/listed'));

await suite.run({
  prepare: async () => {
    peer = await Peer.start();
    browser = await Chromium.start();
    const server = peer.server;
    sluice = new Sluice(binFolder, [
      { path: '/open', server },
      { path: '/own', server, lines: ['allowed_origins same-origin'] },
      { path: '/listed', server, lines: [`allowed_origins ${browser.origin}`] },
      { path: '/', server: browser.origin, lines: ['http on', 'rewrite_path ^/page/(.*)$ /$1'] },
    ]);
    await sluice.start();
    await signIn();
  },
  finish: async () => {
    await browser?.stop();
    await sluice?.stop();
    await peer?.stop();
  },
  onFailure: () => sluice?.printTails(),
});
