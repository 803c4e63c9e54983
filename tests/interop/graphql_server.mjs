// A GraphQL server whose one subscription counts on and on; a MortalServer's program:
//   node graphql_server.mjs BIN_FOLDER DEPENDENCIES_FOLDER [PORT]
import { once } from 'node:events';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';

import { load, WebSocketServer } from './dependencies.mjs';

const { buildSchema } = load('graphql');
const { useServer } = load('graphql-ws/lib/use/ws');

async function* count() {
  for (let number = 0; ; ++number) {
    yield { count: number };
    await pause(20);
  }
}

const server = new WebSocketServer({
  host: '127.0.0.1',
  port: Number(process.argv[4] ?? 0),
  handleProtocols: (offered) => (offered.has('graphql-transport-ws') ? 'graphql-transport-ws' : false),
});
useServer({
  schema: buildSchema('type Query { none: Int } type Subscription { count: Int }'),
  roots: { subscription: { count } },
}, server);
await once(server, 'listening');
console.log(server.address().port);
process.stdin.resume().on('end', () => process.exit(0));
