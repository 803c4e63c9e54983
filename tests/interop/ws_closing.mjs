// Checks of the end: codes and reasons, peers that die, limits, sluice leaving.
import assert from 'node:assert/strict';

import { until } from './check.mjs';
import { Endpoint, someBytes } from './endpoint.mjs';
import { MortalServer } from './mortal_server.mjs';
import { messageLimit } from './stage.mjs';

const endings = [
  { code: 1000, reason: 'bye' },
  { code: 1001, reason: '' },
  { code: 1003, reason: 'not in this language' },
  { code: 1011, reason: 'Schiffbruch ⚓' },
  { code: 3000, reason: 'a' },
  { code: 4999, reason: 'r'.repeat(123) },
];

async function closeFromBothSides(stage, route, perMessageDeflate) {
  for (const ending of endings) {
    for (const first of ['client', 'server']) {
      const pair = await stage.connect(route, { perMessageDeflate });
      pair[first].ws.close(ending.code, ending.reason);
      const second = first === 'client' ? 'server' : 'client';
      assert.deepEqual(await pair[second].closed(), ending);
      assert.equal((await pair[first].closed()).code, ending.code);
    }
  }
}

async function closeWithoutCode(stage) {
  for (const [first, second] of [['client', 'server'], ['server', 'client']]) {
    const pair = await stage.connect('plain');
    pair[first].ws.close();
    assert.deepEqual(await pair[second].closed(), { code: 1005, reason: '' });
    assert.equal((await pair[first].closed()).code, 1005);
  }
}

async function closeAtTheSameTime(stage) {
  const { client, server } = await stage.connect('plain');
  client.ws.close(4001, 'me first');
  server.ws.close(4002, 'no, me');
  assert.deepEqual(await server.closed(), { code: 4001, reason: 'me first' });
  assert.deepEqual(await client.closed(), { code: 4002, reason: 'no, me' });
}

// What was sent before a Close comes before it, however much it is.
async function closeBehindMuch(stage) {
  const { client, server } = await stage.connect('plain');
  const bytes = someBytes(3 * 1024 * 1024);
  server.ws.send(bytes);
  server.ws.close(4010, 'that was all');
  assert.equal(Buffer.compare(await client.message(), bytes), 0);
  assert.deepEqual(await client.closed(), { code: 4010, reason: 'that was all' });
}

async function loseServer(stage) {
  const { client, server } = await stage.connect('plain');
  for (let i = 0; i < 50; ++i) await server.send(`message ${i}`);
  server.ws.terminate();
  for (let i = 0; i < 50; ++i) assert.equal(await client.message(), `message ${i}`);
  assert.equal((await client.closed()).code, 1006);
}

async function loseServerProcess(stage) {
  const mortal = await MortalServer.start();
  await stage.withSluice([{ path: '/', port: mortal.port }], async (sluice) => {
    const client = new Endpoint(stage.socket(sluice.url('/')));
    await client.opened();
    await client.send('echo');
    assert.equal(await client.message(), 'echo');
    await mortal.kill();
    assert.equal((await client.closed()).code, 1006);
  });
}

async function loseClient(stage) {
  const { client, server } = await stage.connect('plain');
  await client.send('last words');
  client.ws.terminate();
  assert.equal(await server.message(), 'last words');
  assert.equal((await server.closed()).code, 1006);
}

// Headers of a masked and an unmasked binary frame of 1,000 bytes, of which only some follow.
const cutFromClient = Buffer.concat([Buffer.from([0x82, 0xfe, 3, 0xe8, 1, 2, 3, 4]),
                                     Buffer.alloc(100)]);
const cutFromServer = Buffer.concat([Buffer.from([0x82, 0x7e, 3, 0xe8]), Buffer.alloc(100)]);

async function dieInsideFrame(stage) {
  for (const [first, cut] of [['client', cutFromClient], ['server', cutFromServer]]) {
    const pair = await stage.connect('plain');
    const left = pair[first === 'client' ? 'server' : 'client'];
    const before = left.socket.bytesRead;
    pair[first].socket.write(cut);
    await until(15, 'part of the frame', () => left.socket.bytesRead > before);
    pair[first].socket.destroy();
    assert.equal((await left.closed()).code, 1006);
  }
}

// Of the frame nothing was sent on: the other side need not know of it.
async function dieInsideHeader(stage) {
  for (const [first, cut] of [['client', cutFromClient], ['server', cutFromServer]]) {
    const pair = await stage.connect('plain');
    pair[first].socket.end(cut.subarray(0, 3));
    const left = pair[first === 'client' ? 'server' : 'client'];
    assert.equal((await left.closed()).code, 1006);
  }
}

async function exceedLimit(stage, from, send) {
  const pair = await stage.connect('limited', { peer: 'plain' });
  const [first, second, secondCode] =
    from === 'client' ? [pair.client, pair.server, 1006] : [pair.server, pair.client, 1014];
  first.ws.send(someBytes(messageLimit));
  assert.equal((await second.message()).length, messageLimit);
  send(first.ws);
  assert.equal((await first.closed()).code, 1009);
  assert.equal((await second.closed()).code, secondCode);
}

const tooLong = {
  'by a byte': (ws) => ws.send(someBytes(messageLimit + 1)),
  'by far': (ws) => ws.send(someBytes(16 * 1024 * 1024)),
  'in fragments': (ws) => {
    ws.send(someBytes(messageLimit - 1), { fin: false });
    ws.send(someBytes(2), { fin: true });
  },
};

// A sluice and one connection of its own; `use` ends it.
async function withOneConnection(stage, use) {
  const peer = await stage.startPeer();
  await stage.withSluice([{ path: '/', server: peer.server }], async (sluice) => {
    const client = new Endpoint(stage.socket(sluice.url('/')));
    await client.opened();
    await use(sluice, client, await peer.accept(), stage);
    await sluice.expectExit();
  });
  peer.stop();
}

async function leaveAtOnce(sluice, client, server) {
  sluice.signal('SIGTERM');
  assert.equal((await client.closed()).code, 1001);
  assert.equal((await server.closed()).code, 1001);
}

// Tries to come in until the connection is refused. One that still comes in is served; one that
// hangs or is answered otherwise is a fault.
async function expectClosedDoor(sluice, stage) {
  for (let tries = 0; tries < 500; ++tries) {
    const late = new Endpoint(stage.socket(sluice.url('/'), [], { handshakeTimeout: 5000 }));
    try {
      await late.opened();
      late.ws.terminate();
    } catch (error) {
      if (error.code === 'ECONNREFUSED') return;
      // Queued between the last accept and the listener's end.
      if (error.code !== 'ECONNRESET') throw error;
    }
  }
  throw new Error('it still accepts');
}

// QUIT: who is there stays as long as they like, nobody else comes in.
async function leaveInPeace(sluice, client, server, stage) {
  sluice.signal('SIGQUIT');
  await expectClosedDoor(sluice, stage);
  await client.send('still here');
  assert.equal(await server.message(), 'still here');
  client.ws.close(4003);
  assert.equal((await server.closed()).code, 4003);
}

export function addClosingChecks(suite, stage) {
  suite.check('ws: close codes and reasons', () => closeFromBothSides(stage, 'plain', false));
  suite.check('ws: close codes and reasons with compression',
              () => closeFromBothSides(stage, 'deflate', { threshold: 0 }));
  suite.check('ws: close without a code', () => closeWithoutCode(stage));
  suite.check('ws: both close at the same time', () => closeAtTheSameTime(stage));
  suite.check('ws: a close behind 3 MiB', () => closeBehindMuch(stage));
  suite.check('ws: the server goes without a close', () => loseServer(stage));
  suite.check("ws: the server's process is killed", () => loseServerProcess(stage));
  suite.check('ws: the client goes without a close', () => loseClient(stage));
  suite.check('ws: either side dies inside a frame', () => dieInsideFrame(stage));
  suite.check("ws: either side dies inside a frame's header", () => dieInsideHeader(stage));
  for (const from of ['client', 'server']) {
    for (const [how, send] of Object.entries(tooLong)) {
      suite.check(`ws: max_message_size exceeded by the ${from} ${how}`,
                  () => exceedLimit(stage, from, send));
    }
  }
  suite.check('ws: TERM closes with 1001', () => withOneConnection(stage, leaveAtOnce));
  suite.check('ws: QUIT waits for the last', () => withOneConnection(stage, leaveInPeace));
}
