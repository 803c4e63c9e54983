// graphql-ws, whose clients come back after some ends and never after others, through the real
// binary: a server that dies and is started again must look to them as it does without a proxy.
//   node graphql_test.mjs BIN_FOLDER DEPENDENCIES_FOLDER
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';

import { Suite, until } from './check.mjs';
import { binFolder, load, WebSocket } from './dependencies.mjs';
import { MortalServer } from './mortal_server.mjs';
import { withSluice } from './sluice.mjs';

const { createClient } = load('graphql-ws');
const program = fileURLToPath(new URL('./graphql_server.mjs', import.meta.url));

// A client with a subscription, and what it is told.
class Subscriber {
  opened = 0;
  closes = [];
  counts = [];

  constructor(url) {
    this.client = createClient({
      url,
      webSocketImpl: WebSocket,
      retryAttempts: 1000, // which of them finds the server again is not the question
      retryWait: () => new Promise((resolve) => setTimeout(resolve, 20)),
      shouldRetry: () => true, // npm's ws: a refused connection, too; fatal Closes stay fatal
      on: {
        connected: () => ++this.opened,
        closed: ({ code }) => this.closes.push(code),
      },
    });
    this.client.subscribe({ query: 'subscription { count }' }, {
      next: ({ data }) => this.counts.push(data.count),
      error: (error) => (this.error = error),
      complete: () => (this.over = true),
    });
  }

  async hears(what) {
    const before = this.counts.length;
    await until(15, `counts ${what}`, () => this.error || this.over || this.counts.length > before + 2);
    assert.ok(!this.error && !this.over, `gave up: ${JSON.stringify([this.error, this.closes])}`);
  }
}

// Kills the server under a client and starts it again; how the client saw the end.
async function outliveServer(url, server) {
  const subscriber = new Subscriber(url);
  await subscriber.hears('at first');
  await server.kill();
  await until(15, 'the end', () => subscriber.error || subscriber.closes.length > 0);
  const again = await MortalServer.start(program, String(server.port));
  await subscriber.hears('after the restart');
  assert.equal(subscriber.opened, 2);
  await subscriber.client.dispose();
  await again.kill();
  return subscriber.closes[0];
}

async function comeBackWithoutProxy() {
  const server = await MortalServer.start(program);
  assert.equal(await outliveServer(`ws://127.0.0.1:${server.port}/`, server), 1006);
}

async function comeBack() {
  const server = await MortalServer.start(program);
  await withSluice(binFolder, [{ path: '/', port: server.port }], async (sluice) => {
    assert.equal(await outliveServer(sluice.url('/'), server), 1006);
  });
}

// Where the operator wants the client to be told, with a code after which it comes back.
async function comeBackWhenTold() {
  const server = await MortalServer.start(program);
  const routes = [{ path: '/', port: server.port, lines: ['lost_close_code 1012'] }];
  await withSluice(binFolder, routes, async (sluice) => {
    assert.equal(await outliveServer(sluice.url('/'), server), 1012);
  });
}

const suite = new Suite();
suite.check('graphql-ws: a client comes back without a proxy', comeBackWithoutProxy);
suite.check('graphql-ws: a client comes back through sluice', comeBack);
suite.check('graphql-ws: a client that is told comes back', comeBackWhenTold);
await suite.run({ prepare: async () => {}, finish: async () => {}, onFailure: () => {} });
