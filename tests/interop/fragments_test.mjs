// Large messages in thousands of fragments, as common clients send them without being asked, through
// the real binary with its default limits:
//   node fragments_test.mjs BIN_FOLDER DEPENDENCIES_FOLDER
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';

import { Suite, within } from './check.mjs';
import { binFolder, load, WebSocket } from './dependencies.mjs';
import { Endpoint, someBytes } from './endpoint.mjs';
import { Peer } from './peer.mjs';
import { withSluice } from './sluice.mjs';
import { closeInOrder } from './stage.mjs';

const websocket = load('websocket');
const kilobyte = 1024;
const megabyte = 1024 * kilobyte;
const hash = (bytes) => crypto.createHash('sha256').update(bytes).digest('hex');

// Resolves with `arrival`, unless the sender is told before that the connection ends. `sender` emits
// the code and reason of that, as the connections of both packages do.
function unlessClosed(sender, arrival) {
  return Promise.race([arrival, new Promise((_, reject) => {
    sender.once('close', (code, reason) => reject(new Error(`Close ${code} ${reason}`)));
  })]);
}

// Sends `bytes` in frames of that many bytes: what gorilla's clients make of a message larger than
// their write buffer, which has 4 KiB by default.
function sendInFrames(ws, bytes, frameBytes) {
  for (let at = 0; at < bytes.length; at += frameBytes) {
    const fin = at + frameBytes >= bytes.length;
    ws.send(bytes.subarray(at, at + frameBytes), { binary: true, fin });
  }
}

async function passSmallFrames() {
  const peer = await Peer.start({ perMessageDeflate: false });
  await withSluice(binFolder, [{ path: '/', port: peer.port }], async (sluice) => {
    const client = new Endpoint(new WebSocket(sluice.url('/'), { perMessageDeflate: false }));
    await client.opened();
    const server = await peer.accept();
    for (const [from, to] of [[client, server], [server, client]]) {
      const bytes = someBytes(16 * megabyte);
      sendInFrames(from.ws, bytes, 4 * kilobyte);
      assert.equal(hash(await unlessClosed(from.ws, to.message())), hash(bytes));
    }
    await closeInOrder({ client, server });
  });
  peer.stop();
}

// npm's websocket cuts every message into pieces of 16 KiB, and takes far less than 17 MiB unless it
// is told to.
const room = { maxReceivedFrameSize: 32 * megabyte, maxReceivedMessageSize: 32 * megabyte };

async function connect(url) {
  const client = new websocket.client(room);
  client.on('connectFailed', (error) => client.emit('error', error)); // fails what once() waits for
  client.connect(url);
  const [connection] = await within(15, 'open', once(client, 'connect'));
  return connection;
}

async function passDefaultFragments() {
  const httpServer = http.createServer().listen(0, '127.0.0.1');
  await once(httpServer, 'listening');
  const acceptor = new websocket.server({ httpServer, autoAcceptConnections: true, ...room });
  const { port } = httpServer.address();
  await withSluice(binFolder, [{ path: '/', port }], async (sluice) => {
    const accepted = once(acceptor, 'connect');
    const client = await connect(sluice.url('/'));
    const [server] = await within(15, 'connection at the server', accepted);
    const bytes = someBytes(17 * megabyte);
    for (const [from, to] of [[client, server], [server, client]]) {
      assert.ok(bytes.length / from.fragmentationSize > 1024, 'the package cuts less than it did');
      const arrival = once(to, 'message');
      from.sendBytes(bytes);
      const [message] = await unlessClosed(from, within(15, 'message', arrival));
      assert.equal(hash(message.binaryData), hash(bytes));
    }
    const closed = Promise.all([once(client, 'close'), once(server, 'close')]);
    client.close(1000);
    const codes = (await within(15, 'close', closed)).map(([code]) => code);
    assert.deepEqual(codes, [1000, 1000]);
  });
  acceptor.shutDown();
  httpServer.close();
}

const suite = new Suite();
suite.check('ws: 16 MiB in frames of 4 KiB', passSmallFrames);
suite.check('websocket: 17 MiB, cut as the package cuts by default', passDefaultFragments);
await suite.run({ prepare: async () => {}, finish: async () => {}, onFailure: () => {} });
