"""Refusals are findable: each answer of ours says what to do and carries an id that stands in the
logs; with the default conf (no access log) the error log tells them, at a bounded rate."""
import re
import socket
import threading
import time

from harness import Sluice, Suite, wait_until
from wire import BINARY, Upstream, dial, pair, refusal, refusing_socket, request

suite = Suite()

BROWSER = (b"GET /chat HTTP/1.1\r\nHost: chat.example\r\nAccept: text/html\r\n"
           b"Connection: keep-alive\r\n\r\n")


def told_id(head, body):
    """The id that an answer names, in its body and in its field."""
    named = re.search(r"^Request id: (\S+)$", body.decode(), re.M).group(1)
    assert head.get("X-Request-Id") == named, (head.line, body)
    return named


@suite.check
def each_answer_carries_the_id_of_its_access_line():
    with refusing_socket() as nobody, Sluice(
            f"route /\n  proxy_pass ws://127.0.0.1:{nobody.getsockname()[1]}") as sluice:
        ids = []
        for data, status, words in (
                (BROWSER, 426, "This is a WebSocket address: connect with ws:// or wss://"),
                (request(key="c2hvcnQ="), 400, "Sec-WebSocket-Key must stand once"),
                (request(line="POST / HTTP/1.1"), 405, "is a GET request"),
                (request("/a#b"), 400, "malformed: a fragment"),
                (request("/" + "a" * 20_000), 414, "shorten"),
                (request(fields=[("Cookie", "a" * 20_000)]), 431, "cookies"),
                (request(line="BREW / HTTP/1.1"), 501, "method"),
                (request(line="GET / HTTP/2.0"), 505, "HTTP/1.1"),
                (request(), 502, "could not be reached")):
            head, body = refusal(sluice, data)
            assert head.status == status and words in body.decode(), body
            ids.append(told_id(head, body))
            sluice.access_line("refused", id=ids[-1], status=str(status))
        assert len(set(ids)) == len(ids), ids


@suite.check
def no_password_of_a_target_is_told():
    with Sluice("route /\n  proxy_pass ws://127.0.0.1:1") as sluice:
        for line, target in (("CONNECT u:hunter2@a.example:443 HTTP/1.1", "a.example:443"),
                             ("GET ws://u:hunter2@a.example/x HTTP/1.1", "ws://a.example/x"),
                             ("GET u:hunter2@a.example?x@y HTTP/1.1", "a.example")):
            refusal(sluice, request(line=line))
            sluice.access_line("refused", target=target)
        assert "hunter2" not in sluice.errors() + str(sluice.access())


@suite.check
def details_of_an_upstream_stand_in_the_log_alone():
    with refusing_socket() as nobody:
        port = nobody.getsockname()[1]
        with Sluice(f"route /\n  proxy_pass ws://127.0.0.1:{port}", access=False) as sluice:
            head, body = refusal(sluice, request())
            assert head.status == 502
            assert str(port) not in body.decode() and "efused" not in body.decode(), body
            wait_until(lambda: f"peer 127.0.0.1:{port}: connect: Connection refused, request "
                       f"{told_id(head, body)}" in sluice.errors(), "the log names peer and id")


@suite.check
def without_an_access_log_the_error_log_tells():
    conf = "route /only\n  proxy_pass ws://127.0.0.1:1"
    with Sluice(conf, access=False) as sluice:
        head, body = refusal(sluice, request("/secret?token=1", host="a.example"))
        named = told_id(head, body)
        line = wait_until(lambda: re.search(r" info (refused .*)\n", sluice.errors()),
                          "a line at info").group(1)
        assert line.startswith(f"refused id={named} client=127.0.0.1:"), line
        assert "host=a.example target=/secret status=404" in line and "token" not in line, line
        assert 'reason="no route"' in line, line


@suite.check
def what_strangers_send_stays_short_and_on_its_line():
    with Sluice("route /only\n  proxy_pass ws://127.0.0.1:1", access=False) as sluice:
        refusal(sluice, request("/%22" + "a" * 5_000))
        line = wait_until(lambda: re.search(r" info (refused .*)\n", sluice.errors()), "a line")
        assert len(line.group(1)) < 600, line.group(1)


@suite.check
def many_refusals_are_told_at_a_bounded_rate():
    with Sluice("route /only\n  proxy_pass ws://127.0.0.1:1", access=False) as sluice:
        for _ in range(40):
            assert refusal(sluice, request("/no"))[0].status == 404
        for _ in range(3):
            assert refusal(sluice, BROWSER.replace(b"/chat", b"/only"))[0].status == 426
        wait_until(lambda: sluice.errors().count("status=426") == 3, "another kind has its lines")
        assert sluice.errors().count(" info refused ") == 8, sluice.errors()
        sluice.stop()
        assert "(35 like this in " in sluice.errors(), sluice.errors()


@suite.check
def with_an_access_log_refusals_are_told_once():
    with Sluice("route /only\n  proxy_pass ws://127.0.0.1:1") as sluice:
        refusal(sluice, request("/no"))
        sluice.access_line("refused", status="404")
        assert " info refused " not in sluice.errors(), sluice.errors()


@suite.check
def other_protocols_are_named():
    with Sluice("route /\n  proxy_pass ws://127.0.0.1:1") as sluice:
        for data, reason in (
                (b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03", "TLS on a plain port"),
                (b"\x16", "TLS on a plain port"),
                (b"PROXY TCP4 192.0.2.1 192.0.2.2 5 80\r\n" + request(),
                 "PROXY protocol on a port without it"),
                (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + b"\0" * 12 + request(),
                 "PROXY protocol on a port without it")):
            head, body = refusal(sluice, data)
            assert head.status == 400, head.line
            sluice.access_line("refused", id=told_id(head, body), reason=reason)


@suite.check
def a_client_that_says_nothing_is_told_of():
    with Sluice("@client_header_timeout 100ms\nroute /\n  proxy_pass ws://127.0.0.1:1") as sluice:
        client = dial(sluice.port)
        assert client.rest() == b"", "silence is not answered"
        wait_until(lambda: "sent nothing within client_header_timeout" in sluice.errors(), "a line")
        # One that leaves by itself, as health checks do, is no fault.
        socket.create_connection(("127.0.0.1", sluice.port)).close()
        sluice.wait_idle()
        assert sluice.errors().count("sent nothing") == 1
        assert not sluice.access()


@suite.check
def refused_clients_that_do_not_close_hold_no_place():
    """More of them than there are places, none of which leaves: sessions are served all the same,
    and what is held stays bounded."""
    with Upstream() as upstream, Sluice("@worker_connections 3\n@lingering_timeout 1h\n"
                                        f"route /chat\n  proxy_pass {upstream.uri}") as sluice:
        def refused(data, status):
            client = dial(sluice.port)
            client.send(data)
            assert client.head().status == status
            return client

        kept = [refused(request("/no"), 404) for _ in range(50)]
        sessions = [pair(sluice, upstream, "/chat") for _ in range(3)]
        kept += [refused(request("/chat"), 503) for _ in range(50)]
        assert sluice.report()["sessions"] == 3 + 32, sluice.report()
        for client, server in sessions:
            client.send_frame(BINARY, b"served")
            server.expect(BINARY, b"served")


@suite.check
def a_timeout_is_logged_with_its_directive():
    with Upstream() as upstream, Sluice(
            "@client_header_timeout 300ms\n@handshake_timeout 100ms\n"
            f"route /\n  proxy_pass {upstream.uri}") as sluice:
        assert refusal(sluice, request()[:-2])[0].status == 408
        sluice.access_line("refused", status="408", detail="client_header_timeout 300ms")
        assert refusal(sluice, request())[0].status == 504
        sluice.access_line("refused", status="504", detail="handshake_timeout 100ms")


@suite.check
def a_refusal_that_breaks_off_is_told():
    with Upstream() as upstream, Sluice(f"route /\n  proxy_pass {upstream.uri}") as sluice:
        for answer, what in ((b"Content-Length: 9\r\n\r\nhalf", "broke off"),
                             (b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "is malformed")):
            def handle(wire, answer=answer):
                wire.head()
                wire.send(b"HTTP/1.1 403 No\r\n" + answer)
                wire.close()
            upstream.serve(handle)
            assert refusal(sluice, request())[0].status == 403
            wait_until(lambda: f"the body of its answer {what}" in sluice.errors(), what)


@suite.check
def a_refusal_that_moves_without_end_is_cut_off():
    """Twelve times send_timeout is all that a refusal gets, however it dribbles."""
    def dribble(wire):
        wire.head()
        wire.send(b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                wire.send(b"1\r\nx\r\n")
                time.sleep(0.02)
        except OSError:
            ended.set()

    def stuff(wire):
        wire.head()
        wire.send(b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
        try:
            while True:
                wire.send(b"X-Stuff: 0123456789\r\n" * 50)
        except OSError:
            ended.set()

    with Upstream() as upstream, Sluice(
            f"@send_timeout 100ms\nroute /\n  proxy_pass {upstream.uri}") as sluice:
        for handle, told in (
                (dribble, "was cut off, it took 12 times send_timeout 100ms"),
                (stuff, "the body of its answer is malformed: max_answer_header_size 32k, the "
                 "body's framing")):
            ended = threading.Event()
            upstream.serve(handle)
            assert refusal(sluice, request())[0].status == 403
            assert ended.wait(10), "the upstream is still read from"
            wait_until(lambda told=told: told in sluice.errors(), told)
            sluice.wait_idle()


@suite.check
def lingering_timeout():
    with Sluice("@lingering_timeout 100ms\nroute /only\n  proxy_pass ws://127.0.0.1:1") as sluice:
        client = dial(sluice.port)
        client.send(request("/no"))
        assert client.head().status == 404
        sluice.wait_idle()  # though the client never ends its side


suite.run()
