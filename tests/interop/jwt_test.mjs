// npm's jose makes the tokens, the keys' files and a key set; npm's ws brings them through the real
// binary in each way that a browser or a service has.
//   node jwt_test.mjs BIN_FOLDER DEPENDENCIES_FOLDER
import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { Suite } from './check.mjs';
import { binFolder, load, WebSocket, WebSocketServer } from './dependencies.mjs';
import { withSluice } from './sluice.mjs';

const jose = load('jose');
const algorithms = ['HS256', 'RS256', 'ES256', 'EdDSA'];
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-jose-'));
process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }));

let written = 0;
function write(name, content) {
  const file = path.join(folder, `${++written}.${name}`);
  fs.writeFileSync(file, content, { mode: 0o600 });
  return file;
}

// Both halves of a key for that algorithm, and a file of what verifies.
async function makeKey(algorithm) {
  if (algorithm === 'HS256') {
    const secret = crypto.getRandomValues(new Uint8Array(32));
    return { signing: secret, public: secret, file: write('HS256.key', secret) };
  }
  const pair = await jose.generateKeyPair(algorithm, { crv: 'Ed25519', extractable: true });
  return {
    signing: pair.privateKey,
    public: pair.publicKey,
    file: write(`${algorithm}.pem`, await jose.exportSPKI(pair.publicKey)),
  };
}

function token(algorithm, key, { claims = { sub: 'al' }, expires = '10m', ...header } = {}) {
  return new jose.SignJWT(claims)
    .setProtectedHeader({ alg: algorithm, ...header })
    .setIssuer('https://issuer.example')
    .setAudience('chat')
    .setIssuedAt()
    .setExpirationTime(expires)
    .sign(key);
}

// The server behind sluice tells each client who it is.
async function serve(use) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  server.on('connection', (socket, request) => socket.send(request.headers['x-user'] ?? 'nobody'));
  try {
    await use(server.address().port);
  } finally {
    for (const client of server.clients) client.terminate();
    server.close();
  }
}

// What the server tells, or the status of a refusal.
function greeting(url, { protocols = [], headers = {} } = {}) {
  return new Promise((resolve) => {
    const socket = new WebSocket(url, protocols, { headers });
    socket.once('message', (data) => {
      resolve(String(data));
      socket.close();
    });
    socket.once('unexpected-response', (request, answer) => {
      resolve(`${answer.statusCode} ${answer.headers['www-authenticate']}`);
      request.destroy();
    });
    socket.once('error', (error) => resolve(error.message));
  });
}

const demands = [
  'auth_jwt bearer cookie=session query=ticket subprotocol=jwt.',
  'auth_jwt_issuer https://issuer.example', 'auth_jwt_audience chat',
  'set_header X-User $jwt_claim_sub',
];
const badToken = '401 Bearer error="invalid_token"';

async function eachAlgorithm() {
  for (const algorithm of algorithms) {
    const key = await makeKey(algorithm);
    const foreign = algorithm === 'HS256' ? 'ES256' : algorithm;
    await serve((port) => check(algorithm, key, foreign, port));
  }
}

async function check(algorithm, key, foreign, port) {
  const other = await makeKey(foreign);
  const lines = [...demands, `auth_jwt_key ${algorithm} ${key.file}`];
  const routes = [{ path: '/', port, lines }];
  await withSluice(binFolder, routes, async (sluice) => {
    const good = await token(algorithm, key.signing);
    const url = sluice.url('/');
    const bearer = (text) => ({ headers: { Authorization: `Bearer ${text}` } });
    assert.equal(await greeting(url, bearer(good)), 'al', algorithm);
    assert.equal(await greeting(url, { headers: { Cookie: `session=${good}` } }), 'al');
    assert.equal(await greeting(`${url}?ticket=${good}`), 'al');
    assert.equal(await greeting(url), '401 Bearer');
    assert.equal(await greeting(url, bearer(await token(foreign, other.signing))), badToken);
    const expired = await token(algorithm, key.signing, { expires: Math.floor(Date.now() / 1000) - 60 });
    assert.equal(await greeting(url, bearer(expired)), badToken);
  });
}

async function keySet() {
  const keys = {};
  const jwks = { keys: [] };
  for (const algorithm of algorithms) {
    keys[algorithm] = await makeKey(algorithm);
    const jwk = await jose.exportJWK(keys[algorithm].public);
    jwks.keys.push({ ...jwk, alg: algorithm, use: 'sig', kid: `key of ${algorithm}` });
  }
  // Of no use here: another curve, and a key for encryption.
  const { publicKey } = await jose.generateKeyPair('ES512');
  jwks.keys.push({ ...(await jose.exportJWK(publicKey)), kid: 'ES512' });
  const encrypting = await jose.generateKeyPair('RSA-OAEP', { modulusLength: 2048 });
  jwks.keys.push({ ...(await jose.exportJWK(encrypting.publicKey)), use: 'enc' });
  const file = write('all.jwks', JSON.stringify(jwks));
  await serve(async (port) => {
    const routes = [{ path: '/', port, lines: [...demands, `auth_jwt_key jwks ${file}`] }];
    await withSluice(binFolder, routes, async (sluice) => {
      for (const algorithm of algorithms) {
        const { signing } = keys[algorithm];
        for (const header of [{}, { kid: `key of ${algorithm}` }]) {
          const text = await token(algorithm, signing, header);
          const headers = { Authorization: `Bearer ${text}` };
          assert.equal(await greeting(sluice.url('/'), { headers }), 'al', algorithm);
        }
        const text = await token(algorithm, signing, { kid: 'another' });
        const headers = { Authorization: `Bearer ${text}` };
        assert.equal(await greeting(sluice.url('/'), { headers }), badToken);
      }
    });
  });
}

// A page has no fields of its own: it offers the token as a subprotocol beside the one it speaks.
async function subprotocol() {
  const key = await makeKey('ES256');
  const offered = [];
  const server = new WebSocketServer({
    port: 0,
    host: '127.0.0.1',
    handleProtocols: (protocols) => {
      offered.push([...protocols]);
      return [...protocols][0] ?? false;
    },
  });
  await once(server, 'listening');
  const lines = [...demands, `auth_jwt_key ES256 ${key.file}`];
  const routes = [{ path: '/', port: server.address().port, lines }];
  await withSluice(binFolder, routes, async (sluice) => {
    const text = await token('ES256', key.signing);
    const socket = new WebSocket(sluice.url('/'), [`jwt.${text}`, 'chat']);
    await once(socket, 'open');
    assert.equal(socket.protocol, 'chat');
    assert.deepEqual(offered, [['chat']]);
    socket.close();
    await once(socket, 'close');
  });
  server.close();
}

async function closedWhenItExpires() {
  const key = await makeKey('EdDSA');
  await serve(async (port) => {
    const lines = [...demands, `auth_jwt_key EdDSA ${key.file}`, 'auth_jwt_leeway off'];
    await withSluice(binFolder, [{ path: '/', port, lines }], async (sluice) => {
      const expires = Math.floor(Date.now() / 1000) + 2;
      const text = await token('EdDSA', key.signing, { expires });
      const socket = new WebSocket(sluice.url('/'), [], { headers: { Authorization: `Bearer ${text}` } });
      const [code] = await once(socket, 'close');
      const late = Date.now() / 1000 - expires;
      assert.equal(code, 1008);
      assert.ok(late > -0.1 && late < 1.5, `${late} s late`);
    });
  });
}

const suite = new Suite();
suite.check('jose: each algorithm, in each place', eachAlgorithm, { seconds: 40 });
suite.check('jose: a key set of all of them', keySet);
suite.check('jose: a token as a subprotocol', subprotocol);
suite.check('jose: a session ends when its token expires', closedWhenItExpires);
await suite.run({ prepare: async () => {}, finish: async () => {}, onFailure: () => {} });
