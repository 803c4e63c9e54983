// Checks of messages through sluice: kinds, sizes, fragments, pings, compression, many at once.
import assert from 'node:assert/strict';

import { Endpoint, someBytes, someText } from './endpoint.mjs';
import { closeInOrder } from './stage.mjs';

const megabyte = 1024 * 1024;
const compress = { threshold: 0 };

// What client and server of ws are told about compression, and what they must agree on.
const setups = [
  { name: 'no compression', route: 'plain', deflate: false, agreed: '' },
  { name: 'only the server compresses', route: 'deflate', deflate: false, agreed: '' },
  { name: 'only the client offers compression', route: 'plain', deflate: compress, agreed: '' },
  { name: 'compression', route: 'deflate', deflate: compress, agreed: 'permessage-deflate' },
  {
    name: 'compression without context takeover, asked for by the server',
    route: 'fresh',
    deflate: compress,
    agreed: 'permessage-deflate; server_no_context_takeover; client_no_context_takeover',
  },
  {
    name: 'compression without context takeover, asked for by the client',
    route: 'deflate',
    deflate: { ...compress, serverNoContextTakeover: true, clientNoContextTakeover: true },
    agreed: 'permessage-deflate; server_no_context_takeover; client_no_context_takeover',
  },
  {
    name: 'compression with small windows',
    route: 'narrow',
    deflate: compress,
    agreed: 'permessage-deflate; server_max_window_bits=10; client_max_window_bits=11',
  },
];

// An extension header's elements in an order of their own: it means nothing.
const elements = (header) => header.split(';').map((word) => word.trim()).sort();

async function agreedExtensions(stage, { route, deflate }) {
  let answered;
  const ws = stage.socket(stage.sluice.url(`/${route}`), [], { perMessageDeflate: deflate });
  ws.on('upgrade', (answer) => (answered = answer.headers['sec-websocket-extensions'] ?? ''));
  const client = new Endpoint(ws);
  await client.opened();
  const server = await stage.peers[route].accept();
  await closeInOrder({ client, server });
  return answered;
}

async function sendBothWays({ client, server }, data) {
  for (const [from, to] of [[client, server], [server, client]]) {
    await from.send(data);
    const got = await to.message();
    if (typeof data === 'string') assert.equal(got === data, true, 'the text came differently');
    else assert.equal(Buffer.compare(got, data), 0, 'the bytes came differently');
  }
}

async function sendKinds(pair) {
  for (const text of ['', 'x', someText(100), someText(1000), someText(megabyte)]) {
    await sendBothWays(pair, text);
  }
  for (const length of [0, 1, 125, 126, 127, 65535, 65536, megabyte]) {
    await sendBothWays(pair, someBytes(length));
  }
  for (let i = 0; i < 20; ++i) await sendBothWays(pair, 'the same again and again');
}

async function sendFragments({ client, server }) {
  for (const [from, to] of [[client, server], [server, client]]) {
    const first = someText(megabyte / 2);
    await from.send('', { fin: false });
    await from.send(first, { fin: false });
    from.ws.ping('between fragments');
    await from.send('middle ', { fin: false });
    await from.send('', { fin: true });
    assert.equal(await to.pinged(), 'between fragments');
    assert.equal(await from.ponged(), 'between fragments');
    assert.equal((await to.message()) === first + 'middle ', true, 'fragments came differently');
    const pieces = [someBytes(70_000), someBytes(1), someBytes(200_000)];
    for (const [i, piece] of pieces.entries()) {
      await from.send(piece, { fin: i === pieces.length - 1, binary: true });
    }
    assert.equal(Buffer.compare(await to.message(), Buffer.concat(pieces)), 0);
  }
}

async function pingBothWays({ client, server }) {
  for (const [from, to] of [[client, server], [server, client]]) {
    for (const payload of ['', 'are you there?', 'p'.repeat(125)]) {
      from.ws.ping(payload);
      assert.equal(await to.pinged(), payload);
      assert.equal(await from.ponged(), payload);
    }
    from.ws.pong('nobody asked');
    assert.equal(await to.ponged(), 'nobody asked');
  }
}

async function echoOnManyConnections(stage, count) {
  const clients = [];
  for (let i = 0; i < count; ++i) {
    const ws = stage.socket(stage.sluice.url('/echo'), [], { perMessageDeflate: i % 2 === 0 });
    clients.push(new Endpoint(ws));
  }
  await Promise.all(clients.map((client) => client.opened()));
  await Promise.all(clients.map(async (client, i) => {
    for (let turn = 0; turn < 5; ++turn) {
      const text = `${i}/${turn} ${'.'.repeat(i * turn * 10)}`;
      await client.send(text);
      assert.equal(await client.message(10), text);
    }
    client.ws.close(4000 + i);
    assert.equal((await client.closed(10)).code, 4000 + i);
  }));
}

// The server reads nothing for a while: everything still arrives, in order.
async function outpaceServer({ client, server }) {
  server.ws.pause();
  const sent = [];
  for (let i = 0; i < 48; ++i) {
    sent.push(someBytes(512 * 1024 + i));
    client.ws.send(sent[i]);
  }
  client.ws.ping('the end');
  await new Promise((resolve) => setTimeout(resolve, 200));
  server.ws.resume();
  for (const bytes of sent) assert.equal(Buffer.compare(await server.message(), bytes), 0);
  assert.equal(await server.pinged(), 'the end');
}

export function addMessageChecks(suite, stage) {
  for (const setup of setups) {
    suite.check(`ws: ${setup.name}: agreed on, messages, fragments, pings`, async () => {
      assert.deepEqual(elements(await agreedExtensions(stage, setup)), elements(setup.agreed));
      const pair = await stage.connect(setup.route, { perMessageDeflate: setup.deflate });
      await sendKinds(pair);
      await sendFragments(pair);
      await pingBothWays(pair);
      await closeInOrder(pair);
    });
  }
  // TLS costs node far more than it costs sluice: there it is less.
  const large = [['plain', false], ['deflate', compress]].slice(0, stage.secured ? 1 : 2);
  const many = stage.secured ? 60 : 200;
  for (const [route, perMessageDeflate] of large) {
    suite.check(`ws: 16 MiB in one message, route /${route}`, async () => {
      const pair = await stage.connect(route, { perMessageDeflate });
      await sendBothWays(pair, someBytes(16 * megabyte));
      await closeInOrder(pair);
    });
  }
  suite.check(`ws: ${many} connections at once`, () => echoOnManyConnections(stage, many));
  suite.check('ws: a server that does not read for a while', async () => {
    const pair = await stage.connect('plain');
    await outpaceServer(pair);
    await closeInOrder(pair);
  });
}
