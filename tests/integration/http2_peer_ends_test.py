"""How connections and streams toward upstreams that speak HTTP/2 end, and what sessions on them get
then. Time limits are http2_peer_times_test.py's."""
import contextlib
import signal
import socket
import time

import http2_frames as h2
from harness import Suite, wait_until
from http2_peer import (Server, ask, before, close_in_order, get_through, opened,
                        works)
from plain_http import plain
from wire import (BINARY, CLOSE, TEXT, Reset, Upstream, close_payload, dial, frame, pair, request)

suite = Suite()


def reload(sluice, generation=2):
    sluice.signal(signal.SIGHUP)
    wait_until(lambda: f" is in use as generation {generation}" in sluice.errors(), "the reload")


# --- GOAWAY, refused streams
@suite.check
def goaway_lets_live_streams_go_on_and_new_ones_go_elsewhere():
    with Server() as server, before(server) as sluice:
        pairs = [opened(sluice, server) for _ in range(2)]
        first = server.connections[0]
        first.say_goaway(pairs[-1][1].number)
        pairs.append(opened(sluice, server))
        assert pairs[-1][1].connection is not first and len(server.connections) == 2
        for each in pairs:
            works(*each)
        for each in pairs[:2]:
            close_in_order(*each)
        first.wait_gone()
        works(*pairs[2])
        lines = [line for line in sluice.access() if line["event"] == "close"]
        assert [line["reason"] for line in lines] == ["close"] * 2, lines


@suite.check
def a_graceful_shutdown_in_two_steps():
    """RFC 9113 6.8: first 2^31 - 1, then the last that was taken."""
    with Server() as server, before(server) as sluice:
        live = opened(sluice, server)
        first = server.connections[0]
        first.say_goaway(2**31 - 1)
        other = opened(sluice, server)
        assert len(server.connections) == 2
        first.say_goaway(live[1].number)
        works(*live)
        works(*other)


@suite.check_each("websocket", "plain")
def streams_above_the_last_of_goaway_are_asked_again(kind):
    with Server() as server, before(server, "  next_peer_on off\n") as sluice:
        live = opened(sluice, server)
        first = server.connections[0]
        client = dial(sluice.port)
        client.send(request("/again") if kind == "websocket" else plain("/again"))
        late = server.next()
        assert late.connection is first
        first.say_goaway(live[1].number)
        again = server.next()
        assert again.connection is not first and again.path == "/again"
        if kind == "websocket":
            again.answer()
            assert client.head().status == 101
            works(client, again)
        else:
            again.answer(200, [("content-length", "1")], b"x")
            assert client.head().status == 200 and client.take(1) == b"x"
        works(*live)
        assert "peer 127.0.0.1" not in sluice.errors(), sluice.errors()


@suite.check_each("websocket", "plain")
def a_refused_stream_is_asked_again_once(kind):
    with Server() as server, before(server, "  next_peer_on off\n") as sluice:
        live = opened(sluice, server)
        for answers in (True, False):
            client = dial(sluice.port)
            client.send(request("/again") if kind == "websocket" else plain("/again"))
            server.next().abort(h2.REFUSED_STREAM)
            again = server.next()
            assert again.path == "/again"
            if not answers:
                again.abort(h2.REFUSED_STREAM)
                assert client.head().status == 502
                told = "the upstream refused the HTTP/2 stream"
                wait_until(lambda: told in sluice.errors(), told)
                continue
            again.answer(*(() if kind == "websocket" else (200, [("content-length", "0")])))
            assert client.head().status == (101 if kind == "websocket" else 200)
        works(*live)
        assert server.streams == 5


@suite.check
def a_body_that_is_on_its_way_is_never_sent_from_its_middle():
    """A refused POST is not told again without what went out already: 502, or all of it."""
    body = bytes(range(256)) * 400
    for cause in ("refused", "goaway"):
        with Server() as server, before(server, "  next_peer_on off\n") as sluice:
            live = opened(sluice, server)
            client = dial(sluice.port)
            client.send(plain("/", "POST", [("Content-Length", len(body))], body[:50_000]))
            stream = server.next()
            stream.wait_bytes(50_000)
            if cause == "refused":
                stream.abort(h2.REFUSED_STREAM)
            else:
                stream.connection.say_goaway(live[1].number)
            time.sleep(0.2)
            with contextlib.suppress(OSError):
                client.send(body[50_000:])
            if server.requests.qsize():
                got = server.next().body()
                assert got == body, f"{cause}: {len(got)} bytes, of {len(body)}"
            else:
                assert client.head().status == 502, cause
            works(*live)


# --- losses
def outcome(client):
    """What a client finds: frames, and how its connection ends."""
    told = []
    try:
        while True:
            told.append(client.frame())
    except EOFError:
        return told, "end", bytes(client.buffer)
    except Reset:
        return told, "reset", b""


@suite.check_each("between frames", "inside a frame", "behind a Close")
def a_reset_is_the_loss_that_it_is_over_http_1(where):
    def act(end, client):
        if where == "between frames":
            end.send(frame(TEXT, b"whole"))
            client.expect(TEXT, b"whole")
        elif where == "inside a frame":
            end.send(frame(BINARY, b"x" * 10_000)[:5_000])
            client.take(5_000)
        else:
            end.send(frame(CLOSE, close_payload(1000)))
            client.expect_close(1000)
    with Server() as server, before(server) as sluice:
        beside = opened(sluice, server)
        client, stream = opened(sluice, server)
        act(stream, client)
        stream.abort()
        over_2 = outcome(client)
        client.close()
        line_2 = sluice.access_line("close")
        works(*beside)
    with Upstream() as upstream, before(upstream, http="1") as sluice:
        client, wire = pair(sluice, upstream)
        act(wire, client)
        wire.reset()
        over_1 = outcome(client)
        client.close()
        line_1 = sluice.access_line("close")
    if where != "inside a frame":
        over_2, over_1 = (each[0:2] for each in (over_2, over_1))
    assert over_2 == over_1, (over_2, over_1)
    for field in ("closed_by", "fault", "code", "sent_client", "sent_upstream"):
        assert line_2.get(field) == line_1.get(field), (field, line_2, line_1)
    assert line_2["closed_by"] == "upstream", line_2
    if where == "between frames":
        assert line_2["reason"] == "the upstream reset its HTTP/2 stream", line_2


@suite.check_each("end", "reset", "goaway")
def a_lost_connection_loses_its_sessions_and_each_is_logged(how):
    with Server() as server, before(server, "  h2_streams_per_connection 5\n") as sluice:
        pairs = [opened(sluice, server, f"/{i}") for i in range(5)]
        spared = opened(sluice, server, "/spared")
        asking = [stream.connection for _, stream in pairs]
        assert len(set(asking)) == 1 and spared[1].connection is not asking[0]
        lost = asking[0]
        if how == "end":
            lost.cut()
        elif how == "reset":
            lost.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            lost.sock.shutdown(socket.SHUT_RD)
            lost.sock.close()
        else:  # RFC 9113 5.4.1: an error ends all
            lost.say_goaway(0, h2.INTERNAL_ERROR)
            lost.cut()
        for client, _ in pairs:
            client.expect_end()
            client.close()
        wait_until(lambda: sum(line["event"] == "close" for line in sluice.access()) == 5, "lines")
        lines = [line for line in sluice.access() if line["event"] == "close"]
        assert {line["closed_by"] for line in lines} == {"upstream"}, lines
        assert how == "goaway" or {line["reason"] for line in lines} == {
            "the upstream's HTTP/2 connection was lost"}, lines
        works(*spared)
        works(*opened(sluice, server))
        sluice.wait_sessions(2)


@suite.check
def who_waits_for_an_answer_on_a_lost_connection_is_told_or_asked_for_elsewhere():
    with Server() as one, Server() as two, before([one, two]) as sluice:
        clients = [ask(sluice) for _ in range(4)]
        wait_until(lambda: one.streams + two.streams == 4, "four requests")
        one.connections[0].cut()
        wait_until(lambda: two.streams == 4, "all at the other one")
        for _ in clients:
            two.next().answer()
        assert all(client.head().status == 101 for client in clients)
    with Server() as server, before(server) as sluice:
        client = ask(sluice)
        server.next().connection.cut()
        assert client.head().status == 502
        told = "the upstream's HTTP/2 connection was lost"
        assert sluice.access_line("refused", status="502")["reason"] == told


@suite.check
def an_answer_that_breaks_off_is_seen_to():
    with Server() as server, before(server) as sluice:
        for length in ([("content-length", "1000")], []):
            client = dial(sluice.port)
            client.send(plain())
            stream = server.next()
            stream.answer(200, length, b"some", end=False)
            assert client.head().status == 200
            stream.abort(h2.INTERNAL_ERROR)
            with contextlib.suppress(Reset):
                rest = client.rest()
                assert b"some" in rest and not rest.endswith(b"0\r\n\r\n"), rest
            wait_until(lambda: "the body of its answer broke off" in sluice.errors(), "the log")
        assert len(server.connections) == 1
        get_through(sluice, server)


@suite.check_each("asking", "relaying", "uploading", "downloading")
def a_clients_loss_resets_its_stream_alone(when):
    with Server() as server, before(server) as sluice:
        beside = opened(sluice, server)
        if when == "relaying":
            client, stream = opened(sluice, server)
            client.send(frame(BINARY, b"x" * 1000, True)[:500])
            stream.until(lambda: stream.data)
        else:
            client = dial(sluice.port)
            body = [("Content-Length", 1000)] if when == "uploading" else []
            client.send(plain("/", "POST" if body else "GET", body, b"x" * 10 if body else b""))
            stream = server.next()
            if when == "uploading":
                stream.wait_bytes(10)
            if when == "downloading":
                stream.answer(200, body=b"x" * 1000, end=False)
                client.head()
        client.reset()
        stream.wait_reset(h2.CANCEL)
        works(*beside)
        works(*opened(sluice, server))
        assert len(server.connections) == 1
        sluice.wait_sessions(2)


@suite.check_each(65_535, 0)
def a_client_that_leaves_before_its_websocket_is_answered_leaves_no_stream(window):
    """Also where the server has opened no window: an empty DATA cannot go out there."""
    settings = ((h2.ENABLE_CONNECT_PROTOCOL, 1), (h2.MAX_CONCURRENT_STREAMS, 1),
                (h2.INITIAL_WINDOW_SIZE, window))
    with Server(settings=settings) as server, before(server) as sluice:
        client = ask(sluice)
        stream = server.next()
        client.reset()
        stream.wait_reset(h2.CANCEL)
        client, stream = opened(sluice, server)
        stream.connection.update(stream.number, 1000)
        works(client, stream)
        assert len(server.connections) == 1


@suite.check
def who_gives_up_beyond_the_servers_streams_is_forgotten():
    """A stream of the codec's that its session has left must not make room for another one that the
    server does not take."""
    settings = ((h2.ENABLE_CONNECT_PROTOCOL, 1), (h2.INITIAL_WINDOW_SIZE, 0),
                (h2.MAX_CONCURRENT_STREAMS, 1))
    with Server(settings=settings) as server, before(server, top="@handshake_timeout 500ms") as sluice:
        client = ask(sluice)
        first = server.next()
        client.reset()
        sluice.wait_sessions(0)
        late = ask(sluice)
        try:
            server.next(1).answer()
            assert late.head().status == 101
        except AssertionError:
            assert late.head().status == 504
        first.connection.update(first.number, 1000)
        first.connection.settings([(h2.INITIAL_WINDOW_SIZE, 1000)])
        while True:
            try:
                stream = server.next(0.5)
            except AssertionError:
                break
            stream.answer()
            stream.send_frame(TEXT, "for nobody")
        late.reset()
        client, stream = opened(sluice, server)  # it may be on a connection of its own
        stream.connection.settings([(h2.INITIAL_WINDOW_SIZE, 1000)])
        works(client, stream)


# --- connections end
@suite.check
def an_idle_connection_ends_with_goaway():
    with Server() as server, before(server, top="@upstream_keepalive_timeout 400ms") as sluice:
        client, stream = opened(sluice, server)
        time.sleep(0.6)
        works(client, stream)  # it is not idle
        close_in_order(client, stream)
        begin = time.monotonic()
        server.connections[0].wait_gone(h2.NO_ERROR)
        assert 0.25 < time.monotonic() - begin < 5
        works(*opened(sluice, server))
        assert len(server.connections) == 2
        get_through(sluice, server)
        assert len(server.connections) == 2


@suite.check
def a_reload_lets_live_streams_go_on():
    with Server() as server, before(server) as sluice:
        live = opened(sluice, server)
        get_through(sluice, server)
        reload(sluice)
        works(*live)
        later = opened(sluice, server)
        assert len(server.connections) == 2 and later[1].connection is server.connections[1]
        works(*live)
        close_in_order(*live)
        server.connections[0].wait_gone(h2.NO_ERROR)
        works(*later)
        close_in_order(*later)
        reload(sluice, 3)
        server.connections[1].wait_gone(h2.NO_ERROR)  # it was idle


@suite.check_each(signal.SIGHUP, signal.SIGQUIT)
def who_waits_for_a_connection_while_the_conf_changes_or_the_worker_leaves_is_served(number):
    with Server(greets=False) as server, before(server, top="@drain_timeout 1s") as sluice:
        client = ask(sluice)
        connection = server.wait_connections(1)
        server.greets = True  # what comes instead
        if number == signal.SIGHUP:
            reload(sluice)
        else:
            sluice.signal(number)
            wait_until(lambda: "QUIT" in sluice.errors() or "leav" in sluice.errors(), "its start")
        time.sleep(0.1)
        connection.greet()
        stream = server.next(3)
        stream.answer()
        assert client.head().status == 101
        client.send_frame(CLOSE, close_payload(1000))
        stream.expect_close(1000)
        stream.send(frame(CLOSE, close_payload(1000)), end=True)
        client.expect_close(1000)
        client.close()


@suite.check
def a_server_that_greets_with_goaway():
    """One that is about to end: another connection is made, or it is told what was wrong."""
    with Server(greets=False) as server, before(server, top="@handshake_timeout 2s") as sluice:
        client = ask(sluice)
        first = server.wait_connections(1)
        server.greets = True
        with first.sending:
            first.mute = False
            first.send(first.pack(h2.SETTINGS, 0, 0, b"\0\x08\0\0\0\1") +
                       first.pack(h2.GOAWAY, 0, 0, b"\0" * 8))
        wait_until(lambda: server.requests.qsize() or sluice.access(), "what comes of it")
        if server.requests.qsize():
            server.next().answer()
            assert client.head().status == 101
            return
        assert client.head().status == 502
        line = sluice.access_line("refused", status="502")
        assert "HTTP/2" in line["reason"], line


@suite.check
def quit_drains_and_ends_the_connection():
    with Server() as server, before(server, top="@drain_timeout 500ms") as sluice:
        pairs = [opened(sluice, server) for _ in range(3)]
        get_through(sluice, server)
        sluice.signal(signal.SIGQUIT)
        for client, stream in pairs:  # the client is told first
            first, payload = client.frame()
            assert first == 0x80 | CLOSE and payload[:2] in (close_payload(1001), close_payload(1012))
            client.send_frame(CLOSE, payload[:2])
            opcode, answered = stream.frame()
            assert (opcode, answered[:2]) == (CLOSE, payload[:2])
            stream.send(frame(CLOSE, answered[:2]), end=True)
            client.expect_end()
            client.close()
        server.connections[0].wait_gone(h2.NO_ERROR)
        assert sluice.wait() == 0


@suite.check
def quit_ends_an_idle_connection_at_once():
    with Server() as server, before(server) as sluice:
        get_through(sluice, server)
        sluice.signal(signal.SIGQUIT)
        server.connections[0].wait_gone(h2.NO_ERROR)
        assert sluice.wait() == 0


suite.run()
