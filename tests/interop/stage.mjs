// Stage: one sluice with every route that the checks of ws_test.mjs need, and the peers behind it,
// everything over TLS where it is given certificates.
import assert from 'node:assert/strict';

import { binFolder, WebSocket } from './dependencies.mjs';
import { Endpoint } from './endpoint.mjs';
import { Peer } from './peer.mjs';
import { nobodysPort, Sluice, withSluice } from './sluice.mjs';

export const messageLimit = 64 * 1024; // of the route /limited

export class Stage {
  peers = {};

  constructor(certificates) {
    this.certificates = certificates;
    this.authorities = certificates && { ca: certificates.authority }; // options of a client
    this.secured = certificates && { tls: certificates.pair('server') }; // options of a Peer
    this.conf = certificates && { top: [certificates.trust], listen: certificates.listen() };
  }

  async start() {
    const compress = { threshold: 0 };
    const peers = this.peers;
    peers.plain = await this.startPeer();
    peers.deflate = await this.startPeer({ perMessageDeflate: compress });
    peers.fresh = await this.startPeer({
      perMessageDeflate: {
        ...compress,
        serverNoContextTakeover: true,
        clientNoContextTakeover: true,
      },
    });
    peers.narrow = await this.startPeer({
      perMessageDeflate: { ...compress, serverMaxWindowBits: 10, clientMaxWindowBits: 11 },
    });
    peers.echo = await Peer.startEcho({ perMessageDeflate: compress, ...this.secured });
    peers.choosy = await this.startPeer({
      handleProtocols: (offered) => (offered.has('mqtt') ? 'mqtt' : false),
    });
    peers.guarded = await this.startPeer({
      verifyClient: (_, answer) =>
        answer(false, 401, 'who are you?\n', { 'WWW-Authenticate': 'Bearer realm="locks"' }),
    });
    const route = (path, name, ...lines) => ({ path, server: peers[name].server, lines });
    this.sluice = new Sluice(binFolder, [
      ...Object.keys(peers).map((name) => route(`/${name}`, name)),
      route('/limited', 'plain', `max_message_size ${messageLimit}`),
      route('/filtered', 'choosy', 'subprotocols mqtt v12.stomp'),
      route('/headers', 'plain', 'set_header X-Gate "north lock"', 'remove_header X-Secret'),
      { path: '/nobody', port: nobodysPort },
    ], this.conf);
    await this.sluice.start();
  }

  startPeer(options = {}) {
    return Peer.start({ ...options, ...this.secured });
  }

  // Runs `use(sluice)` with another instance, whose listener is like this one's.
  withSluice(routes, use) {
    return withSluice(binFolder, routes, use, this.conf);
  }

  // A client of any instance.
  socket(url, protocols = [], options = {}) {
    return new WebSocket(url, protocols, { ...this.authorities, ...options });
  }

  // Both ends of a new connection over the route of that name.
  async connect(name, { peer = name, protocols = [], target = `/${name}`, ...options } = {}) {
    const ws = this.socket(this.sluice.url(target), protocols, {
      perMessageDeflate: false,
      handshakeTimeout: 15_000,
      ...options,
    });
    const client = new Endpoint(ws);
    await client.opened();
    return { client, server: await this.peers[peer].accept() };
  }

  async stop() {
    for (const peer of Object.values(this.peers)) peer.stop();
    if (!this.sluice) return;
    await this.sluice.stop();
    await this.sluice.expectBalancedAccessLog();
  }
}

// Ends a pair in order and sees that both ends agree on that.
export async function closeInOrder({ client, server }) {
  client.ws.close(1000, 'done');
  assert.deepEqual(await server.closed(), { code: 1000, reason: 'done' });
  assert.equal((await client.closed()).code, 1000);
}
