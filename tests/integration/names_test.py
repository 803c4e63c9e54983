"""Servers that are named: a name server that changes its mind, lies or says nothing, and what
becomes of new handshakes and of the sessions that are there."""
import os
import select
import signal
import socket
import time

from balanced import Balanced, Greeting
from harness import Suite, wait_until
from stub_dns import StubDns
from wire import CLOSE, close_payload

suite = Suite()

# A start asks the system's resolver first, behind which there may be nobody (resolv.conf(5)).
os.environ["RES_OPTIONS"] = "timeout:1 attempts:1"


def greeting(address, port=0):
    """An upstream at an address of its own in 127/8."""
    listener = socket.socket()
    listener.bind((address, port))
    return Greeting(listener)


def is_open(client):
    """Nothing came, no end either."""
    try:
        return not select.select([client.sock], [], [], 0)[0]
    except ValueError:
        return False


class Named(Balanced):
    """`server` is a name, which that name server leads somewhere."""

    def __init__(self, dns, server, lines="", top="", timeout="1s", **options):
        top = f"@resolver {dns.address}\n@resolver_timeout {timeout}\n" + top
        super().__init__([server], lines, top=top, **options)

    def led_to(self):
        return [peer["name"] for peer in self.peers()]

    def leads_to(self, *names):
        wait_until(lambda: self.led_to() == list(names), f"it leads to {names}")


@suite.check
def new_sessions_follow_the_answer_within_its_ttl():
    with StubDns() as dns, greeting("127.0.1.1") as one, greeting("127.0.1.2", one.port) as two:
        dns.set("chat.example", "A", "127.0.1.1", ttl=1)
        first, second = f"127.0.1.1:{one.port}", f"127.0.1.2:{one.port}"
        with Named(dns, f"ws://chat.example:{one.port}", workers=2) as sluice:
            sluice.leads_to(first)
            before = sluice.opened(4)
            assert (one.came, two.came) == (4, 0)
            dns.set("chat.example", "A", "127.0.1.2", ttl=1)
            begin = time.monotonic()
            sluice.leads_to(second)
            print(f"names: an answer with a TTL of 1 s is followed after "
                  f"{time.monotonic() - begin:.2f} s")
            sluice.opened(4)
            assert (one.came, two.came) == (4, 4)
            assert all(is_open(client) for client in before)  # on_peer_gone keep
            dns.set("chat.example", "A", "127.0.1.1", "127.0.1.2", ttl=1)
            sluice.leads_to(first, second)
            # Who comes back in time is the same peer, with its sessions.
            assert sluice.sessions() == [4, 4], sluice.peers()
            assert sluice.status()["generation"] == 1


@suite.check
def a_name_without_an_address_is_a_warning_and_comes_when_it_has_one():
    with StubDns() as dns, greeting("127.0.1.3") as one:
        with Named(dns, f"ws://later.example:{one.port}") as sluice:
            assert "the host cannot be found" in sluice.errors(), sluice.errors()
            assert "its peers come when it is" in sluice.errors(), sluice.errors()
            assert sluice.led_to() == []
            [upstream] = sluice.status()["upstreams"]
            assert upstream["without_address"] == [f"ws://later.example:{one.port}"], upstream
            refused = sluice.open()
            assert refused.answer.status == 503, refused.answer
            sluice.access_line("refused", reason="no server's name has an address yet")
            dns.set("later.example", "A", "127.0.1.3", ttl=60)
            sluice.leads_to(f"127.0.1.3:{one.port}")
            assert sluice.open().answer.status == 101


@suite.check
def what_a_name_server_gets_wrong_changes_nothing():
    with StubDns() as dns, greeting("127.0.1.4") as one:
        dns.set("chat.example", "A", "127.0.1.4", ttl=1)
        with Named(dns, f"ws://chat.example:{one.port}", timeout="300ms",
                   top="@resolve_interval 200ms 300ms\n") as sluice:
            first = f"127.0.1.4:{one.port}"
            sluice.leads_to(first)
            for habit in ("servfail", "nxdomain", "silence", "wrong_id", "wrong_question",
                          "wrong_port", "loop", "garbage"):
                dns.behave(habit)
                dns.wait_for_questions("chat.example", more=2)
                assert sluice.led_to() == [first], (habit, sluice.peers())
                assert sluice.open().answer.status == 101, habit
                dns.behave("")
            assert "chat.example" in sluice.errors(), sluice.errors()


@suite.check
def a_large_answer_is_cut_where_the_conf_says():
    with StubDns() as dns:
        dns.set("many.example", "A", "127.0.0.1")
        dns.behave("many", "many.example")
        # The server in Python takes its time for such an answer where the machine is busy.
        with Named(dns, "ws://many.example:80", top="@resolve_max_addresses 1000\n",
                   timeout="10s") as sluice:
            wait_until(lambda: len(sluice.led_to()) == 1000, "a thousand peers")
            assert "resolve_max_addresses" in sluice.errors(), sluice.errors()


@suite.check
def a_service_brings_ports_priorities_and_weights():
    with StubDns() as dns, greeting("127.0.1.5") as one, greeting("127.0.1.6") as two, \
            greeting("127.0.1.7") as spare:
        dns.set("a.example", "A", "127.0.1.5", ttl=1)
        dns.set("b.example", "A", "127.0.1.6", ttl=1)
        dns.set("c.example", "A", "127.0.1.7", ttl=1)
        dns.set("_ws._tcp.chat.example", "SRV", (10, 3, one.port, "a.example"),
                (10, 1, two.port, "b.example"), (20, 1, spare.port, "c.example"), ttl=1)
        with Named(dns, "srv+ws://_ws._tcp.chat.example") as sluice:
            sluice.leads_to(f"127.0.1.5:{one.port}", f"127.0.1.6:{two.port}",
                            f"127.0.1.7:{spare.port}")
            assert [peer["weight"] for peer in sluice.peers()] == [3, 1, 1]
            assert [peer["backup"] for peer in sluice.peers()] == [False, False, True]
            sluice.opened(40)
            assert (one.came, two.came, spare.came) == (30, 10, 0)
            dns.set("_ws._tcp.chat.example", "SRV", (10, 1, spare.port, "c.example"), ttl=1)
            sluice.leads_to(f"127.0.1.7:{spare.port}")


@suite.check
def sessions_of_a_peer_that_dns_took_out_are_drained():
    with StubDns() as dns, greeting("127.0.1.8") as one, greeting("127.0.1.9", one.port) as two:
        dns.set("chat.example", "A", "127.0.1.8", "127.0.1.9", ttl=1)
        with Named(dns, f"ws://chat.example:{one.port}", "  on_peer_gone drain\n",
                   top="@drain_timeout 1s\n", workers=2) as sluice:
            sluice.leads_to(f"127.0.1.8:{one.port}", f"127.0.1.9:{one.port}")
            clients = sluice.opened(10)
            wait_until(lambda: sum(line["event"] == "open" for line in sluice.access()) == 10,
                       "all sessions in the log")
            gone = {int(line["client"].rsplit(":", 1)[1]) for line in sluice.access()
                    if line["event"] == "open" and line["peer"].startswith("127.0.1.8:")}
            assert 3 <= len(gone) <= 7, gone
            dns.set("chat.example", "A", "127.0.1.9", ttl=1)
            for client in clients:
                if client.sock.getsockname()[1] in gone:
                    client.expect(CLOSE, close_payload(1012))
                    client.send_frame(CLOSE, close_payload(1012))
            sluice.access_line("close", reason="on_peer_gone", sent_client="1012")
            wait_until(lambda: sluice.sessions() == [10 - len(gone)], "the others stay")


@suite.check
def a_keeper_that_dies_loses_nothing():
    with StubDns() as dns, greeting("127.0.1.10") as one, greeting("127.0.1.11", one.port) as two:
        dns.set("chat.example", "A", "127.0.1.10", ttl=1)
        with Named(dns, f"ws://chat.example:{one.port}") as sluice:
            sluice.leads_to(f"127.0.1.10:{one.port}")
            sluice.may_be_killed = True
            dns.behave("silence")
            keeper = sluice.status()["keeper"]["pid"]
            os.kill(keeper, signal.SIGKILL)
            wait_until(lambda: sluice.status()["keeper"]["pid"] not in (0, keeper), "another one")
            assert sluice.led_to() == [f"127.0.1.10:{one.port}"]
            assert sluice.open().answer.status == 101
            # A worker that begins now knows what those before it were told.
            dns.set("chat.example", "A", "127.0.1.11", ttl=1)
            dns.behave("")
            sluice.leads_to(f"127.0.1.11:{one.port}")
            [worker] = sluice.status()["workers"]
            os.kill(worker["pid"], signal.SIGKILL)
            wait_until(lambda: sluice.status()["workers"][0]["pid"] not in (0, worker["pid"]),
                       "another worker")
            assert sluice.open().answer.status == 101
            assert two.came == 1


@suite.check
def a_reload_takes_the_latest_answer_for_granted():
    with StubDns() as dns, greeting("127.0.1.12") as one:
        dns.set("chat.example", "A", "127.0.1.12", ttl=1)
        with Named(dns, f"ws://chat.example:{one.port}") as sluice:
            sluice.leads_to(f"127.0.1.12:{one.port}")
            dns.behave("silence")
            begin = time.monotonic()
            sluice.reload([f"ws://chat.example:{one.port}", "ws://127.0.0.1:1 backup"])
            assert time.monotonic() - begin < 5
            sluice.leads_to(f"127.0.1.12:{one.port}", "127.0.0.1:1")
            assert sluice.open().answer.status == 101
            assert sluice.status()["generation"] == 2
            dns.set("chat.example", "A", "127.0.1.13", ttl=1)
            dns.behave("")
            sluice.leads_to(f"127.0.1.13:{one.port}", "127.0.0.1:1")


@suite.check
def checks_follow_names():
    with StubDns() as dns, greeting("127.0.1.14") as one, greeting("127.0.1.15", one.port):
        dns.set("chat.example", "A", "127.0.1.14", ttl=1)
        with Named(dns, f"ws://chat.example:{one.port}", "  health_check tcp interval=100ms\n",
                   ) as sluice:
            def state():
                return [(peer["name"][:-len(str(one.port)) - 1], peer["check"]["state"])
                        for peer in sluice.peers()]
            wait_until(lambda: state() == [("127.0.1.14", "up")], "the first one is checked")
            dns.set("chat.example", "A", "127.0.1.15", "127.0.1.16", ttl=1)
            wait_until(lambda: state() == [("127.0.1.15", "up"), ("127.0.1.16", "down")],
                       "those that it leads to now are")


suite.run()
