"""The handshake tables of protocol/BAD_INPUT.md through the real binary, client's side and
upstream's side. A refused request must reach no upstream."""
import select
import socket
import threading
import time

from harness import Sluice, Suite, wait_until
from wire import (BINARY, KEY, Upstream, answer_101, answered, dial, frame, pair, refusal,
                  refusing_socket, request)

suite = Suite()

GOOD = request().decode("latin-1")


def raw(text):
    return text.encode("latin-1")


def with_field(field):
    return raw(GOOD[:-2] + field + "\r\n\r\n")


CLIENT_TABLE = {
    "bare LF": (raw(GOOD.replace("\r\n", "\n")), 400),
    "bare CR": (with_field("X: a\rb"), 400),
    "obs-fold": (with_field("X: a\r\n b"), 400),
    "blank before the colon": (with_field("X : a"), 400),
    "empty field name": (with_field(": a"), 400),
    "field name that is no token": (with_field("X(): a"), 400),
    "NUL": (with_field("X: a\0b"), 400),
    "control byte": (with_field("X: a\x01b"), 400),
    "Host missing": (request(drop=("Host",)), 400),
    "Host twice": (with_field("Host: b"), 400),
    "Host that is none": (request(host="a b"), 400),
    "Host without a word": (request(host=""), 400),
    "Host with userinfo": (request(host="u@a"), 400),
    "Host with a port that is none": (request(host="a:99999"), 400),
    "Content-Length above 0": (with_field("Content-Length: 4") + b"body", 400),
    "Transfer-Encoding": (with_field("Transfer-Encoding: chunked") + b"0\r\n\r\n", 400),
    "Content-Length doubled": (with_field("Content-Length: 0\r\nContent-Length: 0"), 400),
    "Content-Length differing": (with_field("Content-Length: 0\r\nContent-Length: 1"), 400),
    "Transfer-Encoding in 1.0": (raw("GET / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked"
                                     "\r\n\r\n"), 400),
    "HTTP/0.9": (b"GET /\r\n\r\n", 505),
    "HTTP/2.0 as text": (request(line="GET / HTTP/2.0"), 505),
    "upgrade in HTTP/1.0": (request(line="GET / HTTP/1.0"), 400),
    "POST with upgrade": (request(line="POST / HTTP/1.1"), 405),
    "no upgrade": (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 426),
    "another upgrade": (raw(GOOD.replace("websocket", "h2c")), 426),
    "version 8": (raw(GOOD.replace("Version: 13", "Version: 8")), 426),
    "version missing": (request(drop=("Sec-WebSocket-Version",)), 426),
    "key missing": (request(drop=("Sec-WebSocket-Key",)), 400),
    "key twice": (with_field("Sec-WebSocket-Key: " + KEY), 400),
    "key that is no base64 of 16 bytes": (request(key="c2hvcnQ="), 400),
    "Connection without upgrade": (raw(GOOD.replace("Connection: Upgrade", "Connection: close")),
                                   400),
    "fragment in the target": (request("/a#b"), 400),
    "userinfo": (request("http://u:p@a/"), 400),
    "two blanks": (request(line="GET  / HTTP/1.1"), 400),
    "method that is no token": (request(line="G(T / HTTP/1.1"), 400),
    "target that is no URI": (request("/a<b"), 400),
    "dot segments": (request("/a/../b"), 400),
    "escaped dot segments": (request("/a/%2E%2e/b"), 400),
    "dot segment between escaped slashes": (request("/a%2f..%2fb"), 400),
    "dot segment between backslashes": (request("/a\\..\\b"), 400),
    "dot segment with a path parameter": (request("/a/..;/b"), 400),
    "escaped NUL": (request("/a%00"), 400),
    "long request line": (request("/" + "a" * 17000), 414),
    "large head": (with_field("X: " + "a" * 17000), 431),
    "many fields": (with_field("\r\n".join(["X: a"] * 101)), 431),
    "unknown method": (request(line="BREW / HTTP/1.1"), 501),
    "TLS": (b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03", 400),
}


@suite.check
def client_table():
    with Upstream() as upstream, Sluice(f"route /\n  proxy_pass {upstream.uri}") as sluice:
        for what, (data, status) in CLIENT_TABLE.items():
            head, body = refusal(sluice, data)
            assert head.status == status, f"{what}: {head.line}"
            assert "close" in head.get("Connection"), what
            assert len(body) == int(head.get("Content-Length")), what
            if status == 426:
                assert head.get("Upgrade") == "websocket" and "Upgrade" in head.get("Connection")
                assert head.get("Sec-WebSocket-Version") == "13"
            if status == 405:
                assert head.get("Allow") == "GET"
        readable, _, _ = select.select([upstream.listener], [], [], 0.1)
        assert not readable, "a refused request reached the upstream"
        wait_until(lambda: len(sluice.access()) == len(CLIENT_TABLE),
                   "a refused handshake has an access line as well")
        for line in sluice.access():
            assert line["event"] == "refused" and line["status"] and line["reason"], line


@suite.check
def refused_while_the_client_still_sends():
    """The answer arrives whole although the client goes on sending: no RST overtakes it."""
    with Upstream() as upstream, Sluice(f"route /\n  proxy_pass {upstream.uri}") as sluice:
        client = dial(sluice.port)
        client.send(b"\x01" * 1000)
        time.sleep(0.05)
        client.send(b"x" * 500_000)
        assert client.head().status == 400
        client.rest()


@suite.check
def head_gets_no_body():
    with Sluice("route /\n  proxy_pass ws://127.0.0.1:1") as sluice:
        head, body = refusal(sluice, b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert head.status == 426 and int(head.get("Content-Length")) > 0 and body == b""


@suite.check
def no_route():
    with Upstream() as upstream, Sluice(f"route /a\n  proxy_pass {upstream.uri}") as sluice:
        for target in ("/", "/ab", "/A"):
            assert refusal(sluice, request(target))[0].status == 404


@suite.check
def absolute_target_is_routed_on_its_authority():
    with Upstream() as upstream, Sluice(
            f"route /\n  match_host b.example\n  proxy_pass {upstream.uri}") as sluice:
        client = dial(sluice.port)
        client.send(request("http://b.example/x?y", host="a.example"))
        server = upstream.upgrade()
        assert server.request.target == "/x?y"
        assert server.request.get("Host") == "b.example"
        assert client.head().status == 101


@suite.check
def client_header_timeout():
    conf = "@client_header_timeout 300ms\nroute /\n  proxy_pass ws://127.0.0.1:1"
    with Sluice(conf) as sluice:
        silent = dial(sluice.port)
        assert silent.rest() == b"", "a connection that never sent a byte is closed silently"
        assert not sluice.access()
        drip = dial(sluice.port)
        begin = time.monotonic()
        drip.sock.settimeout(0.05)
        answer = b""
        for byte in request():
            try:
                drip.send(bytes([byte]))
                answer = drip.sock.recv(4096)
                break
            except socket.timeout:
                continue
        assert answer.startswith(b"HTTP/1.1 408 "), answer
        assert time.monotonic() - begin < 5, "the deadline is absolute, not per byte"


@suite.check
def early_frames():
    """What comes behind the request is held and sent after the 101; dropped on a refusal."""
    with Upstream() as upstream, Sluice(f"route /\n  proxy_pass {upstream.uri}") as sluice:
        client = dial(sluice.port)
        early = frame(BINARY, b"early", True) + frame(BINARY, b"b" * 100_000, True)
        client.send(request() + early)
        server = upstream.accept()
        server.request = server.head()
        assert not server.buffer, "frames before the 101"
        readable, _, _ = select.select([server.sock], [], [], 0.1)
        assert not readable, "frames before the 101"
        server.send(answer_101(KEY) + frame(BINARY, b"right behind"))
        assert client.head().status == 101
        client.expect(BINARY, b"right behind")
        server.expect(BINARY, b"early")
        server.expect(BINARY, b"b" * 100_000)


@suite.check
def early_bytes_are_bounded_and_none_is_lost():
    """A client that sends megabytes before its 101 is held back by TCP and costs no ring."""
    with Upstream() as upstream, Sluice(f"route /\n  proxy_pass {upstream.uri}") as sluice:
        client = dial(sluice.port)
        early = b"".join(frame(BINARY, bytes([i]) * 200_000, True) for i in range(40))
        sender = threading.Thread(target=client.send, args=(request() + early,), daemon=True)
        sender.start()
        server = upstream.accept()
        server.head()
        time.sleep(0.3)
        assert sluice.report()["bytes_lent"] <= 256 * 1024, sluice.report()
        assert not server.buffer and not select.select([server.sock], [], [], 0)[0]
        assert sender.is_alive(), "8 MB went into something"
        server.send(answer_101(KEY))
        assert client.head().status == 101
        for i in range(40):
            server.expect(BINARY, bytes([i]) * 200_000)
        sender.join()


@suite.check
def early_frames_are_dropped_on_a_refusal():
    with Upstream() as upstream, Sluice(f"route /\n  proxy_pass {upstream.uri}") as sluice:
        client = dial(sluice.port)
        client.send(request() + frame(BINARY, b"early" * 1000, True))
        server = upstream.accept()
        server.head()
        server.send(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno")
        assert client.head().status == 403
        client.send_frame(BINARY, b"late")
        assert client.rest() == b"no"
        client.close()
        assert server.rest() == b"", "frames reached an upstream that had refused"


def bad_101(change=("", ""), extra=""):
    text = answer_101(KEY).decode("latin-1")
    assert change[0] in text
    return raw(text.replace(*change)[:-2] + extra + "\r\n")


UPSTREAM_TABLE = {
    "wrong Accept": bad_101(("s3p", "S3p")),
    "no Accept": bad_101(("Sec-WebSocket-Accept", "X-Accept")),
    "second Accept": bad_101(extra="Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
    "no Upgrade": bad_101(("Upgrade: websocket", "X: y")),
    "wrong Upgrade": bad_101(("websocket", "h2c")),
    "no Connection": bad_101(("Connection: Upgrade", "Connection: close")),
    "subprotocol not offered": bad_101(extra="Sec-WebSocket-Protocol: mqtt\r\n"),
    "second subprotocol": bad_101(extra="Sec-WebSocket-Protocol: chat\r\n" * 2),
    "second Upgrade": bad_101(extra="Upgrade: websocket\r\n"),
    "deflate named twice": bad_101(extra="Sec-WebSocket-Extensions: permessage-deflate, "
                                         "permessage-deflate\r\n"),
    "extension not offered": bad_101(extra="Sec-WebSocket-Extensions: permessage-deflate\r\n"),
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "frames at once": frame(BINARY, b"hello"),
    "malformed field": b"HTTP/1.1 200 OK\r\nbad field\r\n\r\n",
    "bare LF": b"HTTP/1.1 200 OK\nX: y\n\n",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\n\r\n",
    "large head": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 33000 + b"\r\n\r\n",
    "many fields": b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 6000 + b"\r\n",
    "nothing": b"",
    "half a head": b"HTTP/1.1 101 Swi",
    "too many interim answers": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1300,
}


@suite.check
def upstream_table():
    with Upstream() as upstream, Sluice(f"route /\n  proxy_pass {upstream.uri}") as sluice:
        for what, answer in UPSTREAM_TABLE.items():
            head, _ = answered(upstream, sluice, answer)
            assert head.status == 502, f"{what}: {head.line}"
        warning = f" warn upstream {upstream.uri}: peer 127.0.0.1:{upstream.port}: "
        wait_until(lambda: sluice.errors().count(warning) == len(UPSTREAM_TABLE),
                   "each is logged with its reason")


@suite.check
def interim_answers_are_skipped():
    with Upstream() as upstream, Sluice(f"route /\n  proxy_pass {upstream.uri}") as sluice:
        client = dial(sluice.port)
        client.send(request())
        server = upstream.accept()
        server.head()
        server.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
        server.send(b"HTTP/1.1 102 Processing\r\n\r\n" * 6 + answer_101(KEY))
        assert client.head().status == 101


@suite.check
def interim_answers_do_not_extend_the_deadline():
    with Upstream() as upstream, Sluice(
            f"@handshake_timeout 1s\nroute /\n  proxy_pass {upstream.uri}") as sluice:
        def hint(wire):
            wire.head()
            try:
                for _ in range(60):
                    wire.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
                    time.sleep(0.3)
                wire.rest()
            except OSError:
                pass  # it has given up, as it should
        upstream.serve(hint)
        begin = time.monotonic()
        assert refusal(sluice, request())[0].status == 504
        assert 0.9 < time.monotonic() - begin < 9


@suite.check
def refusals_are_relayed():
    body = b"no way through here. " * 20_000
    chunk = f"{len(body):x}\r\n".encode() + body + b"\r\n"
    with Upstream() as upstream, Sluice(f"route /\n  proxy_pass {upstream.uri}") as sluice:
        head, got = answered(upstream, sluice, b"HTTP/1.1 401 Who Are You\r\nWWW-Authenticate: "
                             b"Basic\r\nKeep-Alive: 5\r\nContent-Length: 4\r\n\r\nwho?trailing")
        assert head.line == "HTTP/1.1 401 Who Are You" and got == b"who?"
        assert head.get("WWW-Authenticate") == "Basic" and head.get("Keep-Alive") is None
        assert head.get("Connection") == "close"
        head, got = answered(upstream, sluice, b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked"
                             b"\r\n\r\n" + chunk + b"0\r\n\r\n")
        assert head.get("Transfer-Encoding") == "chunked"
        assert got == chunk + b"0\r\n\r\n", "it travels as it came"
        for version in (b"1.1", b"1.0"):
            head, got = answered(upstream, sluice, b"HTTP/" + version + b" 403 No\r\n\r\n" + body)
            assert head.get("Transfer-Encoding") is None and head.get("Content-Length") is None
            assert got == body
        for answer in (b"HTTP/1.1 204 Nothing\r\n\r\n", b"HTTP/1.1 304 Same\r\n\r\n",
                       b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"):
            head, got = answered(upstream, sluice, answer, end=False)
            assert got == b"" and head.line == answer.split(b"\r\n")[0].decode()
        head, got = answered(upstream, sluice, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        assert (head.status, got) == (200, b"ok"), "a 200 is no tunnel"


@suite.check
def refusals_that_break_off_stay_incomplete():
    with Upstream() as upstream, Sluice(f"route /\n  proxy_pass {upstream.uri}") as sluice:
        head, got = answered(upstream, sluice, b"HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\nhalf")
        assert head.get("Content-Length") == "9" and got == b"half"
        head, got = answered(upstream, sluice, b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked"
                             b"\r\n\r\n5\r\nwhole\r\n5\r\nha")
        assert b"whole" in got and not got.endswith(b"0\r\n\r\n"), got


@suite.check
def refusal_that_is_reset_stays_incomplete():
    with Upstream() as upstream, Sluice(f"route /\n  proxy_pass {upstream.uri}") as sluice:
        def handle(wire):
            wire.head()
            wire.send(b"HTTP/1.1 403 No\r\n\r\nhalf of it")
            time.sleep(0.1)
            wire.reset()
        upstream.serve(handle)
        client = dial(sluice.port)
        client.send(request())
        assert client.head().status == 403
        client.take(len(b"half of it"))
        client.expect_reset()  # nothing else would show that more was to come


@suite.check
def a_refusal_coded_otherwise_is_malformed():
    with Upstream() as upstream, Sluice(f"route /\n  proxy_pass {upstream.uri}") as sluice:
        for coding in (b"gzip, chunked", b"chunked, chunked", b"identity", b"xchunked"):
            head, _ = answered(upstream, sluice, b"HTTP/1.1 403 No\r\nTransfer-Encoding: " + coding
                               + b"\r\n\r\n0\r\n\r\n")
            assert head.status == 502, coding


@suite.check
def abandoned_handshake_has_an_access_line():
    with Upstream() as upstream, Sluice(f"route /\n  proxy_pass {upstream.uri}") as sluice:
        client = dial(sluice.port)
        client.send(request("/left"))
        server = upstream.accept()
        server.head()
        client.reset()
        line = sluice.access_line("refused", target="/left")
        assert "status" not in line and "client left" in line["reason"], line


@suite.check
def upstream_that_cannot_be_reached():
    with refusing_socket() as nobody, Sluice(
            f"route /\n  proxy_pass ws://127.0.0.1:{nobody.getsockname()[1]}") as sluice:
        begin = time.monotonic()
        assert refusal(sluice, request())[0].status == 502
        assert time.monotonic() - begin < 2
        wait_until(lambda: "Connection refused" in sluice.errors(), "the reason is logged")


@suite.check
def handshake_timeout():
    with Upstream() as upstream, Sluice(
            f"@handshake_timeout 300ms\nroute /\n  proxy_pass {upstream.uri}") as sluice:
        stop = threading.Event()

        def drip(wire):
            wire.head()
            for byte in answer_101(KEY):
                if stop.is_set():
                    return
                try:
                    wire.send(bytes([byte]))
                except OSError:
                    return
                time.sleep(0.02)
        for handle in (lambda wire: stop.wait(10), drip):
            stop.clear()
            upstream.serve(handle)
            begin = time.monotonic()
            assert refusal(sluice, request())[0].status == 504
            assert time.monotonic() - begin < 5
            stop.set()
        assert sluice.access_line("refused", status="504")


@suite.check
def client_that_leaves_during_the_handshake():
    with Upstream() as upstream, Sluice(f"route /\n  proxy_pass {upstream.uri}") as sluice:
        client = dial(sluice.port)
        client.send(request())
        server = upstream.accept()
        server.head()
        client.reset()
        server.rest()
        sluice.wait_sessions(0)
        assert sluice.report()["timers"] == 0


@suite.check
def half_closed_client_still_gets_its_session():
    with Upstream() as upstream, Sluice(f"route /\n  proxy_pass {upstream.uri}") as sluice:
        client = dial(sluice.port)
        client.send(request() + frame(BINARY, b"last words", True))
        client.finish()
        server = upstream.upgrade()
        assert client.head().status == 101
        server.expect(BINARY, b"last words")
        server.expect_end()


@suite.check
def many_sessions_leave_nothing_behind():
    with Upstream() as upstream, Sluice(f"route /\n  proxy_pass {upstream.uri}") as sluice:
        for _ in range(50):
            client, server = pair(sluice, upstream)
            client.close()
            server.expect_end()
            server.close()
        sluice.wait_sessions(0)
        report = sluice.report()
        assert report["rings_lent"] == report["blocks_lent"] == report["timers"] == 0, report


suite.run()
