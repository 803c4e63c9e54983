"""How many connections a client may have, and how often it may come: over all workers, beside one
that dies, and over a reload."""
import os
import signal
import socket
import time

from harness import Sluice, Suite, free_port, wait_until
from tls import site
from wire import Upstream, Wire, answer_101, request

suite = Suite()

TRUSTED = "@trusted_proxies 127.0.0.0/8\n"


def serve(upstream):
    def handle(wire):
        head = wire.head()
        wire.send(answer_101(head.get("Sec-WebSocket-Key")))
        wire.rest()
    upstream.serve(handle, times=None)


def route_to(upstream, *lines):
    return f"route /\n  proxy_pass {upstream.uri}\n" + "".join(f"  {line}\n" for line in lines)


def come(port, address="127.0.0.1", fields=()):
    """A client's wire, with `answer`; None where it is closed without one."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(address, 0))
    wire = Wire(sock, masked=True)
    wire.send(request(fields=fields))
    wire.answer = wire.head()
    return wire


def held(wires):
    return [wire for wire in wires if wire.answer.status == 101]


def fill(port, most, **options):
    """Comes until `most` are in, and one more than is not."""
    inside = []
    def one_more():
        wire = come(port, **options)
        if wire.answer.status == 101:
            inside.append(wire)
        else:
            wire.close()
        return len(inside) >= most
    wait_until(one_more, lambda: f"{len(inside)} of {most} in")
    return inside


def close(wires):
    for wire in wires:
        wire.close()


def reasons(sluice):
    return {line.get("reason", "") for line in sluice.access() if line["event"] == "refused"}


@suite.check
def a_client_has_so_many_and_another_has_its_own():
    with Upstream() as upstream, Sluice(route_to(upstream, "limit_connections 3 per client"),
                                        workers=4) as sluice:
        serve(upstream)
        mine = fill(sluice.port, 3)
        over = [come(sluice.port) for _ in range(8)]
        assert {wire.answer.status for wire in over} == {429}
        assert over[0].answer.get("Retry-After") == "1", over[0].answer.raw
        others = fill(sluice.port, 3, address="127.0.0.2")
        line = sluice.access_line("refused", status="429")
        assert line["reason"] == "limit_connections per client reached", line
        assert line["detail"] == "limit_connections 3 per client", line
        told = "raise it if many users share that address"
        wait_until(lambda: told in sluice.errors(), told)
        mine.pop().close()  # one goes, one comes
        mine += fill(sluice.port, 1)
        assert come(sluice.port).answer.status == 429
        close(mine + others + over)


@suite.check
def a_route_has_so_many_of_whomever():
    with Upstream() as upstream, Sluice(
            route_to(upstream, "limit_connections 4 per route", "limit_connections 3 per client"),
            workers=2) as sluice:
        serve(upstream)
        mine = fill(sluice.port, 3)
        assert come(sluice.port).answer.status == 429
        other = fill(sluice.port, 1, address="127.0.0.2")
        refused = come(sluice.port, address="127.0.0.3")
        assert refused.answer.status == 503
        assert int(refused.answer.get("Retry-After")) >= 1
        close(mine)
        # What refused whom the route had no seat for took none of the client's own.
        fill(sluice.port, 3, address="127.0.0.3")
        close(other)


@suite.check
def who_finds_no_server_holds_no_seat():
    with Sluice(f"route /\n  proxy_pass ws://127.0.0.1:{free_port()}\n"
                "  limit_connections 1 per client\n", workers=2) as sluice:
        for _ in range(5):
            wire = come(sluice.port)
            assert wire.answer.status == 502, wire.answer.line  # its connection lingers, no more
        assert reasons(sluice) and not any("limit" in reason for reason in reasons(sluice))


@suite.check
def never_more_and_never_a_seat_lost_beside_a_worker_that_dies():
    most = 6
    with Upstream() as upstream, Sluice(
            route_to(upstream, f"limit_connections {most} per client"), workers=4) as sluice:
        sluice.may_be_killed = True
        serve(upstream)
        for _ in range(3):
            inside = fill(sluice.port, most)
            assert not held([come(sluice.port) for _ in range(10)])
            victim = sluice.workers()[-1]
            os.kill(victim, signal.SIGKILL)
            wait_until(lambda v=victim: v not in sluice.workers(), "the death")
            wait_until(lambda: len(sluice.workers()) == 4, "a successor")
            alive = []
            for wire in inside:
                wire.sock.settimeout(0.2)
                try:
                    ended = wire.sock.recv(1) == b""
                except socket.timeout:
                    ended = False
                except ConnectionResetError:
                    ended = True
                (wire.close() if ended else alive.append(wire))
            # What the dead one had can be had again, and no more.
            more = fill(sluice.port, most - len(alive)) if len(alive) < most else []
            assert not held([come(sluice.port) for _ in range(10)])
            close(alive + more)


@suite.check
def a_v6_client_is_its_64():
    with Upstream() as upstream, Sluice(
            TRUSTED + route_to(upstream, "limit_connections 1 per client"), workers=2) as sluice:
        serve(upstream)
        def status(client):
            return come(sluice.port, fields=[("X-Forwarded-For", client)])
        kept = [status("2001:db8:1:2::1")]
        assert kept[0].answer.status == 101
        assert status("2001:db8:1:2:ffff::9").answer.status == 429
        for client in ("2001:db8:1:3::1", "192.0.2.1", "192.0.2.2"):
            kept.append(status(client))
            assert kept[-1].answer.status == 101, client
        assert status("::ffff:192.0.2.1").answer.status == 429
        close(kept)


@suite.check
def a_listener_counts_connections_that_say_nothing():
    with Upstream() as upstream, Sluice("  limit_connections 2 per client\n" + route_to(upstream),
                                        workers=4) as sluice:
        serve(upstream)
        silent = [socket.create_connection(("127.0.0.1", sluice.port)) for _ in range(2)]
        wait_until(lambda: come(sluice.port).answer.status == 429, "the limit")
        assert come(sluice.port, address="127.0.0.2").answer.status == 101
        told = "limit_connections 2 per client reached by 127.0.0.1"
        wait_until(lambda: told in sluice.errors(), told)
        for sock in silent:
            sock.close()
        kept = fill(sluice.port, 2)
        assert come(sluice.port).answer.status == 429
        close(kept)


@suite.check
def in_tls_it_is_silent():
    with Upstream() as upstream, Sluice(
            site().lines + "  limit_connections 1 per client\n" + route_to(upstream)) as sluice:
        first = socket.create_connection(("127.0.0.1", sluice.port))
        second = socket.create_connection(("127.0.0.1", sluice.port))
        second.settimeout(20)
        assert second.recv(1) == b""
        first.close()
        told = "is closed; raise it if many users share that address"
        wait_until(lambda: told in sluice.errors(), told)


@suite.check
def a_client_comes_so_often_and_is_told_when_to_come_again():
    with Upstream() as upstream, Sluice(
            route_to(upstream, "limit_handshakes 30/m burst=4 per client"), workers=4) as sluice:
        serve(upstream)
        begin = time.monotonic()
        wires = [come(sluice.port) for _ in range(12)]
        took = time.monotonic() - begin
        let_in = len(held(wires))
        assert 4 <= let_in <= 5 + took / 2, (let_in, took)
        refused = [wire for wire in wires if wire.answer.status == 429]
        assert len(refused) == 12 - let_in
        assert {wire.answer.get("Retry-After") for wire in refused} <= {"1", "2"}
        assert len(held([come(sluice.port, address="127.0.0.2")])) == 1
        line = sluice.access_line("refused", status="429")
        assert line["reason"] == "limit_handshakes per client reached", line
        assert line["detail"] == "limit_handshakes 30/m burst=4 per client", line
        time.sleep(int(refused[-1].answer.get("Retry-After")))
        fill(sluice.port, 1)
        close(wires)


@suite.check
def a_reload_keeps_what_is_counted():
    with Upstream() as upstream, Sluice(
            route_to(upstream, "limit_connections 2 per client"), workers=2) as sluice:
        serve(upstream)
        kept = fill(sluice.port, 2)
        with open(sluice.conf_path, encoding="utf-8") as file:
            text = file.read()
        sluice.write_conf("client_table_size 5000\n" + text.replace("2 per client", "3 per client"))
        sluice.signal(signal.SIGHUP)
        wait_until(lambda: " is in use as generation 2," in sluice.errors(), "the reload")
        assert "client_table_size: takes effect at the next start" in sluice.errors()
        kept += fill(sluice.port, 1)
        assert come(sluice.port).answer.status == 429
        close(kept)


if __name__ == "__main__":
    suite.run()
