"""Paced leaving: QUIT and `sluice -s drain`, what is drained over reloads and workers' deaths, and
the lists of sessions that say who is left."""
import contextlib
import os
import signal
import socket
import time

from control import Controlled, Line
from harness import Sluice, Suite, free_port, wait_until
from tls import client_wrap, site
from wire import CLOSE, TEXT, Upstream, answer_101, close_payload, dial, pair, request

suite = Suite()


def next_frame(wire):
    """Opcode and payload."""
    first, payload = wire.frame()
    return first & 0xF, payload


class Serving:
    """An upstream that echoes, and answers a Close and ends."""

    def __init__(self):
        self.upstream = Upstream()
        self.upstream.serve(self.echo, times=None)

    @staticmethod
    def echo(wire):
        head = wire.head()
        wire.send(answer_101(head.get("Sec-WebSocket-Key")))
        while True:
            opcode, payload = next_frame(wire)
            wire.send_frame(opcode, payload)
            if opcode == CLOSE:
                break
        wire.sock.close()

    @property
    def uri(self):
        return self.upstream.uri

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.upstream.close()


class Drained(Controlled):
    """Two upstreams, `a` of two servers at "/" and `b` at "/b", and two listeners."""

    def __init__(self, a, other, b, top="", workers=2):
        self.a, self.other, self.b = a, other, b
        self.second_port = None
        super().__init__(a, top, workers=workers)

    def write_conf(self, text):
        self.second_port = self.second_port or free_port()
        head, _, _ = text.partition("route /\n")
        super().write_conf(f"{head}listen 127.0.0.1:{self.second_port}\n"
                           f"upstream a\n  server {self.a.uri}\n  server {self.other.uri}\n"
                           f"upstream b\n  server {self.b.uri}\n"
                           "route /b\n  proxy_pass b\nroute /\n  proxy_pass a\n")

    def must(self, *words):
        done = self.say(*words)
        assert done.returncode == 0, done
        return done

    def listed(self, *words):
        """What `sessions` answers: objects, and the last line."""
        with Line(self.socket_path) as line:
            line.send(" ".join(["sessions", *words]).encode() + b"\n")
            told = []
            while True:
                told.append(line.answer())
                if "ok" in told[-1]:
                    return told[:-1], told[-1]

    def status_of(self, port, target="/"):
        client = dial(port)
        client.send(request(target))
        head = client.head()
        client.reset()
        return head.status


@contextlib.contextmanager
def drained(top="", workers=2):
    with Serving() as a, Serving() as other, Serving() as b:
        with Drained(a, other, b, top, workers) as sluice:
            yield sluice


def session(sluice, target="/", port=None):
    client = dial(port or sluice.port)
    client.send(request(target))
    assert client.head().status == 101
    return client


def closed_after(client, since):
    """Waits for the Close, answers it; its code, and when it came."""
    opcode, payload = next_frame(client)
    while opcode != CLOSE:
        opcode, payload = next_frame(client)
    at = time.monotonic() - since
    client.send_frame(CLOSE, payload)
    client.expect_end()
    client.close()
    return int.from_bytes(payload[:2], "big"), at


@suite.check_each(1001, 1012)
def quit_spreads_the_ends(code):
    """Ten sessions over 2 s: none before it began, none twice as late, spread over the window."""
    with Serving() as upstream:
        conf = f"@drain_timeout 2s\n@drain_code {code}\nroute /\n  proxy_pass {upstream.uri}"
        with Sluice(conf, workers=1) as sluice:
            clients = [session(sluice) for _ in range(10)]
            sluice.signal(signal.SIGQUIT)
            since = time.monotonic()
            told = []
            for client in clients:  # in any order: each waits in its socket until it is read
                client.sock.setblocking(False)
            waiting = list(clients)
            while waiting and time.monotonic() - since < 20:
                for client in list(waiting):
                    with contextlib.suppress(BlockingIOError):
                        if client.sock.recv(1, socket.MSG_PEEK):
                            told.append(time.monotonic() - since)
                            waiting.remove(client)
                time.sleep(0.005)
            assert not waiting, told
            for client in clients:
                client.sock.settimeout(20)
                client.expect_close(code)
                client.send_frame(CLOSE, close_payload(code))
                client.expect_end()
                client.close()
            assert sluice.wait(10) == 0
            halves = sum(at < 1 for at in told)
            assert 2 <= halves <= 8, told
            gaps = [b - a for a, b in zip(told, told[1:])]
            assert sum(gap > 0.05 for gap in gaps) >= 5, told
            lines = [each for each in sluice.access() if each["event"] == "close"]
            assert len(lines) == 10 and all(each["closed_by"] == "proxy" for each in lines), lines


@suite.check
def a_message_under_way_goes_first():
    with Upstream() as upstream:
        conf = f"@drain_timeout 100ms\nroute /\n  proxy_pass {upstream.uri}"
        with Sluice(conf) as sluice:
            client, server = pair(sluice, upstream)
            server.send_frame(TEXT, "the first half, ", fin=False)
            assert client.frame() == (TEXT, b"the first half, ")
            sluice.signal(signal.SIGQUIT)
            time.sleep(0.5)
            server.send_frame(0, "and the second")  # a Close between the two would end the message
            client.expect(0, "and the second")
            client.expect_close(1001)
            client.send_frame(TEXT, "on its way already")
            server.expect(TEXT, "on its way already")
            client.send_frame(CLOSE, close_payload(1001))
            server.expect_close(1001)
            server.send_frame(CLOSE, close_payload(1001))
            server.close()
            client.expect_end()
            client.close()
            assert sluice.wait(10) == 0


@suite.check
def off_waits_for_the_last_session():
    with Serving() as upstream:
        with Sluice(f"@drain_timeout off\nroute /\n  proxy_pass {upstream.uri}") as sluice:
            client = session(sluice)
            sluice.signal(signal.SIGQUIT)
            time.sleep(1)
            client.send_frame(TEXT, "here")
            client.expect(TEXT, "here")
            client.send_frame(CLOSE, close_payload(1000))
            client.expect_close(1000)
            client.expect_end()
            client.close()
            assert sluice.wait(10) == 0


@suite.check_each("upstream a", "route /", "listener")
def a_part_is_drained_and_taken_back(part):
    with drained() as sluice:
        inside, outside = session(sluice), session(sluice, "/b", sluice.second_port)
        if part == "listener":
            part = f"listener 127.0.0.1:{sluice.port}"
        since = time.monotonic()
        sluice.must("drain", *part.split(), "over", "200ms")
        assert closed_after(inside, since)[0] == 1001
        answer = refusal_of(sluice, sluice.port)
        assert answer.status == 503 and answer.get("Retry-After") == "1", answer.raw
        outside.send_frame(TEXT, "stays")
        outside.expect(TEXT, "stays")
        assert sluice.status_of(sluice.second_port, "/b") == 101
        [told] = sluice.status()["drained"]
        assert told["part"] == part and abs(told["since"] - time.time()) < 60, told
        wait_until(lambda: sluice.status()["drained"][0]["sessions_left"] == 0, "nobody is left")
        sluice.must("undrain", *part.split())
        assert sluice.status()["drained"] == []
        wait_until(lambda: sluice.status_of(sluice.port) == 101, "it is served again", 5)
        outside.send_frame(TEXT, "still stays")
        outside.expect(TEXT, "still stays")


class Secured(Controlled):
    """A sluice whose clients speak TLS."""

    def write_conf(self, text):
        super().write_conf(text.replace("route /\n", f"{site().lines}\nroute /\n"))


@suite.check
def a_listener_in_tls_is_closed_before_tls():
    with Serving() as upstream, Secured(upstream, wrap=client_wrap()) as sluice:
        client = dial(sluice.port, wrap=sluice.wrap)
        client.send(request())
        assert client.head().status == 101
        assert sluice.say("drain", "listener", f"127.0.0.1:{sluice.port}", "over",
                          "0s").returncode == 0
        client.expect_close(1001)
        client.close()

        def closed():
            with socket.create_connection(("127.0.0.1", sluice.port)) as sock:
                sock.settimeout(2)
                try:
                    return sock.recv(1) == b""
                except TimeoutError:
                    return False
                except ConnectionResetError:
                    return True
        wait_until(closed, "the refusal", 10)
        assert sluice.say("undrain", "listener", f"127.0.0.1:{sluice.port}").returncode == 0
        wait_until(lambda: not closed(), "it is served again", 10)
        assert " reason=drained" in sluice.errors(), sluice.errors()


def refusal_of(sluice, port, target="/"):
    """Waits until that is refused."""
    def refused():
        client = dial(port)
        client.send(request(target))
        head = client.head()
        client.reset()
        return head if head.status != 101 else None
    return wait_until(refused, "a refusal", 5)


@suite.check
def a_server_is_passed_over():
    with drained() as sluice:
        clients = [session(sluice) for _ in range(8)]
        name = sluice.other.uri.removeprefix("ws://")
        sluice.must("drain", "upstream", "a", "server", sluice.other.uri, "over", "0s")
        for client in clients:  # those of one server go, those of the other stay
            client.send_frame(TEXT, "x")
        stay = 0
        for client in clients:
            opcode, _ = next_frame(client)
            if opcode == TEXT:
                client.sock.settimeout(0.3)
                with contextlib.suppress(TimeoutError):
                    opcode, _ = next_frame(client)
            stay += opcode == TEXT
            client.sock.settimeout(20)
        assert 0 < stay < 8, stay
        for _ in range(6):
            assert sluice.status_of(sluice.port) == 101
        assert all(each["peer"] != name for each in sluice.listed("upstream", "a")[0]
                   if each["age_ms"] < 100), sluice.listed()
        sluice.must("drain", "upstream", "a", "server", sluice.a.uri, "over", "0s")
        answer = refusal_of(sluice, sluice.port)
        assert answer.status == 503, answer.raw
        assert sluice.status_of(sluice.second_port, "/b") == 101
        sluice.must("undrain", "upstream", "a", "server", sluice.other.uri)
        wait_until(lambda: sluice.status_of(sluice.port) == 101, "one serves again", 5)


@suite.check
def it_lasts_over_reloads_and_dead_workers():
    with drained("@drain_timeout 300ms") as sluice:
        sluice.may_be_killed = True
        client = session(sluice, "/b")
        sluice.must("drain", "route", "/b")
        assert closed_after(client, 0)[0] == 1001
        sluice.signal(signal.SIGHUP)
        wait_until(lambda: "in use as generation 2" in sluice.errors(), "the reload")
        assert [sluice.status_of(sluice.port, "/b") for _ in range(8)] == [503] * 8
        assert sluice.status_of(sluice.port) == 101
        for worker in sluice.workers():
            os.kill(worker, signal.SIGKILL)
        wait_until(lambda: sluice.errors().count(" started, pid ") >= 4, "new workers")
        wait_until(lambda: len(sluice.workers()) == 2, "both")
        assert [sluice.status_of(sluice.port, "/b") for _ in range(8)] == [503] * 8
        assert sluice.status_of(sluice.port) == 101
        assert sluice.status()["drained"][0]["sessions_left"] == 0
        sluice.must("undrain", "route", "/b")
        wait_until(lambda: sluice.status_of(sluice.port, "/b") == 101, "it is served again", 5)


@suite.check
def what_a_reload_took_out_is_listed_and_drained_all_the_same():
    with drained("@drain_timeout 300ms") as sluice:
        client, other = session(sluice, "/b"), session(sluice)
        with open(sluice.conf_path, encoding="utf-8") as file:
            text = file.read()
        with open(sluice.conf_path, "w", encoding="utf-8") as file:
            file.write(text.replace(f"upstream b\n  server {sluice.b.uri}\n", "")
                       .replace("route /b\n  proxy_pass b\n", ""))
        sluice.must("reload")
        assert len(sluice.listed("upstream", "b")[0]) == 1
        told, end = sluice.listed("route", "/b")
        assert len(told) == 1 and 'no route "/b"' in end["warnings"][0], end
        assert 'no route "/b"' in sluice.say("drain", "route", "/b").stderr
        sluice.must("drain", "upstream", "b", "server", sluice.b.uri)
        assert closed_after(client, 0)[0] == 1001
        sluice.must("undrain", "upstream", "b", "server", sluice.b.uri)
        other.send_frame(TEXT, "stays")
        other.expect(TEXT, "stays")


@suite.check
def mistakes_are_told():
    with drained() as sluice:
        for words, told in ((("drain", "upstream", "c"), 'no upstream "c"'),
                            (("drain", "upstream", "a", "server", "ws://x"), sluice.other.uri),
                            (("drain", "route", "/x"), "there are /b, /"),
                            (("drain", "listener", "80"), f"127.0.0.1:{sluice.second_port}"),
                            (("drain",), "a word is missing"),
                            (("undrain", "route", "/b"), "route /b is not drained; nothing is"),
                            (("sessions", "upstream", "c"), "there are a, b"),
                            (("sessions", "client", "host:1"), "is no client's address"),
                            (("close", "0-x-1"), 'no session has the id "0-x-1"'),
                            (("close", "0-x-1", "1005"), "may not stand in a Close")):
            done = sluice.say(*words)
            assert done.returncode == 1 and told in done.stderr, (words, done)
        assert sluice.status()["drained"] == []


@suite.check
def sessions_are_listed():
    with drained() as sluice:
        clients = [session(sluice) for _ in range(30)] + [session(sluice, "/b") for _ in range(3)]
        clients[30].send_frame(TEXT, "hello")
        clients[30].expect(TEXT, "hello")
        told, end = sluice.listed()
        assert len(told) == 33 and end == {"ok": True, "sessions": 33, "left_out": 0}, end
        assert len({each["id"] for each in told}) == 33
        told, end = sluice.listed("route", "/b")
        assert len(told) == 3 and {each["route"] for each in told} == {"/b"}, told
        assert sum(each["from_client"]["messages"] for each in told) == 1, told
        assert all(each["from_client"]["queued"] == 0 for each in told), told
        assert len(sluice.listed("upstream", "b")[0]) == 3
        address = "%s:%d" % clients[7].sock.getsockname()
        [one] = sluice.listed("client", address)[0]
        assert one["client"] == address and one["age_ms"] >= one["idle_ms"], one
        assert len(sluice.listed("client", "127.0.0.1", "limit=1000")[0]) == 33
        assert len(sluice.listed("client", address.replace(":", ":0"))[0]) == 1
        told, end = sluice.listed("route", "/bb")
        assert told == [] and "no route \"/bb\", did you mean" in end["warnings"][0], end
        assert [each["id"] for each in sluice.listed("id", one["id"])[0]] == [one["id"]]
        assert len(sluice.listed("listener", f"127.0.0.1:{sluice.second_port}")[0]) == 0
        told, end = sluice.listed("limit=5")
        assert len(told) == 5 and end["left_out"] == 28, end
        done = sluice.must("sessions", "limit=4")
        assert len(done.stdout.splitlines()) == 5 and done.stdout.startswith("ID "), done
        assert "4 sessions, and 29 more that match" in done.stderr, done


@suite.check
def a_list_waits_for_who_reads_it_slowly():
    """One page at a time, however many sessions there are; the others are served meanwhile."""
    with drained(workers=1) as sluice:
        clients = [session(sluice) for _ in range(200)]
        with Line(sluice.socket_path) as line:
            line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            line.send(b"sessions limit=1000\n")
            time.sleep(0.3)
            assert sluice.status()["workers"][0]["sessions"] == 200
            told = []
            while not told or "ok" not in told[-1]:
                told.append(line.answer())
            assert len(told) == 201, len(told)
        with Line(sluice.socket_path) as line:  # who goes in the midst leaves nothing behind
            line.send(b"sessions limit=1000\n")
        assert len(sluice.listed("limit=1000")[0]) == 200
        for client in clients:
            client.reset()


@suite.check
def one_session_is_closed():
    with drained() as sluice:
        clients = [session(sluice) for _ in range(4)]
        address = "%s:%d" % clients[2].sock.getsockname()
        [one] = sluice.listed("client", address)[0]
        sluice.must("close", one["id"], "4001", "you have been here for long enough")
        told = clients[2].expect_close(4001)
        assert told == b"you have been here for long enough", told
        clients[2].send_frame(CLOSE, close_payload(4001))
        clients[2].expect_end()
        clients[2].close()
        line = sluice.access_line("close", id=one["id"])
        assert line["closed_by"] == "proxy" and line["reason"] == "closed by an operator", line
        assert "4001 by command: you have been here for long enough" in sluice.errors()
        for client in clients[:2] + clients[3:]:
            client.send_frame(TEXT, "stays")
            client.expect(TEXT, "stays")
        wait_until(lambda: sluice.say("close", one["id"]).returncode == 1, "it is gone", 5)
        other = sluice.listed()[0][0]["id"]
        for reason, wrong in (("x" * 124, "the reason has 124 bytes; a Close has room for 123"),
                              (b"gr\xfc\xdfe", "the reason is no UTF-8 from its byte 3 on")):
            done = sluice.say("close", other, "4001", reason)
            assert done.returncode == 1 and wrong in done.stderr, done
        assert len(sluice.listed()[0]) == 3


suite.run()
