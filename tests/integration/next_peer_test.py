"""Which failures of a peer go on to the next one, and what the client is told where all fail."""
import contextlib
import threading
import time

from harness import Sluice, Suite, wait_until
from wire import BINARY, KEY, Upstream, answer_101, frame, pair, refusal, refusing_socket, request

suite = Suite()


def serve(upstream, handle):
    """Lets handle(wire) deal with each request, until the upstream is closed."""
    def after_head(wire):
        wire.head()
        handle(wire)
    upstream.serve(after_head, times=None)


def conf_of(*uris, top="@handshake_timeout 1h", more=""):
    servers = "".join(f"  server {uri}\n" for uri in uris)
    return f"{top}\nupstream all\n{servers}{more}route /\n  proxy_pass all"


# What a peer does with a request, which time limit is needed for it to count, what is logged of it.
FAILURES = {
    "hangs": (lambda wire: wire.rest(), "300ms", "handshake_timeout"),
    "closes": (lambda wire: wire.close(), "1h", "closed during the handshake"),
    "resets": (lambda wire: wire.reset(), "1h", "reset by peer"),
}


@suite.check_each(*FAILURES)
def next_peer_before_the_first_byte(how):
    """Whichever peer a session begins at, it ends at the good one."""
    handle, timeout, told = FAILURES[how]
    with Upstream() as bad, Upstream() as good:
        serve(bad, handle)
        with Sluice(conf_of(bad.uri, good.uri, top=f"@handshake_timeout {timeout}")) as sluice:
            for _ in range(4):
                client, server = pair(sluice, good)
                server.send_frame(BINARY, b"here")
                client.expect(BINARY, b"here")
            wait_until(lambda: told in sluice.errors(), "each failure is logged")
            for line in sluice.access():
                assert line["peer"] == f"127.0.0.1:{good.port}", line


@suite.check
def next_peer_after_tls_that_fails_or_hangs():
    with Upstream() as plain, Upstream() as silent, Upstream() as good:
        def garble(wire):
            with contextlib.suppress(OSError):
                wire.send(b"220 smtp.example ESMTP\r\n")
                wire.rest()
        threading.Thread(target=lambda: [garble(plain.accept()) for _ in range(2)],
                         daemon=True).start()
        tls = [plain.uri.replace("ws://", "wss://"), silent.uri.replace("ws://", "wss://")]
        with Sluice(conf_of(*tls, good.uri, top="@handshake_timeout 300ms")) as sluice:
            for _ in range(3):
                pair(sluice, good)


@suite.check
def early_frames_go_to_the_peer_that_accepts():
    with Upstream() as bad, Upstream() as good:
        serve(bad, lambda wire: wire.close())
        with Sluice(conf_of(bad.uri, good.uri)) as sluice:
            for _ in range(2):
                thread = good.serve(lambda wire: accept_and_keep(wire, good))
                client = pair_begun(sluice)
                thread.join()
                assert client.head().status == 101
                good.kept.expect(BINARY, b"early")


def pair_begun(sluice):
    from wire import dial
    client = dial(sluice.port)
    client.send(request() + frame(BINARY, b"early", True))
    return client


def accept_and_keep(wire, upstream):
    wire.head()
    wire.send(answer_101(KEY))
    upstream.kept = wire


@suite.check
def no_other_peer_once_a_byte_of_an_answer_came():
    """Half an answer, a wrong one and a drip are the client's: 502, or 504 at the deadline."""
    drips = {
        "half": (lambda wire: (wire.send(b"HTTP/1.1 1"), wire.close()), 502),
        "wrong": (lambda wire: (wire.send(b"SSH-2.0-x\r\n"), wire.rest()), 502),
        "bad 101": (lambda wire: wire.send(answer_101("x")), 502),
        "drip": (lambda wire: (wire.send(b"HTTP/1.1 1"), wire.rest()), 504),
    }
    for what, (handle, status) in drips.items():
        with Upstream() as one, Upstream() as two:
            asked = []

            def count(wire, handle=handle, asked=asked):
                asked.append(1)
                handle(wire)
            serve(one, count)
            serve(two, count)
            with Sluice(conf_of(one.uri, two.uri, top="@handshake_timeout 500ms")) as sluice:
                assert refusal(sluice, request())[0].status == status, what
                assert len(asked) == 1, f"{what}: {len(asked)} peers were asked"
                wait_until(lambda: ": peer 127.0.0.1:" in sluice.errors(),
                           f"{what}: the operator is told")


@suite.check
def what_the_client_is_told_where_all_fail():
    with Upstream() as hung, Upstream() as other, refusing_socket() as nobody:
        dead = f"ws://127.0.0.1:{nobody.getsockname()[1]}"
        serve(hung, lambda wire: wire.rest())
        serve(other, lambda wire: wire.rest())
        quick = "@handshake_timeout 300ms"
        with Sluice(conf_of(hung.uri, other.uri, top=quick)) as sluice:
            begin = time.monotonic()
            assert refusal(sluice, request())[0].status == 504, "all took too long"
            assert time.monotonic() - begin >= 0.6, "each has a handshake_timeout of its own"
            assert sluice.access_line("refused", status="504")["reason"] == "handshake_timeout"
        with Sluice(conf_of(hung.uri, dead, top=quick)) as sluice:
            for _ in range(2):
                assert refusal(sluice, request())[0].status == 502, "one could not be reached"


@suite.check
def next_peer_on_statuses():
    busy = b"HTTP/1.1 503 Busy\r\nX-Mine: 1\r\nContent-Length: 4\r\n\r\nbusy"
    with Upstream() as bad, Upstream() as good:
        serve(bad, lambda wire: wire.send(busy))
        with Sluice(conf_of(bad.uri, good.uri, more="  next_peer_on http_502 http_503\n")) as sluice:
            for _ in range(4):
                pair(sluice, good)
            wait_until(lambda: "answered 503" in sluice.errors(), "it is logged")
        with Sluice(conf_of(bad.uri, bad.uri + "/again", more="  next_peer_on http_503\n")) as sluice:
            head, body = refusal(sluice, request())
            assert (head.status, body, head.get("X-Mine")) == (503, b"busy", "1"), \
                "the last peer's answer is the client's"
        for more in ("", "  next_peer_on http_502 http_504\n"):
            statuses = set()
            serve(good, lambda wire: wire.send(busy.replace(b"503", b"500")))
            with Sluice(conf_of(bad.uri, good.uri, more=more)) as sluice:
                for _ in range(2):
                    statuses.add(refusal(sluice, request())[0].status)
            assert statuses == {500, 503}, "other statuses are passed on"


suite.run()
