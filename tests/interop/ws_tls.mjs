// Checks of what TLS adds to npm's ws: versions, trust, names, client certificates on both legs,
// ends without close_notify, all four combinations of ws:// and wss://.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';

import { until } from './check.mjs';
import { binFolder, WebSocket } from './dependencies.mjs';
import { Endpoint, someBytes, someText } from './endpoint.mjs';
import { Peer } from './peer.mjs';
import { withSluice } from './sluice.mjs';
import { closeInOrder } from './stage.mjs';

const megabyte = 1024 * 1024;
const verifying = ['tls_verify_client on', 'tls_verify_client optional'];

async function exchange({ client, server }) {
  for (const data of ['a text', someText(megabyte), someBytes(70_000)]) {
    for (const [from, to] of [[client, server], [server, client]]) {
      await from.send(data);
      const got = await to.message();
      assert.equal(Buffer.compare(Buffer.from(got), Buffer.from(data)), 0);
    }
  }
}

// Both ends of a connection through an instance of its own. `options` are the client's.
async function connect(sluice, peer, options) {
  const client = new Endpoint(new WebSocket(sluice.url('/'), options));
  await client.opened();
  return { client, server: await peer.accept() };
}

// The connection must not come about; returns why.
async function failure(url, options) {
  const client = new Endpoint(new WebSocket(url, { handshakeTimeout: 15_000, ...options }));
  try {
    await client.opened();
  } catch (error) {
    return error;
  }
  client.ws.terminate();
  throw new Error('it was accepted');
}

const errorSaid = (sluice, text) =>
  until(10, `"${text}" in the error log`,
        () => sluice.errorLines().some((line) => line.includes(text)));
const accessSaid = (sluice, pattern) =>
  until(10, `${pattern} in the access log`,
        () => sluice.accessLines().some((line) => pattern.test(line)));

async function combine(certificates, ca) {
  for (const secureClient of [false, true]) {
    for (const tls of [undefined, certificates.pair('server')]) {
      const peer = await Peer.start({ tls });
      const conf = { top: [certificates.trust], listen: secureClient ? certificates.listen() : [] };
      await withSluice(binFolder, [{ path: '/', server: peer.server }], async (sluice) => {
        const pair = await connect(sluice, peer, { ca });
        const { headers } = pair.server.request;
        assert.equal(headers['x-forwarded-proto'], secureClient ? 'https' : 'http');
        assert.equal(headers.host, `127.0.0.1:${(tls ? peer : sluice).port}`);
        await exchange(pair);
        await closeInOrder(pair);
      }, conf);
      peer.stop();
    }
  }
}

// Each version on both legs, chosen by the other end and by sluice, with what it agrees on.
async function chooseVersions(certificates, ca) {
  for (const version of ['TLSv1.2', 'TLSv1.3']) {
    const only = { minVersion: version, maxVersion: version };
    const peer = await Peer.start({ tls: { ...certificates.pair('server'), ...only } });
    const routes = [{ path: '/', server: peer.server }];
    for (const [options, lines] of [[only, []], [{}, [`tls_protocols ${version}`]]]) {
      const conf = { top: [certificates.trust, ...lines], listen: certificates.listen() };
      await withSluice(binFolder, routes, async (sluice) => {
        const pair = await connect(sluice, peer, { ca, ...options, perMessageDeflate: false });
        assert.equal(pair.client.socket.getProtocol(), version);
        assert.equal(pair.server.socket.getProtocol(), version);
        await exchange(pair);
        await closeInOrder(pair);
      }, conf);
    }
    peer.stop();
  }
}

// Each of the two workers keeps a session to resume with. OpenSSL uses one of TLS 1.3 once only,
// and node gives no new one then, so it is every other connection that resumes.
async function seeHandshakeAtServer(stage) {
  let resumed = 0;
  for (let i = 0; i < 8; ++i) {
    const pair = await stage.connect('plain');
    const { socket } = pair.server;
    assert.equal(socket.alpnProtocol, 'http/1.1');
    assert.equal(socket.servername, false, 'an address is no name to ask for (RFC 6066 section 3)');
    if (socket.isSessionReused()) ++resumed;
    await closeInOrder(pair);
  }
  assert.equal(resumed >= 2, true, `${resumed} of 8 TLS handshakes resumed a session`);
}

async function refuseClients(certificates, ca) {
  const peer = await Peer.start();
  const demand = [`tls_client_ca ${certificates.path('ca.pem')}`, verifying[0]];
  const conf = { listen: [...certificates.listen(), ...demand] };
  await withSluice(binFolder, [{ path: '/', server: peer.server }], async (sluice) => {
    const url = sluice.url('/');
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3']) {
      const without = await failure(url, { ca, maxVersion });
      assert.match(without.message, maxVersion === 'TLSv1.3' ? /alert certificate required/
                                                             : /alert handshake failure/);
      const strange = await failure(url, { ca, maxVersion, ...certificates.pair('stranger') });
      assert.match(strange.message, /alert unknown ca/);
      const pair = await connect(sluice, peer, { ca, maxVersion, ...certificates.pair('client') });
      await closeInOrder(pair);
    }
    await accessSaid(sluice, / refused .*reason="peer did not return a certificate"/);
    await until(10, 'two sessions', () => sluice.sessionsWith('open').length === 2);
  }, conf);
  peer.stop();
}

// The subject travels on; a client that shows none cannot make one up.
async function passSubjectOn(certificates, ca) {
  const peer = await Peer.start();
  const routes = [{ path: '/', server: peer.server,
                    lines: ['set_header X-Subject "$tls_client_subject"'] }];
  const demand = [`tls_client_ca ${certificates.path('ca.pem')}`, verifying[1]];
  await withSluice(binFolder, routes, async (sluice) => {
    const headers = { 'X-Subject': 'CN=lock keeper,O=sluice tests' };
    const named = await connect(sluice, peer, { ca, ...certificates.pair('client') });
    assert.equal(named.server.request.headers['x-subject'], headers['X-Subject']);
    await closeInOrder(named);
    const nameless = await connect(sluice, peer, { ca, headers });
    assert.equal(nameless.server.request.headers['x-subject'], undefined);
    await closeInOrder(nameless);
    await failure(sluice.url('/'), { ca, headers, ...certificates.pair('stranger') });
  }, { listen: [...certificates.listen(), ...demand] });
  peer.stop();
}

async function showCertificateToServer(certificates) {
  const demand = { ca: certificates.authority, requestCert: true, rejectUnauthorized: true };
  const peer = await Peer.start({ tls: { ...certificates.pair('server'), ...demand } });
  const routes = [{ path: '/', server: peer.server }];
  const shown = ['tls_client_certificate', 'tls_client_key'].map((name, i) =>
    `${name} ${certificates.path(`client.${['pem', 'key'][i]}`)}`);
  await withSluice(binFolder, routes, async (sluice) => {
    const pair = await connect(sluice, peer, {});
    assert.equal(pair.server.socket.getPeerCertificate().subject.CN, 'lock keeper');
    await exchange(pair);
    await closeInOrder(pair);
  }, { top: [certificates.trust, ...shown] });
  await withSluice(binFolder, routes, async (sluice) => {
    assert.match((await failure(sluice.url('/'))).message, /: 502$/);
  }, { top: [certificates.trust] });
  peer.stop();
}

// Whatever is wrong with a server's certificate: 502, and the log says why.
async function distrustServers(certificates) {
  const cases = [
    { shown: 'stranger', why: 'unable to get local issuer certificate' },
    { shown: 'one', why: 'IP address mismatch' },
    { shown: 'one', top: ['tls_server_name two.test'], why: 'hostname mismatch' },
    { shown: 'client', why: /unsuitable certificate purpose|unsupported certificate purpose/ },
    { shown: 'one', top: ['tls_server_name one.test'] },
    { shown: 'wild', top: ['tls_server_name a.wild.test'] },
    { shown: 'wild', top: ['tls_server_name a.b.wild.test'], why: 'hostname mismatch' },
    { shown: 'stranger', top: ['tls_verify off'] },
  ];
  for (const { shown, top = [], why } of cases) {
    const peer = await Peer.start({ tls: certificates.pair(shown) });
    await withSluice(binFolder, [{ path: '/', server: peer.server }], async (sluice) => {
      if (why === undefined) {
        const pair = await connect(sluice, peer, {});
        const name = top[0].startsWith('tls_server_name') && top[0].split(' ')[1];
        assert.equal(pair.server.socket.servername, name);
        await closeInOrder(pair);
      } else {
        assert.match((await failure(sluice.url('/'))).message, /: 502$/);
        await until(10, `${why} in the error log`, () =>
          sluice.errorLines().some((line) => line.search(why) >= 0));
      }
    }, { top: [certificates.trust, ...top] });
    peer.stop();
  }
}

// A server that does not speak TLS, and one that ends in the middle of it.
async function meetServersWithoutTls(certificates) {
  const peer = await Peer.start();
  const silent = net.createServer((socket) => socket.once('data', () => socket.end()));
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const routes = [{ path: '/plain', server: `wss://127.0.0.1:${peer.port}` },
                  { path: '/silent', server: `wss://127.0.0.1:${silent.address().port}` }];
  await withSluice(binFolder, routes, async (sluice) => {
    for (const [path, why] of [['/plain', 'the upstream does not speak TLS'],
                               ['/silent', 'closed during the TLS handshake']]) {
      assert.match((await failure(sluice.url(path))).message, /: 502$/);
      await errorSaid(sluice, why);
    }
  }, { top: [certificates.trust] });
  silent.close();
  peer.stop();
}

async function speakPlainlyToTls(stage) {
  const asked = http.get({ port: stage.sluice.port, host: '127.0.0.1', path: '/plain' });
  const [answer] = await once(asked, 'response');
  const body = (await answer.setEncoding('utf8').toArray()).join('');
  assert.equal(answer.statusCode, 400);
  assert.match(body, /speaks TLS/);
}

async function distrustSluice(stage) {
  const stranger = fs.readFileSync(stage.certificates.path('stranger-ca.pem'));
  for (const options of [{}, { ca: stranger }]) {
    const { code } = await failure(stage.sluice.url('/plain'), options);
    assert.equal(code, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE');
  }
}

// FIN without close_notify is told apart from a close in order, on either leg.
async function loseWithoutNotice(stage) {
  for (const [first, by] of [['client', 'client'], ['server', 'upstream']]) {
    const pair = await stage.connect('plain');
    const left = pair[first === 'client' ? 'server' : 'client'];
    const { port } = pair.client.socket.address();
    pair[first].ws.terminate();
    assert.equal((await left.closed()).code, 1006);
    await accessSaid(stage.sluice, new RegExp(
      ` close .*client=127\\.0\\.0\\.1:${port} .*closed_by=${by} ` +
      'reason="TLS ended without close_notify"'));
  }
}

export function addTlsChecks(suite, stage) {
  const { certificates } = stage;
  const ca = certificates.authority;
  suite.check('wss: ws and wss on either leg', () => combine(certificates, ca));
  suite.check('wss: versions of TLS', () => chooseVersions(certificates, ca));
  suite.check('wss: what the server sees of TLS', () => seeHandshakeAtServer(stage));
  suite.check('wss: clients must show a certificate', () => refuseClients(certificates, ca));
  suite.check("wss: the client's subject", () => passSubjectOn(certificates, ca));
  suite.check('wss: the server asks for a certificate',
              () => showCertificateToServer(certificates));
  suite.check('wss: servers that are not trusted', () => distrustServers(certificates));
  suite.check('wss: servers without TLS', () => meetServersWithoutTls(certificates));
  suite.check('wss: plain HTTP to a TLS listener', () => speakPlainlyToTls(stage));
  suite.check('wss: a client that does not trust', () => distrustSluice(stage));
  suite.check('wss: ends without close_notify', () => loseWithoutNotice(stage));
}
