// SignalR: its negotiation and handshake by hand, and its own client over each of its transports,
// through one route of the real binary.
//   node signalr_test.mjs BIN_FOLDER DEPENDENCIES_FOLDER
import assert from 'node:assert/strict';

import { Suite, within } from './check.mjs';
import { binFolder, load, WebSocket } from './dependencies.mjs';
import { Endpoint } from './endpoint.mjs';
import { SignalRServer, transports } from './signalr_server.mjs';
import { withSluice } from './sluice.mjs';

const { HttpTransportType, HubConnectionBuilder, LogLevel } = load('@microsoft/signalr');

async function withHub(use) {
  const hub = await SignalRServer.start();
  try {
    const routes = [{ path: '/hub', server: `http://127.0.0.1:${hub.port}`, lines: ['http on'] }];
    await withSluice(binFolder, routes, (sluice) => use(sluice, hub));
  } finally {
    hub.stop();
  }
}

async function byHand() {
  await withHub(async (sluice) => {
    const url = `http://127.0.0.1:${sluice.port}/hub/negotiate?negotiateVersion=1`;
    const answer = await fetch(url, { method: 'POST' });
    assert.equal(answer.status, 200);
    const { connectionToken, availableTransports } = await answer.json();
    assert.deepEqual(availableTransports.map((each) => each.transport), transports);
    const client = new Endpoint(new WebSocket(sluice.url(`/hub?id=${connectionToken}`)));
    await client.opened();
    const say = (message) => client.ws.send(`${JSON.stringify(message)}\x1e`);
    say({ protocol: 'json', version: 1 });
    assert.equal(await client.message(), '{}\x1e');
    say({ type: 1, invocationId: '1', target: 'echo', arguments: ['a'] });
    assert.equal(await client.message(), '{"type":1,"target":"heard","arguments":["a"]}\x1e');
    assert.equal(await client.message(), '{"type":3,"invocationId":"1","result":"echo: a"}\x1e');
    client.ws.close(1000);
    await client.closed();
    const stranger = new WebSocket(sluice.url('/hub?id=nobody'));
    const refused = new Promise((resolve) => stranger.on('error', resolve));
    assert.match(String(await within(15, 'a refusal', refused)), /404/);
  });
}

async function byItsClient(transport) {
  await withHub(async (sluice, hub) => {
    const connection = new HubConnectionBuilder()
      .withUrl(`http://127.0.0.1:${sluice.port}/hub`, { transport: HttpTransportType[transport] })
      .configureLogging(LogLevel.None)
      .build();
    const heard = [];
    connection.on('heard', (text) => heard.push(text));
    await within(15, 'a connection', connection.start());
    assert.deepEqual([...hub.connections.values()].map((each) => each.transport), [transport]);
    for (let i = 0; i < 20; ++i) {
      assert.equal(await within(15, 'a result', connection.invoke('echo', `${i}`)), `echo: ${i}`);
    }
    assert.deepEqual(heard, Array.from({ length: 20 }, (_, i) => `${i}`));
    const large = 'x'.repeat(200_000);
    assert.equal(await within(15, 'a large one', connection.invoke('echo', large)), `echo: ${large}`);
    const items = [];
    await within(15, 'a stream', new Promise((complete, error) => {
      connection.stream('count', 50).subscribe({ next: (item) => items.push(item), complete, error });
    }));
    assert.deepEqual(items, Array.from({ length: 50 }, (_, i) => i));
    await connection.stop();
  });
}

const suite = new Suite();
suite.check('negotiation and handshake by hand', byHand);
for (const transport of transports) {
  suite.check(`its client over ${transport}`, () => byItsClient(transport));
}
await suite.run({ prepare: async () => {}, finish: async () => {}, onFailure: () => {} });
