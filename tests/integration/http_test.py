"""Plain HTTP on the same routes: bodies both ways, kept connections, timeouts, and an upgrade behind
plain requests."""
import os
import signal
import threading

from admin import Metrics, ask as ask_admin
from harness import Sluice, Suite, conf_for, failed_start, free_port, simple, wait_until
from plain_http import answer, get, plain
from wire import TEXT, Upstream, answer_101, close_in_order, dial, request

suite = Suite()


def serving(upstream, *answers, **options):
    """A sluice before an upstream that answers one connection after the other, each with the next
    of these bytes; the requests' heads and bodies that came are in `.requests`."""
    sluice = Sluice("@http on\n" + options.pop("conf", "") + conf_for(upstream), **options)
    sluice.requests = []

    def loop():
        for bytes_ in answers:
            wire = upstream.accept()
            head = wire.head()
            length = int(head.get("Content-Length") or 0)
            sluice.requests.append((head, wire.take(length)))
            wire.send(bytes_)
            wire.close()
    threading.Thread(target=loop, daemon=True).start()
    return sluice


@suite.check
def a_connection_is_kept_and_each_request_is_logged():
    with Upstream() as upstream:
        with serving(upstream, answer(b"one"), answer(b"two"), answer(b"three")) as sluice:
            client = dial(sluice.port)
            for target, body in (("/1", b"one"), ("/2?q=1", b"two")):
                got = get(client, target)
                assert (got.status, got.body) == (200, body) and got.get("Connection") is None
            got = get(client, "/3", fields=[("Connection", "close")])
            assert got.body == b"three" and got.get("Connection") == "close"
            client.expect_end()
            client.close()
            for target in ("/1", "/2", "/3"):
                line = sluice.access_line("request", target=target, status="200", method="GET")
                assert line["upstream_bytes"] == str(5 if target == "/3" else 3), line
            ids = [line["id"] for line in sluice.access()]
            assert len(set(ids)) == 3, ids
            sluice.wait_idle()
            for head, _ in sluice.requests:
                assert head.get("Connection") is None
                assert head.get("X-Forwarded-For") == "127.0.0.1"


@suite.check
def http_off_is_426_and_an_unknown_path_404():
    with Upstream() as upstream, simple(upstream) as sluice:
        assert get(dial(sluice.port)).status == 426
    with Upstream() as upstream:
        with Sluice(f"route /ws\n  proxy_pass {upstream.uri}\nroute /app\n  http on\n"
                    f"  proxy_pass {upstream.uri}") as sluice:
            assert get(dial(sluice.port), "/ws").status == 426
            assert get(dial(sluice.port), "/").status == 404
            client = dial(sluice.port)
            client.send(plain("/app"))
            wire = upstream.accept()
            wire.head()
            wire.send(answer(b"x"))
            assert client.head().status == 200


@suite.check
def bodies_travel_as_they_came():
    chunks = b"4;name=value\r\nabcd\r\n" + b"0a\r\n0123456789\r\n" + b"0\r\nX-Trailer: t\r\n\r\n"
    chunked = [("Transfer-Encoding", "chunked")]
    with Upstream() as upstream, simple(upstream, "@http on") as sluice:
        client = dial(sluice.port)
        for _ in range(2):
            client.send(plain(method="POST", fields=chunked))
            server = upstream.accept()
            head = server.head()
            assert head.get("Transfer-Encoding") == "chunked" and head.get("Content-Length") is None
            for i in range(len(chunks)):
                client.send(chunks[i:i + 1])
                assert server.take(1) == chunks[i:i + 1]  # nothing waits
            server.send(answer(fields=chunked) + chunks)
            assert client.head().get("Transfer-Encoding") == "chunked"
            assert client.take(len(chunks)) == chunks
            server.close()
        client.send(plain(method="PUT", fields=[("Content-Length", 5)], body=b"hello"))
        server = upstream.accept()
        assert server.head().get("Content-Length") == "5" and server.take(5) == b"hello"
        server.send(answer(fields=[]) + b"until the end")
        server.close()
        assert client.head().get("Connection") == "close"
        assert client.rest() == b"until the end"
        line = sluice.access_line("request", method="PUT")
        assert (line["client_bytes"], line["upstream_bytes"]) == ("5", "13"), line


@suite.check
def heads_without_bodies():
    with Upstream() as upstream:
        answers = [answer(fields=[("Content-Length", 1000)]),
                   answer(status="204 No Content", fields=[]),
                   answer(status="304 Not Modified", fields=[("Content-Length", 77)]),
                   answer(b"body")]
        with serving(upstream, *answers) as sluice:
            client = dial(sluice.port)
            client.send(plain(method="HEAD"))
            head = client.head()
            assert head.get("Content-Length") == "1000" and head.get("Connection") is None
            client.send(plain())
            head = client.head()
            assert head.status == 204 and head.get("Content-Length") is None
            client.send(plain())
            head = client.head()
            assert head.status == 304 and head.get("Content-Length") == "77"
            assert get(client).body == b"body"


@suite.check
def interim_answers_travel_and_nothing_waits_for_them():
    with Upstream() as upstream, simple(upstream, "@http on") as sluice:
        client = dial(sluice.port)
        client.send(plain(method="POST", fields=[("Content-Length", 3),
                                                 ("Expect", "100-continue")]))
        server = upstream.accept()
        assert server.head().get("Expect") == "100-continue"
        server.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert client.head().status == 100
        client.send(b"abc")
        assert server.take(3) == b"abc"
        server.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\n\r\n" + answer(b"!"))
        hints = client.head()
        assert hints.status == 103 and hints.get("Link") == "</a>" and not hints.get("Connection")
        assert client.head().status == 200 and client.take(1) == b"!"


@suite.check
def an_old_client_gets_what_it_can_read():
    with Upstream() as upstream:
        with serving(upstream, b"HTTP/1.1 103 Early Hints\r\n\r\n" + answer(b"old")) as sluice:
            client = dial(sluice.port)
            client.send(plain(version="1.0", fields=[("Connection", "keep-alive")]))
            head = client.head()
            assert head.status == 200 and head.get("Connection") == "close"
            assert client.rest() == b"old"
            assert sluice.requests[0][0].line.endswith("HTTP/1.0")
    with Upstream() as upstream:
        bad = answer(fields=[("Transfer-Encoding", "chunked")]) + b"0\r\n\r\n"
        with serving(upstream, bad) as sluice:
            client = dial(sluice.port)
            client.send(plain(version="1.0"))
            assert client.head().status == 502


@suite.check
def requests_in_one_segment_are_answered_in_order():
    with Upstream() as upstream:
        answers = [answer(str(i).encode()) for i in range(6)]
        with serving(upstream, *answers) as sluice:
            client = dial(sluice.port)
            client.send(plain("/0") + plain("/1", "POST", [("Content-Length", 3)], b"abc") +
                        plain("/2") + plain("/3", "POST", [("Content-Length", 0)]) + plain("/4") +
                        plain("/5", fields=[("Connection", "close")]))
            for i in range(6):
                head = client.head()
                assert head.status == 200 and client.take(1) == str(i).encode()
            client.expect_end()
            assert [head.target for head, _ in sluice.requests] == [f"/{i}" for i in range(6)]
            assert [body for _, body in sluice.requests][1] == b"abc"


@suite.check
def an_upgrade_behind_plain_requests():
    with Upstream() as upstream, simple(upstream, "@http on") as sluice:
        client = dial(sluice.port)
        client.send(plain("/poll") + request("/ws"))
        server = upstream.accept()
        assert server.head().target == "/poll"
        server.send(answer(b"polled"))
        assert client.head().status == 200 and client.take(6) == b"polled"
        server = upstream.accept()
        head = server.head()
        assert head.target == "/ws" and head.get("Upgrade") == "websocket"
        server.send(answer_101(head.get("Sec-WebSocket-Key")))
        assert client.head().status == 101
        client.send_frame(TEXT, "hello")
        server.expect(TEXT, "hello")
        close_in_order(client, server)
        sluice.access_line("close", code="1000")
        sluice.wait_idle()


@suite.check
def what_may_be_made_twice_is_given_to_another_peer():
    with Upstream() as upstream:
        dead = Upstream()
        conf = (f"upstream two\n  server ws://127.0.0.1:{dead.port}\n"
                f"  server {upstream.uri} backup\nroute /\n  http on\n  proxy_pass two")
        with Sluice(conf) as sluice:
            def lose(times):
                for _ in range(times):
                    wire = dead.accept()
                    wire.head()
                    wire.reset()
            threading.Thread(target=lose, args=(2,), daemon=True).start()
            client = dial(sluice.port)
            client.send(plain())
            server = upstream.accept()
            server.head()
            server.send(answer(b"second"))
            assert client.head().status == 200 and client.take(6) == b"second"
            client.send(plain(method="POST", fields=[("Content-Length", 0)]))
            assert client.head().status == 502
        dead.close()


@suite.check
def limits_and_timeouts_of_plain_requests():
    conf = "@http on\n@max_body_size 10\n@answer_timeout 300ms\n@body_timeout 300ms\n"
    chunked = [("Transfer-Encoding", "chunked")]
    with Upstream() as upstream, Sluice(conf + conf_for(upstream)) as sluice:
        client = dial(sluice.port)
        client.send(plain(method="POST", fields=[("Content-Length", 11)]))
        assert client.head().status == 413
        client = dial(sluice.port)
        client.send(plain(method="POST", fields=chunked, body=b"b\r\n01234567890\r\n0\r\n\r\n"))
        server = upstream.accept()
        assert client.head().status == 413
        assert b"0\r\n\r\n" not in server.rest()  # it never looks whole
        client = dial(sluice.port)
        client.send(plain(method="POST", fields=[("Content-Length", 3)], body=b"ab"))
        server = upstream.accept()
        assert client.head().status == 408
        client = dial(sluice.port)
        client.send(plain())
        server = upstream.accept()
        assert client.head().status == 504
        sluice.access_line("request", reason="body too large",
                           detail="max_body_size 10, Content-Length is 11")
        for reason in ("body too large", "body_timeout", "answer_timeout"):
            sluice.access_line("request", reason=reason)
        client = dial(sluice.port)
        client.send(plain())
        server = upstream.accept()
        server.send(answer(fields=[("Content-Length", 10)]) + b"half")
        assert client.head().status == 200
        assert client.rest() == b"half"
        sluice.access_line("request", reason="answer does not move", status="200")
        sluice.wait_idle()


@suite.check
def a_broken_answer_looks_broken():
    with Upstream() as upstream, simple(upstream, "@http on") as sluice:
        for fields, part in (([("Content-Length", 10)], b"half"),
                             ([("Transfer-Encoding", "chunked")], b"4\r\nhalf\r\n"),
                             ([("Transfer-Encoding", "chunked")], b"4\r\nhalf\r\nz\r\n")):
            client = dial(sluice.port)
            client.send(plain())
            server = upstream.accept()
            server.head()
            server.send(answer(fields=fields) + part)
            server.close()
            head = client.head()
            assert head.status == 200
            got = client.rest()
            assert part.startswith(got) and b"z" not in got, got
        line = sluice.access_line("request", reason="the body of its answer is not whole")
        assert line["status"] == "200", line


@suite.check
def an_answer_before_the_request_has_ended():
    with Upstream() as upstream, simple(upstream, "@http on") as sluice:
        client = dial(sluice.port)
        client.send(plain(method="POST", fields=[("Content-Length", 1 << 20)], body=b"x" * 1000))
        server = upstream.accept()
        server.head()
        server.take(1000)
        server.send(answer(b"no", "413 Content Too Large"))
        server.close()
        head = client.head()
        assert head.status == 413 and head.get("Connection") == "close"
        assert client.take(2) == b"no"
        client.expect_end()


@suite.check
def idle_connections_end():
    conf = "@keepalive_timeout 200ms\n@keepalive_requests 2\n"
    with Upstream() as upstream:
        with serving(upstream, *[answer(b"x")] * 3, conf=conf) as sluice:
            client = dial(sluice.port)
            assert get(client).get("Connection") is None
            assert get(client).get("Connection") == "close"  # its second is its last
            client.expect_end()
            client = dial(sluice.port)
            get(client)
            client.expect_end()  # keepalive_timeout
            sluice.wait_idle()
    with Upstream() as upstream:
        with serving(upstream, answer(b"x"), conf="@keepalive_timeout off\n") as sluice:
            assert get(dial(sluice.port)).get("Connection") == "close"


@suite.check
def idle_connections_give_way_to_who_asks():
    with Upstream() as upstream:
        conf = "@worker_connections 8\n"
        with serving(upstream, *[answer(b"x")] * 24, conf=conf) as sluice:
            idle = [dial(sluice.port) for _ in range(8)]
            for client in idle:
                assert get(client).status == 200
            for _ in range(16):
                client = dial(sluice.port)
                assert get(client).status == 200
                idle.append(client)
            for client in idle:
                client.close()
            sluice.wait_idle()


@suite.check
def leaving_ends_idle_connections_and_not_requests():
    with Upstream() as upstream, simple(upstream, "@http on") as sluice:
        def ask(client, **options):
            client.send(plain(**options))
            server = upstream.accept()
            server.head()
            return server
        idle, busy = dial(sluice.port), dial(sluice.port)
        kept = ask(idle)
        kept.send(answer(b"x"))
        assert idle.head().status == 200 and idle.take(1) == b"x"
        server = ask(busy, method="POST", fields=[("Content-Length", 0)])
        sluice.signal(signal.SIGQUIT)
        idle.expect_end()
        kept.expect_end()
        server.send(answer(b"y"))
        head = busy.head()
        assert head.get("Connection") == "close" and busy.rest() == b"y"
        busy.close()
        assert sluice.wait() == 0


@suite.check
def a_reload_reaches_the_next_request():
    with Upstream() as old, Upstream() as new, simple(old, "@http on") as sluice:
        def ask(client, upstream):
            client.send(plain())
            server = upstream.accept()
            server.head()
            server.send(answer(b"x"))
            return client.head()
        client = dial(sluice.port)
        assert ask(client, old).get("Connection") is None
        assert client.take(1) == b"x"
        with open(sluice.conf_path, encoding="utf-8") as file:
            text = file.read()
        sluice.write_conf(text.replace(old.uri, new.uri))
        sluice.signal(signal.SIGHUP)
        wait_until(lambda: " is in use as generation 2" in sluice.errors(), "the reload")
        assert ask(client, old).get("Connection") == "close"  # and then it comes anew
        assert ask(dial(sluice.port), new).status == 200


@suite.check
def large_bodies_pass_at_constant_memory():
    size = 256 << 20
    with Upstream() as upstream, simple(upstream, "@http on") as sluice:
        worker = sluice.workers()[0]

        def resident():
            with open(f"/proc/{worker}/statm", encoding="ascii") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

        def push(wire):
            piece = b"p" * (1 << 20)
            for _ in range(size >> 20):
                wire.send(piece)

        def drain(wire):
            left, reads, most = size - len(wire.buffer), 0, 0
            while left:
                got = len(wire.sock.recv(min(left, 1 << 20)))
                assert got
                left -= got
                if reads % 64 == 0:
                    most = max(most, resident())
                reads += 1
            return most
        begin = resident()
        client = dial(sluice.port)
        client.send(plain(method="POST", fields=[("Content-Length", size)]))
        server = upstream.accept()
        server.head()
        threading.Thread(target=push, args=(client,), daemon=True).start()
        up = drain(server)
        server.send(answer(fields=[("Content-Length", size)]))
        threading.Thread(target=push, args=(server,), daemon=True).start()
        client.head()
        down = drain(client)
        print(f"bodies: {size >> 20} MiB each way, the worker held at most "
              f"{(max(up, down) - begin) >> 10} KiB more")
        assert max(up, down) - begin < 16 << 20
        sluice.access_line("request", client_bytes=str(size), upstream_bytes=str(size))


@suite.check
def an_idle_client_costs_little():
    count = 400
    with Upstream() as upstream:
        with serving(upstream, *[answer(b"x")] * (2 * count)) as sluice:
            def held():
                with open(f"/proc/{sluice.workers()[0]}/smaps_rollup", encoding="ascii") as file:
                    return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
            clients = [dial(sluice.port) for _ in range(count)]
            for client in clients:
                get(client)
            before = held()
            more = [dial(sluice.port) for _ in range(count)]
            for client in more:
                get(client)
            each = (held() - before) * 1024 / count
            print(f"idle sessions: {each:.0f} bytes for each of {count} more kept-alive clients")
            for client in clients + more:
                client.close()
            sluice.wait_idle()


@suite.check
def a_route_answers_by_itself():
    conf = ("route /old\n  return 301 https://$host$request_uri\n"
            "route /ok\n  return 200 \"all is well\"\n"
            "route /\n  return 200 file:page.html")
    assert "page.html\" cannot be read" in failed_start(conf)
    with Sluice(conf.replace("page.html", __file__)) as sluice:
        client = dial(sluice.port)
        head = get(client, "/old/x?y=1")
        assert head.status == 301
        assert head.get("Location") == "https://test.example/old/x?y=1", head.raw
        location = get(client, "/old/x").get("Location")
        assert location == "https://test.example/old/x", location
        assert get(client, "/ok").body == b"all is well\n"
        with open(__file__, "rb") as file:
            assert get(client, "/page").body == file.read()
        client.send(plain("/ok", "HEAD") + plain("/ok", "POST", [("Content-Length", 3)], b"abc"))
        assert client.head().get("Content-Length") == "12"
        assert client.head().get("Connection") == "close" and client.rest() == b"all is well\n"
        client.close()
        client = dial(sluice.port)
        client.send(request("/ok"))
        assert client.head().status == 200
        sluice.access_line("request", target="/ok", method="HEAD", status="200")


@suite.check
def requests_are_counted():
    port = free_port()
    with Upstream() as upstream:
        with serving(upstream, *[answer(b"x")] * 3, conf=f"@admin 127.0.0.1:{port}\n") as sluice:
            client = dial(sluice.port)
            for _ in range(3):
                get(client)
            client.send(plain("/", "POST", [("Content-Length", "1"), ("Content-Length", "1")]))
            assert client.head().status == 400
            client.close()

            def told(name, **labels):
                return Metrics(ask_admin(f"127.0.0.1:{port}").body).of(name, **labels)
            wait_until(lambda: told("sluice_requests_total", route="/", code="200") == 3, "three")
            wait_until(lambda: told("sluice_connections_reused_total") == 3, "reused")
            wait_until(lambda: told("sluice_connections_in_handshake") == 0, "nobody asks")


suite.run()
