"""What tests of upstreams share: a sluice with one upstream of several servers."""
import threading

from control import Controlled
from wire import Upstream, answer_101, dial, request


class Greeting(Upstream):
    """An upstream that upgrades whoever comes, and keeps them."""

    def __init__(self, listener=None):
        super().__init__(listener=listener)
        self.wires = []
        self.came = 0
        self.lock = threading.Lock()
        self.serve(self.greet, times=None)

    def greet(self, wire):
        head = wire.head()
        with self.lock:
            self.wires.append(wire)
            self.came += 1
        wire.send(answer_101(head.get("Sec-WebSocket-Key")))
        wire.rest()


class Balanced(Controlled):
    """`route /` to one upstream of these servers; `servers` are whole lines' words, `lines` the
    upstream's, `route` the route's."""

    def __init__(self, servers, lines="", top="", route="", **options):
        self.servers, self.lines, self.route = list(servers), lines, route
        super().__init__(None, top, **options)

    def write_conf(self, text):
        self.text = text
        super().write_conf(self.with_servers(text))

    def with_servers(self, text):
        upstream = "upstream all\n" + "".join(f"  server {each}\n" for each in self.servers)
        return (text.split("route /")[0] + upstream + self.lines + "route /\n  proxy_pass all\n" +
                self.route)

    def reload(self, servers):
        self.servers = list(servers)
        super().write_conf(self.with_servers(self.text))
        done = self.say("reload")
        assert done.returncode == 0, done

    def peers(self):
        [upstream] = self.status()["upstreams"]
        return upstream["peers"]

    def sessions(self):
        return [peer["sessions"] for peer in self.peers()]

    def open(self, fields=(), target="/"):
        client = dial(self.port)
        client.send(request(target, fields=fields))
        client.answer = client.head()
        return client

    def opened(self, count):
        clients = [self.open() for _ in range(count)]
        assert all(client.answer.status == 101 for client in clients)
        return clients
