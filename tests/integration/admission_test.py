"""Who may come in: addresses at listeners and routes, pages by their origins, subprotocols."""
import os
import signal
import socket
import subprocess
import tempfile

from harness import BIN, Sluice, Suite, free_port, wait_until
from tls import client_wrap, site
from wire import (TEXT, Upstream, Wire, answer_101, close_in_order, dial, pair, refusal,
                  request)

suite = Suite()


def dial_from(address, port):
    sock = socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(address, 0))
    return Wire(sock, masked=True)


def status_from(address, port, fields=()):
    wire = dial_from(address, port)
    wire.send(request(fields=fields))
    status = wire.head().status
    wire.close()
    return status


def route_to(upstream, *lines):
    return f"route /\n  proxy_pass {upstream.uri}\n" + "".join(f"  {line}\n" for line in lines)


def always_upgrade(upstream):
    def handle(wire):
        head = wire.head()
        wire.send(answer_101(head.get("Sec-WebSocket-Key")))
        wire.rest()
    upstream.serve(handle, times=None)


@suite.check
def a_listener_lets_in_whom_its_first_line_names():
    with Upstream() as upstream, Sluice(
            "deny 127.0.0.2\nallow 127.0.0.0/29\ndeny all\n" + route_to(upstream)) as sluice:
        always_upgrade(upstream)
        assert status_from("127.0.0.1", sluice.port) == 101
        assert status_from("127.0.0.3", sluice.port) == 101
        assert status_from("127.0.0.2", sluice.port) == 403
        assert status_from("127.0.0.9", sluice.port) == 403
        line = sluice.access_line("refused", status="403")
        assert line["reason"] == "client's address is denied", line


@suite.check
def in_tls_who_is_denied_costs_no_handshake():
    with Upstream() as upstream, Sluice(site().lines + "  deny 127.0.0.2\n" + route_to(upstream),
                                        wrap=client_wrap()) as sluice:
        stranger = dial_from("127.0.0.2", sluice.port)
        stranger.expect_end()
        client, server = pair(sluice, upstream)
        close_in_order(client, server)
        wait_until(lambda: "turned away" in sluice.errors(), "a line of who was turned away")
        assert "client's address is denied" in sluice.errors()


@suite.check
def healthz_answers_whom_the_listener_denies():
    with Upstream() as upstream, Sluice(
            "healthz /healthz\ndeny all\n" + route_to(upstream)) as sluice:
        wire = dial(sluice.port)
        wire.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert wire.head().status == 200
        assert refusal(sluice, request())[0].status == 403


@suite.check
def behind_a_trusted_proxy_the_client_is_meant():
    conf = "trusted_proxies 127.0.0.1\ndeny 192.0.2.1\n"
    with Upstream() as upstream, Sluice(
            conf + route_to(upstream, "allow 192.0.2.0/24", "deny all")) as sluice:
        always_upgrade(upstream)
        for client, wanted in [("192.0.2.1", 403), ("192.0.2.2", 101), ("198.51.100.1", 403)]:
            got = status_from("127.0.0.1", sluice.port, [("X-Forwarded-For", client)])
            assert got == wanted, (client, got)
        # Nobody believes a stranger.
        assert status_from("127.0.0.2", sluice.port, [("X-Forwarded-For", "192.0.2.2")]) == 403


@suite.check
def plain_requests_are_kept_out_as_well():
    with Sluice("route /\n  return 204\n  deny 127.0.0.2\n") as sluice:
        for address, wanted in [("127.0.0.1", 204), ("127.0.0.2", 403)]:
            wire = dial_from(address, sluice.port)
            wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert wire.head().status == wanted


@suite.check
def a_reload_denies_who_comes_and_cuts_nobody():
    with Upstream() as upstream, Sluice("deny 127.0.0.2\n" + route_to(upstream)) as sluice:
        client, server = pair(sluice, upstream)
        with open(sluice.conf_path, encoding="utf-8") as file:
            text = file.read()
        sluice.write_conf(text.replace("deny 127.0.0.2", "deny all"))
        sluice.signal(signal.SIGHUP)
        wait_until(lambda: " is in use as generation 2," in sluice.errors(), "the new conf")
        assert refusal(sluice, request())[0].status == 403
        client.send_frame(TEXT, "still here")
        server.expect(TEXT, "still here")
        close_in_order(client, server)


@suite.check
def pages_are_told_apart_by_their_origin():
    rules = "allowed_origins https://app.example *.pages.example same-origin"
    with Upstream() as upstream, Sluice(route_to(upstream, rules)) as sluice:
        always_upgrade(upstream)
        host = f"edge.example:{sluice.port}"
        for origin, wanted in [(None, 101), ("https://app.example", 101),
                               ("https://APP.example:443", 101), ("http://app.example", 403),
                               ("https://app.example:8443", 403), ("null", 403),
                               ("https://a.b.pages.example", 101), ("https://pages.example", 403),
                               ("https://app.example.evil.example", 403),
                               (f"http://{host}", 101), (f"https://{host}", 403),
                               ("http://edge.example", 403)]:
            fields = [("Origin", origin)] if origin is not None else []
            wire = dial(sluice.port)
            wire.send(request(host=host, fields=fields))
            got = wire.head().status
            assert got == wanted, (origin, got)
            wire.close()
        line = sluice.access_line("refused", status="403")
        assert line["reason"] == "origin not allowed", line
        assert "Origin is http" in line["detail"], line


@suite.check
def a_subprotocol_may_be_required():
    with Upstream() as upstream, Sluice(
            route_to(upstream, "subprotocols chat", "require_subprotocol on")) as sluice:
        always_upgrade(upstream)
        for offered, wanted in [(None, 400), ("mqtt", 400), ("mqtt, chat", 101)]:
            fields = [("Sec-WebSocket-Protocol", offered)] if offered else []
            assert status_from("127.0.0.1", sluice.port, fields) == wanted, offered


def warnings_of(conf):
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(conf)
        file.flush()
        run = subprocess.run([os.path.join(BIN, "sluice"), "-t", "-c", file.name],
                             capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        return run.stderr


@suite.check
def pages_from_anywhere_at_a_public_listener_are_warned_of():
    port = free_port()
    routes = ("route /a\n proxy_pass ws://127.0.0.1:1\nroute /b\n proxy_pass ws://127.0.0.1:1\n"
              "route /c\n return 204\n")
    told = warnings_of(f"listen {port}\n" + routes)
    assert ':2: route "/a" and 1 other: any web page may open WebSockets here' in told, told
    assert "allowed_origins same-origin" in told
    for conf in (f"listen 127.0.0.1:{port}\n" + routes,
                 f"allowed_origins *\nlisten {port}\n" + routes,
                 f"allowed_origins same-origin\nlisten {port}\n" + routes):
        assert "web page" not in warnings_of(conf), conf
    one = f"listen {port}\n" + routes.replace("route /b\n", "route /b\n allowed_origins null\n")
    assert ':2: route "/a": any web page' in warnings_of(one)
    told = warnings_of(f"listen 127.0.0.1:{port}\n allow 10.0.0.0/8\n" + routes)
    assert "whom no line names is let in as well" in told, told


suite.run()
