"""Heads of requests and answers: a bad line is answered with its end, and what the limits of heads
are and say. What a head as a whole must hold is handshake_test.py's."""
from harness import Sluice, Suite, wait_until
from wire import Upstream, answered, pair, refusal, request

suite = Suite()


# What is wrong with a line is known with its end; what follows never comes.
BAD_LINES = {
    "HTTP/0.9": (b"GET /\r\n", 505),
    "HTTP/2.0": (b"GET / HTTP/2.0\r\n", 505),
    "two blanks": (b"GET  / HTTP/1.1\r\n", 400),
    "fragment": (b"GET /a#b HTTP/1.1\r\n", 400),
    "no method": (b"G(", 400),
    "two empty lines": (b"\r\n\r\n", 400),
    "bare LF": (b"GET / HTTP/1.1\r\nHost: a\n", 400),
    "second Host": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n", 400),
    "malformed Host": (b"GET / HTTP/1.1\r\nHost: u@a\r\n", 400),
    "doubled length": (b"GET / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 0", 400),
    "coding in 1.0": (b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n", 400),
}


@suite.check
def a_bad_line_is_answered_when_it_is_read():
    conf = "@client_header_timeout 1h\nroute /\n  proxy_pass ws://127.0.0.1:1"
    with Sluice(conf) as sluice:
        for what, (data, status) in BAD_LINES.items():
            head, _ = refusal(sluice, data)
            assert head.status == status, f"{what}: {head.line}"


@suite.check
def a_bad_line_of_an_answer_is_answered_when_it_is_read():
    conf = "@handshake_timeout 1h\nroute /\n  proxy_pass {}"
    with Upstream() as upstream, Sluice(conf.format(upstream.uri)) as sluice:
        for answer in (b"HTTP/2.0 200 OK\r\n", b"HTTP/1.1 99 Odd\r\n", b"HTTP/1.1 700 Odd\r\n",
                       b"HTTP/1.1 200 OK\r\nX : y", b"HTTP/1.1 200 No\x01\r\n"):
            head, _ = answered(upstream, sluice, answer, end=False)
            assert head.status == 502, f"{answer}: {head.line}"


@suite.check
def max_header_size():
    conf = "@max_header_size {}\nroute /\n  proxy_pass {}"
    with Upstream() as upstream, Sluice(conf.format("1k", upstream.uri)) as sluice:
        assert refusal(sluice, request(fields=[("X", "a" * 1024)]))[0].status == 431
        assert refusal(sluice, request("/" + "a" * 1024))[0].status == 414
        pair(sluice, upstream, fields=[("X", "a" * 500)])
    with Upstream() as upstream, Sluice(conf.format("64k", upstream.uri)) as sluice:
        _, server = pair(sluice, upstream, fields=[("X", "a" * 60_000)])
        assert server.request.get("X") == "a" * 60_000
        _, server = pair(sluice, upstream, "/?" + "q" * 60_000)
        assert server.request.target == "/?" + "q" * 60_000, "the request line is bounded by it, too"
        assert refusal(sluice, request("/" + "a" * 66_000))[0].status == 414


@suite.check
def max_header_fields():
    conf = "@max_header_fields {}\nroute /\n  proxy_pass {}"
    many = [("X", "a")] * 120
    options = [("Connection", ", ".join(["x"] * 120))]
    with Upstream() as upstream:
        for limit in ("off", "130"):
            with Sluice(conf.format(limit, upstream.uri)) as sluice:
                _, server = pair(sluice, upstream, fields=many)
                assert len(server.request.all("X")) == 120
                pair(sluice, upstream, fields=options)
        with Sluice(conf.format("100", upstream.uri)) as sluice:
            for fields in (many, options):
                assert refusal(sluice, request(fields=fields))[0].status == 431


@suite.check
def max_answer_header_size():
    conf = "@max_answer_header_size {}\nroute /\n  proxy_pass {}"
    hint = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    with Upstream() as upstream:
        with Sluice(conf.format("32k", upstream.uri)) as sluice:
            client, _ = pair(sluice, upstream, answer_fields=[("X", "a" * 17_000)])
            assert client.answer.get("X") == "a" * 17_000
            pair(sluice, upstream, answer_fields=[("X", "a")] * 500)
        with Sluice(conf.format("1m", upstream.uri)) as sluice:
            client, _ = pair(sluice, upstream, answer_fields=[("X", "a" * 900_000)])
            assert client.answer.get("X") == "a" * 900_000
            head, _ = answered(upstream, sluice, hint * 2000 + b"HTTP/1.1 403 No\r\n\r\n")
            assert head.status == 403, "interim answers are bounded by it and by nothing else"
        with Sluice(conf.format("1k", upstream.uri)) as sluice:
            head, _ = answered(upstream, sluice, b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1024)
            assert head.status == 502


@suite.check
def what_a_limit_refuses_is_logged_with_its_value():
    conf = "@max_header_size 1k\n@max_header_fields 20\n@max_answer_header_size 2k\n" \
           "route /\n  proxy_pass {}"
    with Upstream() as upstream, Sluice(conf.format(upstream.uri)) as sluice:
        for sent, status, words in (
                (request(fields=[("X", "a" * 1024)]), "431", "max_header_size 1k, the head has 1,"),
                (request("/" + "a" * 1024), "414", "max_header_size 1k, the head has 1,"),
                (request(fields=[("X", "a")] * 20), "431", "max_header_fields 20, the head has 2"),
                (request(fields=[("Connection", "x, " * 30 + "x")]), "431",
                 "max_header_fields 20, Connection has ")):
            refusal(sluice, sent)
            wait_until(lambda: any(words in line.get("detail", "") and line["status"] == status
                                   for line in sluice.access()), f"{words} in the access log")
        head, _ = answered(upstream, sluice, b"HTTP/1.1 200 OK\r\nX: " + b"a" * 2048)
        assert head.status == 502
        told = sluice.access_line("refused", status="502")["detail"]
        assert told.startswith("max_answer_header_size 2k, the head has 2,"), told
        assert told in sluice.errors(), "the operator's to mend: in the error log as well"


@suite.check
def an_upstreams_own_numbers_are_no_kind_of_line():
    """What recurs is told at a bounded rate, however large each of an upstream's heads is."""
    conf = "@max_answer_header_size 2k\nroute /\n  proxy_pass {}"
    with Upstream() as upstream, Sluice(conf.format(upstream.uri)) as sluice:
        for more in range(8):
            head, _ = answered(upstream, sluice,
                               b"HTTP/1.1 200 OK\r\nX: " + b"a" * (2048 + 100 * more))
            assert head.status == 502
        sluice.wait_idle()
        assert sluice.errors().count("max_answer_header_size 2k, the head has") == 5


suite.run()
