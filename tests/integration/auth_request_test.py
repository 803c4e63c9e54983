"""auth_request against scripted authorizers: who is let in, what is told to the others, what the
authorizer is asked with, that nothing reaches the upstream before it agreed, and auth_cache."""
import contextlib
import signal
import socket
import time

from admin import Metrics, ask as ask_admin
from harness import Sluice, Suite, free_port, wait_until
from plain_http import answer, plain
from tls import authority, server_wrap
from wire import TEXT, Upstream, dial, refusing_socket, request

suite = Suite()

HOUR = "1h"
REMEDY = "it must answer 2xx to let a client in, 401 or 403 to refuse it"


def guarded(upstream, authorizer, route="", top="", **options):
    uri = authorizer if isinstance(authorizer, str) else authorizer.uri.replace("ws", "http", 1)
    return Sluice(f"{top}\nroute /\n  proxy_pass {upstream.uri}\n  http on\n"
                  f"  auth_request {uri}/verify\n  {route}", **options)


@contextlib.contextmanager
def ground(route="", top="", **options):
    with Upstream() as upstream, Upstream() as authorizer:
        with guarded(upstream, authorizer, route, top, **options) as sluice:
            yield sluice, upstream, authorizer


def nobody_comes(listening, seconds=0.2):
    listening.listener.settimeout(seconds)
    try:
        listening.listener.accept()
        return False
    except socket.timeout:
        return True
    finally:
        listening.listener.settimeout(20)


def asked(authorizer, client, data):
    """Sends it and returns the authorizer's end of the question, and its head."""
    client.send(data)
    wire = authorizer.accept()
    return wire, wire.head()


def told(client):
    """The rest of what the client gets: head and body, to the connection's end."""
    head = client.head()
    head.body = client.rest()
    return head


@suite.check_each("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                  "HTTP/1.1 204 No Content\r\n\r\n",
                  "HTTP/1.1 299 Odd\r\nContent-Length: 0\r\n\r\n",
                  "HTTP/1.0 200 OK\r\n\r\nto the end",
                  "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n"
                  "Content-Length: 0\r\n\r\n",
                  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
                  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\nunfinished")
def admitted(said):
    with ground() as (sluice, upstream, authorizer):
        client = dial(sluice.port)
        wire, _ = asked(authorizer, client, request("/chat"))
        assert nobody_comes(upstream)
        wire.send(said.encode())
        server = upstream.upgrade()
        assert client.head().status == 101
        client.send_frame(TEXT, "hello")
        server.expect(TEXT, "hello")
        client.close()
        server.close()


@suite.check
def what_the_authorizer_is_asked():
    with ground() as (sluice, upstream, authorizer):
        client = dial(sluice.port)
        fields = [("Authorization", "Bearer x"), ("Cookie", "a=b"), ("Cookie", "c=d"),
                  ("Content-Length", 3), ("X-Original-URI", "/lie"), ("X-Forwarded-For", "6.6.6.6"),
                  ("If-None-Match", '"x"'), ("Range", "bytes=0-1"), ("X-Request-Id", "r"),
                  ("Traceparent", "t"), ("Connection", "X-Hop"), ("X-Hop", "1"), ("Expect", "")]
        wire, head = asked(authorizer, client, plain("/a?b=c", "POST", fields, b"xyz"))
        assert head.line == "GET /verify HTTP/1.1", head.line
        sent = sorted((name.lower(), value) for name, value in head.fields)
        assert sent == sorted([
            ("host", f"127.0.0.1:{authorizer.port}"), ("authorization", "Bearer x"),
            ("cookie", "a=b"), ("cookie", "c=d"), ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-proto", "http"), ("x-forwarded-host", "test.example"),
            ("x-original-method", "POST"), ("x-original-uri", "/a?b=c")]), sent
        wire.send(answer(b""))
        server = upstream.accept()
        head = server.head()
        assert (head.line, server.take(3)) == ("POST /a?b=c HTTP/1.1", b"xyz")
        assert head.get("If-None-Match") == '"x"' and head.get("X-Request-Id") == "r"
        assert head.get("X-Original-Method") is None
        server.send(answer(b"done"))
        assert client.head().status == 200 and client.take(4) == b"done"
        # Of an upgrade nothing goes there that belongs to it.
        other = dial(sluice.port)
        other.send(request("/b", fields=[("Sec-WebSocket-Protocol", "token.abc")]))
        head = wire.head()  # the connection was kept
        assert head.get("X-Original-Method") == "GET" and head.get("X-Original-URI") == "/b"
        for name in ("Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Protocol",
                     "Sec-WebSocket-Version"):
            assert head.get(name) is None, name
        wire.send(answer(b""))
        upstream.upgrade()
        assert other.head().status == 101


@suite.check
def refusals_go_to_the_client():
    said = (b"HTTP/1.1 401 Who are you\r\nWWW-Authenticate: Bearer realm=a\r\nSet-Cookie: s=1\r\n"
            b"Set-Cookie: t=2\r\nConnection: X-Hop\r\nX-Hop: 1\r\nContent-Length: 7\r\n\r\nsign in")
    with ground() as (sluice, upstream, authorizer):
        for i, data in enumerate([request(), plain(fields=[("Connection", "close")])]):
            client = dial(sluice.port)
            wire, _ = asked(authorizer, client, data)
            wire.send(said)
            head = told(client)
            assert head.line == "HTTP/1.1 401 Who are you", head.line
            assert head.body == b"sign in"
            assert head.get("WWW-Authenticate") == "Bearer realm=a"
            assert head.all("Set-Cookie") == ["s=1", "t=2"] and head.get("X-Hop") is None
            event = ("refused", "request")[i]
            line = sluice.access_line(event, status="401")
            assert line["reason"] == "auth_request: 401", line
            wire.close()  # it said Connection: X-Hop alone and would be kept
        assert nobody_comes(upstream)
        # A plain client's connection goes on.
        client = dial(sluice.port)
        wire, _ = asked(authorizer, client, plain("/one"))
        wire.send(answer(b"no", "403 Forbidden"))
        head = client.head()
        assert (head.status, client.take(2), head.get("Connection")) == (403, b"no", None)
        client.send(plain("/two"))
        assert wire.head().get("X-Original-URI") == "/two"
        wire.send(answer(b""))
        server = upstream.accept()
        assert server.head().target == "/two"
        server.send(answer(b"in"))
        assert client.head().status == 200 and client.take(2) == b"in"
        # HEAD has no body.
        client.send(plain("/three", "HEAD"))
        wire.head()
        wire.send(answer(b"no", "403 Forbidden"))
        assert client.head().get("Content-Length") == "2"
        client.send(plain("/four"))
        wire.head()
        wire.send(answer(b"", "403 Forbidden"))
        assert client.head().status == 403
        assert not client.buffer


@suite.check
def bodies_of_every_framing_and_size():
    chunk = b"x" * 0x1000
    bodies = [(b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
              (b"", b"to the end", b"to the end"),
              (b"Content-Length: 3000000\r\n", b"y" * 3000000, b"y" * 3000000),
              (b"Transfer-Encoding: chunked\r\n", b"1000\r\n%b\r\n" % chunk * 200 + b"0\r\n\r\n",
               b"1000\r\n%b\r\n" % chunk * 200 + b"0\r\n\r\n")]
    with ground() as (sluice, _, authorizer):
        for asks in (request(), plain(fields=[("Connection", "close")])):
            for field, sent, expected in bodies:
                client = dial(sluice.port)
                wire, _ = asked(authorizer, client, asks)
                wire.send(b"HTTP/1.1 403 No\r\nConnection: close\r\n" + field + b"\r\n")
                time.sleep(0.02)
                wire.send(sent)
                wire.close()
                head = told(client)
                assert head.status == 403 and head.body == expected, (field, head.body[:60])
        # To a HEAD goes the head of a long one.
        client = dial(sluice.port)
        wire, _ = asked(authorizer, client, plain(method="HEAD", fields=[("Connection", "close")]))
        wire.send(b"HTTP/1.1 403 No\r\nContent-Length: 90000\r\n\r\n" + b"z" * 9000)
        head = told(client)
        assert (head.status, head.get("Content-Length"), head.body) == (403, "90000", b"")


@suite.check_each("HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n|answered 302",
                  "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n|answered 500",
                  "HTTP/1.1 404 No\r\n\r\n|answered 404",
                  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n|answered 101",
                  "HTTP/1.1 401 No\r\nContent-Length: 9\r\n\r\nhalf|its answer broke off",
                  "HTTP/1.1 200 O|its answer broke off",
                  "HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n|malformed",
                  "SSH-2.0-x\r\n|malformed",
                  "HTTP/1.1 200 OK\r\nA b: c\r\n\r\n|malformed",
                  "|upstream closed")
def no_verdict(row):
    said, why = row.split("|")
    with ground() as (sluice, upstream, authorizer):
        for event, data in (("refused", request()), ("request", plain())):
            client = dial(sluice.port)
            wire, _ = asked(authorizer, client, data)
            wire.send(said.encode())
            wire.close()
            head = told(client)
            assert head.status == 503 and b"cannot be found out" in head.body, head.raw
            assert head.get("Location") is None
            line = sluice.access_line(event, status="503")
            assert line["reason"] == "auth_request: no verdict" and why in line["detail"], line
        name = f"auth_request http://127.0.0.1:{authorizer.port}/verify: no verdict"
        wait_until(lambda: name in sluice.errors(), "the log says it")
        assert why in sluice.errors()
        assert (REMEDY in sluice.errors()) == why.startswith("answered"), sluice.errors()
        assert nobody_comes(upstream)


@suite.check
def an_authorizer_that_is_gone_or_silent():
    bound = refusing_socket()
    with Upstream() as upstream:
        uri = f"http://127.0.0.1:{bound.getsockname()[1]}"
        with guarded(upstream, uri) as sluice:
            client = dial(sluice.port)
            client.send(request())
            assert told(client).status == 503
            wait_until(lambda: "see whether it runs" in sluice.errors(), "the log says it")
        assert nobody_comes(upstream)
    with ground("auth_timeout 200ms") as (sluice, upstream, authorizer):
        for part in (b"", b"HTTP/1.1 401 No\r\n", b"HTTP/1.1 401 No\r\nContent-Length: 5\r\n\r\na"):
            client = dial(sluice.port)
            begun = time.monotonic()
            wire, _ = asked(authorizer, client, request())
            wire.send(part)
            assert told(client).status == 503
            assert 0.15 < time.monotonic() - begun < 5
            wire.expect_end()
        wait_until(lambda: "auth_timeout 200ms" in sluice.errors(), "the log says it")
    # A slow one is waited for.
    with ground() as (sluice, upstream, authorizer):
        client = dial(sluice.port)
        wire, _ = asked(authorizer, client, request())
        for byte in b"HTTP/1.1 200 OK\r\n\r\n":
            wire.send(bytes([byte]))
            time.sleep(0.004)
        upstream.upgrade()
        assert client.head().status == 101


@suite.check
def a_client_that_leaves_ends_the_question():
    with ground() as (sluice, upstream, authorizer):
        client = dial(sluice.port)
        wire, _ = asked(authorizer, client, request())
        client.reset()
        wire.expect_end()
        sluice.wait_idle()
        assert nobody_comes(upstream)


@suite.check
def a_body_waits_for_the_verdict():
    with ground() as (sluice, upstream, authorizer):
        body = b"b" * 2_000_000
        client = dial(sluice.port)
        head = plain("/up", "POST", [("Content-Length", len(body))])
        wire, _ = asked(authorizer, client, head + body[:1000])
        client.send(body[1000:5000])
        time.sleep(0.1)
        assert nobody_comes(upstream)
        wire.send(answer(b""))
        server = upstream.accept()
        server.head()
        client.send(body[5000:])
        assert server.take(len(body)) == body
        server.send(answer(b"ok"))
        assert client.head().status == 200 and client.take(2) == b"ok"
        # What is refused is not read: the connection ends behind the answer.
        client.send(plain("/up", "POST", [("Content-Length", 100)]) + b"part")
        wire.head()
        wire.send(answer(b"no", "401 Unauthorized"))
        head = client.head()
        assert (head.status, head.get("Connection")) == (401, "close")
        client.finish()
        assert client.rest() == b"no"


@suite.check
def fields_of_the_answer_go_upstream():
    route = ("set_header X-User $auth_http_x_user\n  set_header X-All \"<$auth_http_x_user>\"\n"
             "  set_response_header X-Seen $auth_http_x_user")
    with ground(route) as (sluice, upstream, authorizer):
        rows = [(b"X-User: alice\r\nX-Other: no\r\n", "alice", "<alice>"), (b"", None, None),
                (b"X-User: a\r\nx-user: b\r\n", "a, b", "<a, b>"), (b"X-User:\r\n", None, "<>")]
        for fields, user, whole in rows:
            client = dial(sluice.port)
            wire, _ = asked(authorizer, client, request(fields=[("X-User", "root")]))
            wire.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + fields + b"\r\n")
            server = upstream.upgrade()
            assert server.request.all("X-User") == ([user] if user else []), server.request.raw
            assert server.request.get("X-All") == whole and server.request.get("X-Other") is None
            head = client.head()
            assert (head.status, head.get("X-Seen")) == (101, user)
            client.close()


@suite.check
def top_off_and_return():
    with Upstream() as upstream, Upstream() as authorizer:
        conf = (f"@auth_request http://127.0.0.1:{authorizer.port}/a?x=1\n"
                f"route /open\n  proxy_pass {upstream.uri}\n  auth_request off\n"
                f"route /moved\n  return 302 https://$auth_http_x_to/\n"
                f"route /\n  proxy_pass {upstream.uri}\n")
        with Sluice(conf) as sluice:
            client = dial(sluice.port)
            client.send(request("/open"))
            upstream.upgrade()
            assert client.head().status == 101
            client = dial(sluice.port)
            wire, head = asked(authorizer, client, plain("/moved"))
            assert head.target == "/a?x=1"
            wire.send(b"HTTP/1.1 200 OK\r\nX-To: b.example\r\nContent-Length: 0\r\n\r\n")
            head = client.head()
            assert (head.status, head.get("Location")) == (302, "https://b.example/")
            client = dial(sluice.port)
            client.send(request("/"))
            wire.head()  # the same connection: both routes share it
            wire.send(answer(b"", "401 No"))
            assert told(client).status == 401


@suite.check
def tls_to_the_authorizer():
    ca = authority()
    with Upstream() as upstream, Upstream(wrap=server_wrap()) as authorizer:
        with guarded(upstream, f"https://127.0.0.1:{authorizer.port}",
                     top=f"@tls_ca {ca.path}") as sluice:
            client = dial(sluice.port)
            wire, _ = asked(authorizer, client, request())
            wire.send(answer(b""))
            upstream.upgrade()
            assert client.head().status == 101


@suite.check
def kept_connections_that_end_are_replaced():
    with ground() as (sluice, upstream, authorizer):
        client = dial(sluice.port)
        wire, _ = asked(authorizer, client, plain("/one"))
        wire.send(answer(b"", "403 No"))
        assert client.head().status == 403
        client.send(plain("/two"))
        assert wire.head().get("X-Original-URI") == "/two"
        wire.close()
        wire = authorizer.accept()
        assert wire.head().get("X-Original-URI") == "/two"
        wire.send(answer(b"", "403 No"))
        assert client.head().status == 403
        assert nobody_comes(upstream)


@suite.check
def a_cache_asks_once():
    port = free_port()
    with ground(f"auth_cache {HOUR}\n  set_header X-User $auth_http_x_user",
                f"@admin 127.0.0.1:{port}") as (sluice, upstream, authorizer):
        def in_with(user, target="/", ask=True, fields=()):
            client = dial(sluice.port)
            client.send(request(target, fields=[("Authorization", user), *fields]))
            if ask:
                wire = authorizer.accept()
                assert wire.head().get("Authorization") == user
                wire.send(f"HTTP/1.1 200 OK\r\nX-User: {user}\r\nConnection: close\r\n\r\n".encode())
            server = upstream.upgrade()
            assert server.request.get("X-User") == user
            assert client.head().status == 101

        in_with("alice")
        in_with("alice", ask=False)
        in_with("alice", ask=False, fields=[("X-Request-Id", "2")])
        in_with("bob")
        in_with("alice", "/other")
        in_with("alice", fields=[("X-A", "1")])
        in_with("bob", ask=False)
        for _ in range(2):  # a refusal with its body
            client = dial(sluice.port)
            client.send(plain("/no", fields=[("Connection", "close")]))
            if _ == 0:
                wire = authorizer.accept()
                wire.head()
                wire.send(b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nConnection: close\r\n"
                          b"Content-Length: 2\r\n\r\nno")
            head = told(client)
            assert (head.status, head.get("WWW-Authenticate"), head.body) == (401, "Basic", b"no")
        assert nobody_comes(authorizer)

        def value(outcome):
            return Metrics(ask_admin(f"127.0.0.1:{port}").body).of("sluice_auth_requests_total",
                                                                   outcome=outcome)
        wait_until(lambda: (value("admitted"), value("refused")) == (7, 2), "they are counted")
        # Another conf's verdicts are its own.
        sluice.signal(signal.SIGHUP)
        wait_until(lambda: " is in use as generation 2," in sluice.errors(), sluice.errors)
        in_with("alice")


@suite.check
def what_a_cache_leaves_out_and_forgets():
    with ground("auth_cache 300ms", "@auth_cache_size 2") as (sluice, upstream, authorizer):
        def refused(target, fields="", body=b"no"):
            """Whether the authorizer was asked."""
            client = dial(sluice.port)
            client.send(plain(target, fields=[("Connection", "close")]))
            authorizer.listener.settimeout(0.1)
            was_asked = True
            try:
                wire = authorizer.accept()
                wire.head()
                wire.send(f"HTTP/1.1 403 No\r\nConnection: close\r\n{fields}Content-Length: "
                          f"{len(body)}\r\n\r\n".encode() + body)
            except socket.timeout:
                was_asked = False
            head = told(client)
            assert (head.status, head.body) == (403, body)
            return was_asked

        assert refused("/a") and not refused("/a")
        time.sleep(0.4)
        assert refused("/a")
        for fields in ("Set-Cookie: a=b\r\n", "Cache-Control: private, no-store\r\n"):
            assert refused("/b", fields) and refused("/b", fields)
        big = b"x" * 5000
        assert refused("/c", body=big) and refused("/c", body=big)
        assert refused("/d") and refused("/e") and refused("/f")
        assert refused("/d")  # the oldest of three has gone
        # Failures are asked about each time.
        for _ in range(2):
            client = dial(sluice.port)
            wire, _ = asked(authorizer, client, plain("/g"))
            wire.send(answer(b"", "500 Oops", [("Connection", "close")]))
            assert told(client).status == 503


suite.run()
