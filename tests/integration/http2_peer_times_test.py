"""Upstreams that speak HTTP/2 and are late: time limits, and who is asked instead (hedge_after, the
next server, the next connection)."""
import contextlib
import socket
import time

import http2_frames as h2
from harness import Suite, wait_until
from http2_peer import Server, ask, before, close_in_order, get_through, opened, works
from plain_http import plain
from wire import TEXT, dial, refusal, refusing_socket, request

suite = Suite()


# --- time
@suite.check
def a_server_that_falls_silent():
    with Server() as server, before(server, top="@handshake_timeout 500ms") as sluice:
        get_through(sluice, server)
        first = server.connections[0]
        first.mute = True
        client = ask(sluice)
        assert server.next().connection is first
        assert client.head().status == 504
        line = sluice.access_line("refused", status="504")
        assert line["reason"] == "handshake_timeout", line
        client, stream = opened(sluice, server)
        assert stream.connection is not first
        works(client, stream)


@suite.check
def a_slow_answer_makes_no_connection_doubtful_for_longer_than_a_ping():
    with Server() as server, before(server, top="@handshake_timeout 400ms") as sluice:
        client = ask(sluice)
        server.next()
        assert client.head().status == 504
        wait_until(lambda: server.connections[0].count(h2.PING) == 1, "its PING")
        time.sleep(0.1)
        works(*opened(sluice, server))
        assert len(server.connections) == 1


@suite.check
def one_client_that_leaves_unheard_costs_no_other_its_session():
    """h2_connections_per_peer 1: what is in doubt for the time of a PING is not full."""
    with Server() as server, before(server, "  h2_connections_per_peer 1\n") as sluice:
        beside = opened(sluice, server)
        for _ in range(5):
            client = dial(sluice.port)
            client.send(plain("/leaves"))
            server.next()
            client.reset()
            sluice.wait_sessions(1)
            other = ask(sluice)
            stream = server.next()
            stream.answer()
            assert other.head().status == 101
            close_in_order(other, stream)
        works(*beside)


@suite.check
def settings_that_never_come():
    with Server(greets=False) as server, before(server, top="@handshake_timeout 400ms") as sluice:
        begin = time.monotonic()
        clients = [ask(sluice) for _ in range(3)]
        for client in clients:
            assert client.head().status == 504
        assert 0.3 < time.monotonic() - begin < 5
        assert sluice.access_line("refused", status="504")["reason"] == "handshake_timeout"
        server.connections[0].wait_gone()
        sluice.wait_sessions(0)
        server.greets = True
        works(*opened(sluice, server))
    with Server(greets=False) as bad, Server() as good, \
            before([bad, good], top="@handshake_timeout 400ms") as sluice:
        for _ in range(2):
            works(*opened(sluice, good))


@suite.check
def a_refused_connect_is_502_and_the_next_servers_turn():
    with refusing_socket() as nobody, Server() as server:
        dead = f"ws://127.0.0.1:{nobody.getsockname()[1]}"
        with before(dead) as sluice:
            assert refusal(sluice, request())[0].status == 502
            assert sluice.access_line("refused", status="502")["reason"] == \
                "no peer could be reached"
            told = f"peer {dead[5:]}: connect: Connection refused"
            wait_until(lambda: told in sluice.errors(), lambda: f"{told} in {sluice.errors()}", 3)
        with before([dead, server]) as sluice:
            for _ in range(3):
                works(*opened(sluice, server))
            assert len(server.connections) == 1


@contextlib.contextmanager
def nobody_answers():
    """A listener whose queue is full: nothing comes back."""
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        for _ in range(8):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        time.sleep(0.1)
        yield f"ws://127.0.0.1:{port}"


@suite.check
def no_tcp_is_504_and_the_next_servers_turn():
    with nobody_answers() as silent, Server() as server:
        with before(silent, top="@connect_timeout 300ms") as sluice:
            begin = time.monotonic()
            assert refusal(sluice, request())[0].status == 504
            assert 0.2 < time.monotonic() - begin < 5
            assert sluice.access_line("refused", status="504")["reason"] == "connect_timeout"
            assert refusal(sluice, request())[0].status == 504  # who joins it has a time as well
        with before([silent, server], top="@connect_timeout 300ms") as sluice:
            for _ in range(2):
                works(*opened(sluice, server))


# --- who is asked instead
@suite.check
def a_rival_wins_and_loses():
    with nobody_answers() as silent, Server() as good:
        with before([silent, good], route="  hedge_after 200ms\n") as sluice:
            for _ in range(2):  # one of the two begins at the silent one
                begin = time.monotonic()
                works(*opened(sluice, good))
                assert time.monotonic() - begin < 3
            assert len(good.connections) == 1
    with Server(greets=False) as slow, Server(greets=False) as slower:
        with before([slow, slower], route="  hedge_after 200ms\n") as sluice:
            client = ask(sluice)
            wait_until(lambda: slow.connections and slower.connections, "both are asked")
            first, rival = (slow, slower)
            first.connections[0].greet()
            first.next().answer()
            assert client.head().status == 101
            client.send_frame(TEXT, "x")
            time.sleep(0.1)
            rival.connections[0].greet()  # its connection stays for who comes next
            others = [ask(sluice) for _ in range(2)]
            wait_until(lambda: first.requests.qsize() + rival.requests.qsize() == 2, "both")
            for server in (first, rival):
                while server.requests.qsize():
                    server.next().answer()
            assert all(other.head().status == 101 for other in others)
            assert len(first.connections) == 1


@suite.check
def an_authorizer_may_speak_http_2():
    with Server() as judge, Server() as server:
        asks = f"  auth_request http://127.0.0.1:{judge.port}/verify\n"
        with before(server, top="@upstream_http 2", route=asks) as sluice:
            for verdict in (204, 200):
                client = ask(sluice, "/chat")
                asked = judge.next()
                assert asked.path == "/verify" and asked.fields[":method"] == "GET", asked.fields
                assert asked.fields["x-original-uri"] == "/chat", asked.fields
                assert server.requests.empty()
                asked.answer(verdict)
                stream = server.next()
                stream.answer()
                assert client.head().status == 101
                works(client, stream)
            asked_before = server.streams
            client = ask(sluice)
            judge.next().answer(401, [("www-authenticate", "Bearer")])
            head = client.head()
            assert (head.status, head.get("WWW-Authenticate")) == (401, "Bearer"), head.raw
            client = ask(sluice)
            judge.next().abort(h2.REFUSED_STREAM)
            judge.next().answer(403, [("content-length", "2")], b"no")
            assert client.head().status == 403
            assert server.streams == asked_before and len(judge.connections) == 1


suite.run()
