"""The page of the admin address and those who watch it: what they are told, how many they may be, and
what becomes of those that do not read; and that names alone lead to pages."""
import json
import random
import socket
import time

from admin import Admin, read_all
from balanced import Greeting
from harness import Suite, wait_until
from wire import TEXT, frame

suite = Suite()


class Watcher:
    """A client of /events, and what it was told."""

    def __init__(self, sluice, receive_buffer=0):
        self.sock = sluice.connect()
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.text = b""

    def read_until(self, condition):
        while not condition():
            piece = self.sock.recv(65536)
            assert piece, self.text[-200:]
            self.text += piece

    def head(self):
        self.read_until(lambda: b"\r\n\r\n" in self.text)
        return self.text.split(b"\r\n\r\n")[0].decode()

    def next_status(self):
        """What the next event says that is whole; the first one is the history."""
        self.read_until(lambda: b"\n\n" in self.text)
        event, self.text = self.text.split(b"\n\n", 1)
        return json.loads(event.split(b"data: ", 1)[1])


@suite.check
def who_watches_is_told_each_second_what_is():
    with Greeting() as up, Admin([up.uri]) as sluice:
        watcher = Watcher(sluice)
        head = watcher.head()
        assert head.startswith("HTTP/1.1 200 OK\r\n") and "Content-Length" not in head, head
        assert "Content-Type: text/event-stream\r\n" in head
        assert "Cache-Control: no-store\r\n" in head
        history = watcher.next_status()
        assert all(len(point) == 5 for point in history), history
        first = watcher.next_status()
        assert first["totals"]["sessions"] == 0
        clients = sluice.opened(4)
        for client in clients:
            client.send(frame(TEXT, b"hello", masked=True))
        told = first
        while told["totals"]["messages"] < 4 or told["totals"]["sessions"] < 4:
            before, told = told, watcher.next_status()
            assert told["now_ms"] > before["now_ms"]
        assert told["routes"][0]["sessions"] == 4
        assert told["upstreams"][0]["peers"][0]["sessions"] == 4
        assert json.loads(sluice.get("/status.json").body)["totals"]["opened"] == 4
        # Whoever comes later is told of the minutes before.
        late = Watcher(sluice)
        late.head()
        assert late.next_status()[-1][3] >= 4
        assert sluice.get("/events", method="HEAD").status == 200


@suite.check
def watchers_have_a_bound_and_who_goes_makes_room():
    with Greeting() as up, Admin([up.uri]) as sluice:
        watchers = [Watcher(sluice) for _ in range(16)]
        for watcher in watchers:
            assert " 200 " in watcher.head()
        refused = sluice.get("/events")
        assert refused.status == 503 and "watch already" in refused.body, refused.text
        idle = [sluice.connect() for _ in range(100)]
        assert sluice.get("/healthz").status == 200
        for watcher in watchers:  # nobody took their places
            watcher.read_until(lambda: watcher.text.count(b"data: ") >= 3)
        watchers.pop().sock.close()
        reset = watchers.pop().sock
        reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        reset.close()

        def comes_in():
            watcher = Watcher(sluice)
            watchers.append(watcher)
            return " 200 " in watcher.head()
        wait_until(comes_in, "a place")
        wait_until(comes_in, "another place")
        # The address moves: pages come again where it is then.
        sluice.text = sluice.text.replace(f"admin {sluice.at}", "admin off")
        sluice.reload([up.uri])
        for watcher in watchers[:14]:
            while watcher.sock.recv(65536):
                pass
        for sock in idle:
            sock.close()


@suite.check
def who_watches_and_reads_nothing_is_cut():
    routes = "".join(f"route /r{number}\n  proxy_pass all\n" for number in range(300))
    with Greeting() as up, Admin([up.uri], routes) as sluice:
        watchers = [Watcher(sluice, receive_buffer=4096) for _ in range(3)]
        reader = Watcher(sluice)
        reader.head()
        wait_until(lambda: "did not read what it was told within 10s" in sluice.errors(),
                   "the end of the first one", 40)
        wait_until(lambda: all(is_reset(watcher.sock) for watcher in watchers), "that of all", 20)
        reader.text = b""
        reader.read_until(lambda: reader.text.count(b"data: ") >= 2)


def is_reset(sock):
    """Whether its other end is gone, with bytes unread here."""
    sock.settimeout(0.05)
    try:
        sock.sendall(b"x")
        time.sleep(0.05)
        sock.sendall(b"x")
        return False
    except (BrokenPipeError, ConnectionResetError):
        return True


@suite.check
def random_methods_and_paths_get_pages_only_by_their_names():
    pages = ("/", "/events", "/metrics", "/healthz", "/readyz", "/status.json")
    seed = int(time.time())
    print(f"admin: seed {seed}")
    chance = random.Random(seed)
    with Greeting() as up, Admin([up.uri]) as sluice:
        keeper = sluice.status()["keeper"]["pid"]
        for _ in range(400):
            method = chance.choice(["GET", "HEAD", "POST", "get", "TRACE", "CONNECT", "GET GET",
                                    "M-SEARCH", "\xff", ""])
            path = chance.choice(pages)
            for _ in range(chance.randrange(4)):
                at = chance.randrange(len(path) + 1)
                path = path[:at] + chance.choice("/.%?#;:@\\\0\t é~\x7f") + path[at:]
            with sluice.connect() as sock:
                sock.sendall(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                sock.shutdown(socket.SHUT_WR)
                status = read_all(sock).status
            named = method in ("GET", "HEAD") and path.split("?")[0] in pages
            assert (status == 200) <= named, (method, path, status)
        assert sluice.status()["keeper"]["pid"] == keeper


@suite.check
def the_page_is_one_file_that_may_load_nothing():
    with Greeting() as up, Admin([up.uri]) as sluice:
        page = sluice.get("/")
        assert page.status == 200 and page.fields["Content-Type"] == "text/html; charset=utf-8"
        assert page.fields["Content-Security-Policy"].startswith("default-src 'none'; style-src")
        assert page.fields["Referrer-Policy"] == "no-referrer"
        assert page.fields["X-Content-Type-Options"] == "nosniff"
        assert page.fields["Cache-Control"] == "no-store"
        assert int(page.fields["Content-Length"]) == len(page.body.encode()) < 60 * 1024
        assert sluice.get("/", fields=[("Origin", "https://evil.example")]).status == 403


suite.run()
