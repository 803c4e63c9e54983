// Pairs of a page's WebSocket and the server's end of it, through sluice, and what they exchange.
import assert from 'node:assert/strict';

import { someBytes, someText } from './endpoint.mjs';

const megabyte = 1024 * 1024;

// A socket of the page over the route of that name, and the server's end of it.
export async function openPair(browser, stage, route, options) {
  const client = await browser.socket(stage.sluice.url(`/${route}`), options);
  const opened = await client.next('open');
  return { client, opened, server: await stage.peers[route].accept() };
}

export async function closeInOrder({ client, server }) {
  await client.close(1000, 'done');
  assert.deepEqual(await server.closed(), { code: 1000, reason: 'done' });
  assert.deepEqual(await client.next('close'),
                   { type: 'close', code: 1000, reason: 'done', wasClean: true });
}

export async function exchangeText({ client, server }, text) {
  await client.sendText(text);
  assert.equal((await server.message()) === text, true, 'the server got another text');
  await server.send(text);
  assert.equal((await client.message()) === text, true, 'the page got another text');
}

export async function exchangeBytes({ client, server }, bytes, kind) {
  await client.sendBytes(bytes, { asBlob: kind === 'blob' });
  assert.equal(Buffer.compare(await server.message(), bytes), 0, 'the server got other bytes');
  await server.send(bytes);
  const got = await client.message();
  assert.equal(got.kind, kind);
  assert.equal(Buffer.compare(got.bytes, bytes), 0, 'the page got other bytes');
}

// Messages of every kind and size over new pairs, with that answer to the page's extensions.
export async function exchangeMessages(open, extensions, kinds = ['arraybuffer', 'blob']) {
  for (const kind of kinds) {
    const pair = await open({ binaryType: kind });
    assert.equal(pair.opened.extensions, extensions);
    for (const text of ['', 'x', someText(1000)]) await exchangeText(pair, text);
    for (const length of [0, 1, 126, 65_536]) await exchangeBytes(pair, someBytes(length), kind);
    await exchangeText(pair, someText(megabyte));
    await exchangeBytes(pair, someBytes(megabyte), kind);
    for (let i = 0; i < 5; ++i) await exchangeText(pair, 'the same again and again');
    await closeInOrder(pair);
  }
}
