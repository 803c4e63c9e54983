"""Connections to upstreams that are kept for further plain requests (upstream_keepalive): who gets
one, when they end, and what becomes of a request whose connection ended under it."""
import os
import pwd
import resource
import signal
import socket

from admin import Metrics, ask as ask_admin
from harness import Sluice, Suite, conf_for, free_port, open_files, simple, wait_until
from plain_http import answer, plain
from tls import authority, server_wrap
from wire import TEXT, Upstream, dial, request

suite = Suite()


def reply(wire):
    head = wire.head()
    wire.send(answer(b"x"))
    return head


def ask(client, wire, target="/", **options):
    """A request that goes over this connection to the upstream."""
    client.send(plain(target, **options))
    head = reply(wire)
    got = client.head()
    assert (got.status, client.take(1)) == (200, b"x")
    return head


def first_of(client, upstream):
    """A request on a new connection, which is returned, and kept."""
    client.send(plain())
    wire = upstream.accept()
    reply(wire)
    assert client.head().status == 200 and client.take(1) == b"x"
    return wire


def nobody_comes(upstream):
    upstream.listener.settimeout(0.2)
    try:
        upstream.listener.accept()
        return False
    except socket.timeout:
        return True
    finally:
        upstream.listener.settimeout(20)


@suite.check
def one_connection_serves_many_clients():
    port = free_port()
    with Upstream() as upstream, simple(upstream, f"@http on\n@admin 127.0.0.1:{port}") as sluice:
        first, second = dial(sluice.port), dial(sluice.port)
        kept = first_of(first, upstream)
        for i in range(10):
            head = ask((first, second)[i % 2], kept, f"/{i}")
            assert head.target == f"/{i}" and head.get("Connection") is None
            assert head.get("X-Forwarded-For") == "127.0.0.1"
        ask(first, kept, method="OPTIONS")
        assert nobody_comes(upstream)

        def told(name):
            return Metrics(ask_admin(f"127.0.0.1:{port}").body).of(name)
        wait_until(lambda: told("sluice_upstream_connections_reused_total") == 11, "11 are told")
        # An upgrade has a connection of its own, and takes the kept one from nobody.
        second.send(request())
        server = upstream.upgrade()
        assert second.head().status == 101
        second.send_frame(TEXT, "hello")
        server.expect(TEXT, "hello")
        ask(first, kept)


@suite.check
def the_latest_is_asked_first_and_the_oldest_goes():
    with Upstream() as upstream, simple(upstream, "@http on\n@upstream_keepalive 2") as sluice:
        clients = [dial(sluice.port) for _ in range(3)]
        wires = []
        for client in clients:
            client.send(plain())
            wires.append(upstream.accept())
            wires[-1].head()
        for client, wire in zip(clients, wires):
            wire.send(answer(b"x"))
            assert client.head().status == 200 and client.take(1) == b"x"
        wires[0].expect_end()
        ask(clients[0], wires[2])
        ask(clients[0], wires[2])
        assert nobody_comes(upstream)


@suite.check
def what_may_be_made_twice_is_asked_again_where_its_connection_ends():
    with Upstream() as upstream, simple(upstream, "@http on\n@next_peer_on off") as sluice:
        client = dial(sluice.port)
        kept = first_of(client, upstream)
        client.send(plain("/again"))
        assert kept.head().target == "/again"
        kept.reset()
        anew = upstream.accept()
        assert reply(anew).target == "/again"
        assert client.head().status == 200 and client.take(1) == b"x"
        # Once: a new connection that ends without a word is a failure.
        client.send(plain("/dies"))
        anew.head()
        anew.close()
        last = upstream.accept()
        assert last.head().target == "/dies"
        last.close()
        assert client.head().status == 502
        closed = "upstream closed during the handshake"
        wait_until(lambda: closed in sluice.errors(), "the failure is told")  # behind the answer
        assert sluice.errors().count(closed) == 1, sluice.errors()


@suite.check
def what_must_not_be_made_twice_has_a_connection_of_its_own():
    bodies = [("POST", [("Content-Length", 0)], b""), ("PATCH", [("Content-Length", 1)], b"y"),
              ("PUT", [("Transfer-Encoding", "chunked")], b"1\r\ny\r\n0\r\n\r\n")]
    for method, fields, body in bodies:
        with Upstream() as upstream, simple(upstream, "@http on") as sluice:
            client = dial(sluice.port)
            kept = first_of(client, upstream)
            client.send(plain(method=method, fields=fields, body=body))
            own = upstream.accept()
            assert own.head().get("Connection") is None
            assert own.take(len(body)) == body
            own.send(answer(b"x"))
            assert client.head().status == 200 and client.take(1) == b"x"
            ask(client, own)  # and is kept


@suite.check
def connections_that_are_not_kept():
    close = [("Content-Length", 1), ("Connection", "close")]
    rows = [("", plain(), answer(b"x", fields=close)),
            ("", plain(), answer(b"x") + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            ("", plain(), answer(b"x").replace(b"HTTP/1.1", b"HTTP/1.0")),
            ("", plain(version="1.0"), answer(b"x")),
            ("@upstream_keepalive off", plain(), answer(b"x")),
            ("@send_proxy_protocol v1", plain(), answer(b"x"))]
    for top, asked, answered in rows:
        with Upstream() as upstream, simple(upstream, f"@http on\n{top}") as sluice:
            client = dial(sluice.port)
            client.send(asked)
            wire = upstream.accept()
            if "proxy" in top:
                assert wire.take(6) == b"PROXY "
            head = wire.head()
            wire.send(answered)
            assert client.head().status == 200 and client.take(1) == b"x"
            wire.expect_end()
            told = top != "" or b"HTTP/1.0" in asked
            assert head.get("Connection") == ("close" if told else None), (top, asked)


@suite.check
def a_connection_that_authenticates_is_one_clients():
    fields = [("Authorization", "Negotiate YII=")]
    with Upstream() as upstream, simple(upstream, "@http on") as sluice:
        client = dial(sluice.port)
        client.send(plain(fields=fields))
        wire = upstream.accept()
        reply(wire)
        wire.expect_end()
        assert client.head().status == 200 and client.take(1) == b"x"
        client.send(plain())
        wire = upstream.accept()
        wire.head()
        wire.send(answer(b"x", "401 Unauthorized", [("WWW-Authenticate", "Basic, NTLM"),
                                                    ("Content-Length", 1)]))
        wire.expect_end()


@suite.check
def a_proxy_header_is_on_each_connection_that_wants_one():
    with Upstream() as upstream:
        conf = (f"@http on\nupstream up\n  server {upstream.uri}\n"
                "route /p\n  proxy_pass up\n  send_proxy_protocol v1\nroute /\n  proxy_pass up\n")
        with Sluice(conf) as sluice:
            client = dial(sluice.port)
            first_of(client, upstream)
            client.send(plain("/p"))
            wire = upstream.accept()
            assert wire.take(6) == b"PROXY "
            reply(wire)
            assert client.head().status == 200 and client.take(1) == b"x"
            # One that was under way when the conf changed is the old conf's.
            client.send(plain("/", method="POST", fields=[("Content-Length", 0)]))
            wire = upstream.accept()
            wire.head()
            sluice.signal(signal.SIGHUP)
            wait_until(lambda: " is in use as generation 2" in sluice.errors(), "the reload")
            wire.send(answer(b"x"))
            wire.expect_end()


@suite.check
def what_may_come_behind_an_answer_is_nobodys():
    with Upstream() as upstream, simple(upstream, "@http on") as sluice:
        client = dial(sluice.port)
        for method, status, length in (("HEAD", "200 OK", 1), ("GET", "304 Not Modified", 1)):
            client.send(plain(method=method))
            wire = upstream.accept()
            wire.head()
            wire.send(answer(status=status, fields=[("Content-Length", length)]))
            assert client.head().status == int(status[:3])
            wire.expect_end()


@suite.check
def an_unasked_answer_is_nobodys():
    with Upstream() as upstream, simple(upstream, "@http on") as sluice:
        client = dial(sluice.port)
        kept = first_of(client, upstream)
        kept.send(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        kept.expect_reset()  # with bytes of it unread
        client.send(plain())
        reply(upstream.accept())
        assert client.head().status == 200


@suite.check
def idle_ones_end_in_time_and_with_the_conf():
    top = "@http on\n@upstream_keepalive_timeout 300ms"
    with Upstream() as upstream, simple(upstream, top) as sluice:
        client = dial(sluice.port)
        kept = first_of(client, upstream)
        kept.expect_end()
        client.send(plain())
        wire = upstream.accept()
        reply(wire)
        assert client.head().status == 200 and client.take(1) == b"x"
    with Upstream() as upstream, simple(upstream, "@http on") as sluice:
        client = dial(sluice.port)
        kept = first_of(client, upstream)
        sluice.signal(signal.SIGHUP)
        kept.expect_end()
        wait_until(lambda: " is in use as generation 2" in sluice.errors(), "the reload")


@suite.check
def a_secured_one_is_kept_with_its_tls():
    with Upstream(wrap=server_wrap()) as upstream:
        conf = f"@http on\n@tls_ca {authority().path}\n" + conf_for(upstream)
        with Sluice(conf) as sluice:
            client = dial(sluice.port)
            kept = first_of(client, upstream)
            for _ in range(3):
                ask(client, kept)
            assert nobody_comes(upstream)
            kept.close()
            client.send(plain())
            reply(upstream.accept())
            assert client.head().status == 200


@suite.check
def they_give_way_where_descriptors_run_short():
    # The limit of another process is changed here, which needs the same user.
    top = "@http on\n@user " + pwd.getpwuid(os.geteuid()).pw_name
    with Upstream() as upstream, simple(upstream, top) as sluice:
        client = dial(sluice.port)
        kept = first_of(client, upstream)
        worker = sluice.workers()[0]
        limits = resource.prlimit(worker, resource.RLIMIT_NOFILE)
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (len(open_files(worker)), limits[1]))
        client.send(plain(method="POST", fields=[("Content-Length", 0)]))
        own = upstream.accept()
        kept.expect_end()
        reply(own)
        assert client.head().status == 200
        resource.prlimit(worker, resource.RLIMIT_NOFILE, limits)


suite.run()
