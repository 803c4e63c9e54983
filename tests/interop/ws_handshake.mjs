// Checks of what the handshake carries: header fields, subprotocols, refusals.
import assert from 'node:assert/strict';

import { Endpoint } from './endpoint.mjs';
import { startRaw } from './peer.mjs';
import { within } from './check.mjs';
import { closeInOrder } from './stage.mjs';

// The answer to a handshake that is refused: status, fields, body to its end.
function refusal(stage, url, options = {}) {
  return within(15, `refusal of ${url}`, new Promise((resolve, reject) => {
    const ws = stage.socket(url, [], options);
    ws.on('open', () => reject(new Error('it was accepted')));
    ws.on('error', reject);
    ws.on('unexpected-response', (_, answer) => {
      let body = '';
      answer.setEncoding('utf8');
      answer.on('data', (data) => (body += data));
      answer.on('error', reject);
      answer.on('end', () => resolve({ status: answer.statusCode, fields: answer.headers, body }));
    });
  }));
}

async function checkForwardedFields(stage) {
  const pair = await stage.connect('headers', {
    peer: 'plain',
    target: '/headers/deep?a=1&b=%20x',
    headers: {
      'X-Forwarded-For': '203.0.113.7',
      'X-Forwarded-Proto': 'https',
      'X-Gate': 'mine',
      'X-Secret': 'not for you',
      'X-Custom': 'travels on',
      Cookie: 'a=b; c=d',
      Authorization: 'Basic Zm9vOmJhcg==',
      'X-Hop': 'one hop only',
    },
    // ws sets Connection itself, behind the fields above.
    finishRequest: (request) => {
      request.setHeader('Connection', 'Upgrade, X-Hop');
      request.end();
    },
    origin: 'http://page.example',
  });
  const { url, headers } = pair.server.request;
  assert.equal(url, '/headers/deep?a=1&b=%20x');
  assert.equal(headers['x-forwarded-for'], '127.0.0.1');
  assert.equal(headers['x-forwarded-proto'], stage.secured ? 'https' : 'http');
  // Toward a server in TLS the name is the server's own (core/DESIGN.md section 7).
  const { port } = stage.secured ? stage.peers.plain : stage.sluice;
  assert.equal(headers.host, `127.0.0.1:${port}`);
  assert.equal(headers.origin, 'http://page.example');
  assert.equal(headers['x-gate'], 'north lock');
  assert.equal(headers['x-secret'], undefined);
  assert.equal(headers['x-custom'], 'travels on');
  assert.equal(headers.cookie, 'a=b; c=d');
  assert.equal(headers.authorization, 'Basic Zm9vOmJhcg==');
  assert.equal(headers['x-hop'], undefined);
  assert.equal(headers['sec-websocket-version'], '13');
  await closeInOrder(pair);
}

// A field of the server's 101 reaches the client; a client learns it from ws's event 'upgrade'.
async function checkAnswerFields(stage) {
  const addCookie = (fields) => fields.push('Set-Cookie: session=1; HttpOnly', 'X-Served-By: lock');
  stage.peers.plain.wss.once('headers', addCookie);
  const ws = stage.socket(stage.sluice.url('/plain'), [], { perMessageDeflate: false });
  let fields;
  ws.on('upgrade', (answer) => (fields = answer.headers));
  const client = new Endpoint(ws);
  await client.opened();
  assert.deepEqual(fields['set-cookie'], ['session=1; HttpOnly']);
  assert.equal(fields['x-served-by'], 'lock');
  await closeInOrder({ client, server: await stage.peers.plain.accept() });
}

async function checkSubprotocols(stage) {
  for (const [name, seen] of [['choosy', 'chat, mqtt, other'], ['filtered', 'mqtt']]) {
    const pair = await stage.connect(name, {
      peer: 'choosy',
      protocols: ['chat', 'mqtt', 'other'],
    });
    const offered = pair.server.request.headers['sec-websocket-protocol'];
    assert.equal(offered.replaceAll(/ *, */g, ', '), seen);
    assert.equal(pair.client.ws.protocol, 'mqtt');
    assert.equal(pair.server.ws.protocol, 'mqtt');
    await closeInOrder(pair);
  }
}

async function checkGuarded(stage) {
  const { status, fields, body } = await refusal(stage, stage.sluice.url('/guarded'));
  assert.equal(status, 401);
  assert.equal(body, 'who are you?\n');
  assert.equal(fields['www-authenticate'], 'Bearer realm="locks"');
  const nobody = await refusal(stage, stage.sluice.url('/nobody'));
  assert.equal(nobody.status, 502);
  const nowhere = await refusal(stage, stage.sluice.url('/no/such/route'));
  assert.equal(nowhere.status, 404);
  const older = await refusal(stage, stage.sluice.url('/plain'), { protocolVersion: 8 });
  assert.equal(older.status, 426);
  assert.equal(older.fields['sec-websocket-version'], '13');
}

const long = 'no way through here. '.repeat(10_000);
const chunk = (text) => `${text.length.toString(16)}\r\n${text}\r\n`;
const answers = {
  chunked: `HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n${chunk(long)}` +
           `${chunk('end')}0\r\n\r\n`,
  ended: `HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n${long}end`,
  empty: 'HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n',
};

async function checkRawRefusals(stage) {
  const raw = await startRaw((socket, request) => socket.end(answers[request.url.slice(1)]));
  await stage.withSluice([{ path: '/', port: raw.port }], async (sluice) => {
    for (const kind of ['chunked', 'ended']) {
      const { status, body } = await refusal(stage, sluice.url(`/${kind}`));
      assert.equal(status, 403);
      assert.equal(body === long + 'end', true, `${kind}: ${body.length} bytes came`);
    }
    const empty = await refusal(stage, sluice.url('/empty'));
    assert.deepEqual([empty.status, empty.fields.location, empty.body], [302, '/elsewhere', '']);
  });
  raw.stop();
}

export function addHandshakeChecks(suite, stage) {
  suite.check('ws: the server sees who the client is', () => checkForwardedFields(stage));
  suite.check("ws: fields of the server's answer", () => checkAnswerFields(stage));
  suite.check('ws: subprotocols', () => checkSubprotocols(stage));
  suite.check('ws: refusals by the server and by sluice', () => checkGuarded(stage));
  suite.check('ws: refusals with long bodies in every framing', () => checkRawRefusals(stage));
}
