"""All clients come at once: handshake_rate lets in as many as it says over all workers, the others
wait, and beyond handshake_queue_time they are refused; the sessions that live notice nothing."""
import os
import re
import selectors
import signal
import socket
import ssl
import tempfile
import time

from harness import PATIENCE, Sluice, Suite, free_port, wait_until
from tls import client_context, site
from wire import TEXT, Upstream, pair, request

suite = Suite()

NOBODY = request("/nobody")  # served by the proxy itself: 404
ROUTE = "route /chat\n  proxy_pass ws://127.0.0.1:1"
LATENESS = 0.01  # what a limit makes up for, in seconds


class Storm:
    """Clients that connect at once and send `data`; what each is answered, and when."""

    def __init__(self, count, address, data=NOBODY):
        self.selector = selectors.DefaultSelector()
        self.answers = [b""] * count
        self.answered_at = [None] * count  # the first byte, or the end without any
        self.ended = [None] * count        # "end" or "reset"
        self.begin = time.monotonic()
        for number in range(count):
            family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
            sock = socket.socket(family)
            sock.settimeout(PATIENCE)
            sock.connect(address)
            if data:
                sock.sendall(data)
            sock.setblocking(False)
            self.selector.register(sock, selectors.EVENT_READ, number)

    def __len__(self):
        return len(self.answers)

    def turn(self, seconds):
        for key, _ in self.selector.select(seconds):
            number = key.data
            try:
                got = key.fileobj.recv(65536)
            except ConnectionResetError:
                got = None
            if self.answered_at[number] is None:
                self.answered_at[number] = time.monotonic()
            if got:
                self.answers[number] += got
                continue
            self.ended[number] = "reset" if got is None else "end"
            self.selector.unregister(key.fileobj)
            key.fileobj.close()

    def run(self, seconds=PATIENCE, until=None):
        """Until all are answered, or `until()`, or the time is over."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not (until or self.all_answered)():
            self.turn(0.02)
        return self

    def all_answered(self):
        return None not in self.answered_at

    def answered(self):
        return sum(at is not None for at in self.answered_at)

    def statuses(self):
        return [int(answer[9:12]) if len(answer) > 12 else 0 for answer in self.answers]

    def let_in(self):
        """When each was answered that was not refused, in order."""
        return sorted(at - self.begin for at, status in zip(self.answered_at, self.statuses())
                      if at is not None and status not in (503, 0))

    def close(self):
        for key in list(self.selector.get_map().values()):
            self.selector.unregister(key.fileobj)
            key.fileobj.close()


def assert_no_faster(let_in, rate, burst):
    """At no time were more let in than that limit permits since the storm's beginning."""
    for number, at in enumerate(let_in, 1):
        most = burst + rate * (at + LATENESS) + 1
        assert number <= most, f"{number} within {at:.3f} s, {most:.1f} may be"


def limited(rate, patience="1h", workers=3, rest=ROUTE, **options):
    return Sluice(f"@handshake_rate {rate}\n@handshake_queue_time {patience}\n{rest}",
                  workers=workers, **options)


def counted(sluice, name):
    return sum(sluice.report(worker)[name] for worker in sluice.workers())


def rewrite(sluice, old, new):
    with open(sluice.conf_path, encoding="utf-8") as file:
        text = file.read()
    assert old in text, text
    generation = sluice.errors().count(" is in use as generation ") + 1
    sluice.write_conf(text.replace(old, new))
    sluice.signal(signal.SIGHUP)
    wait_until(lambda: sluice.errors().count(" is in use as generation ") >= generation,
               "the new conf")


@suite.check
def the_rate_holds_over_all_workers_and_who_waits_is_served():
    with limited("100/s burst=10") as sluice:
        storm = Storm(250, ("127.0.0.1", sluice.port)).run()
        assert storm.statuses() == [404] * 250, storm.statuses()
        let_in = storm.let_in()
        assert_no_faster(let_in, 100, 10)
        rate = (len(let_in) - 10) / let_in[-1]
        print(f"storm: {rate:.1f} a second at handshake_rate 100/s, over 3 workers")
        assert rate > 50, rate
        assert counted(sluice, "accepted") == 250
        assert counted(sluice, "handshake_rate_refused") == 0
        pauses = counted(sluice, "handshake_rate_pauses")
        assert 1 <= pauses <= 250, pauses
        line = (f"listen 127.0.0.1:{sluice.port}: handshake_rate 100/s burst=10 reached: accepting "
                "pauses, and clients wait in the backlog; raise it if this machine can do more "
                "handshakes")
        assert line in sluice.errors(), sluice.errors()
        assert sluice.errors().count(line) <= 5 * 3
        sluice.wait_idle()


@suite.check
def a_rate_below_which_clients_stay_holds_nobody_back():
    with limited("1000/s burst=100", workers=2) as sluice:
        for _ in range(5):
            storm = Storm(20, ("127.0.0.1", sluice.port)).run()
            assert storm.statuses() == [404] * 20
            time.sleep(0.05)
        assert counted(sluice, "handshake_rate_pauses") == 0
        assert " reached: accepting pauses" not in sluice.errors()


@suite.check
def after_the_queue_time_503_with_a_time_to_come_again_while_sessions_go_on():
    with Upstream() as upstream, limited("10/s burst=10", "300ms", workers=2,
                                         rest=f"{ROUTE}\nroute /\n  proxy_pass {upstream.uri}",
                                         ) as sluice:
        session = pair(sluice, upstream, "/")
        storm = Storm(300, ("127.0.0.1", sluice.port), request("/chat"))
        echoed = 0
        while not storm.all_answered() and time.monotonic() < storm.begin + PATIENCE:
            session[0].send_frame(TEXT, str(echoed))
            session[1].expect(TEXT, str(echoed))
            echoed += 1
            storm.turn(0.01)
        assert echoed > 5
        storm.run(until=lambda: None not in storm.ended)
        statuses = storm.statuses()
        assert set(statuses) == {502, 503}, statuses  # nobody listens behind /chat
        let_in = storm.let_in()
        assert_no_faster(let_in, 10, 10)
        assert len(let_in) >= 10 - 1, let_in
        refused = [answer for answer, status in zip(storm.answers, statuses) if status == 503]
        assert set(storm.ended) == {"end"}, "an answer was reset"
        waits = [int(re.search(rb"\r\nRetry-After: (\d+)\r\n", answer).group(1))
                 for answer in refused]
        assert set(waits) <= set(range(1, 11)), waits
        assert len(set(waits)) >= 8, waits
        assert all(b"try again after the seconds that Retry-After names" in answer
                   for answer in refused), refused[0]
        first = min(at for at, status in zip(storm.answered_at, statuses) if status == 503)
        assert first - storm.begin >= 0.29, first - storm.begin
        assert counted(sluice, "handshake_rate_refused") == len(refused)
        assert counted(sluice, "turned_away") == 0
        errors = sluice.errors()
        line = (f" warn listen 127.0.0.1:{sluice.port}: clients waited for handshake_rate 10/s "
                "burst=10 as long as handshake_queue_time 300ms: those who wait are told 503; "
                "raise either if this machine can do more handshakes, else add machines")
        assert 1 <= errors.count(line) <= 5 * 2, errors
        assert all(line["reason"] == "handshake_rate reached" for line in sluice.access()
                   if line.get("status") == "503")
        session[0].send_frame(TEXT, "still here")
        session[1].expect(TEXT, "still here")


@suite.check
def refused_clients_take_no_sessions_place():
    with Upstream() as upstream, Sluice(
            "@worker_connections 3\n@handshake_rate 1/s burst=3\n@handshake_queue_time 1ms\n"
            f"route /chat\n  proxy_pass {upstream.uri}") as sluice:
        held = [pair(sluice, upstream, "/chat") for _ in range(2)]
        storm = Storm(150, ("127.0.0.1", sluice.port)).run()
        refused = storm.statuses().count(503)
        assert refused >= 140, storm.statuses()
        assert counted(sluice, "turned_away") == 0
        time.sleep(1.1)  # one more may be let in
        held.append(pair(sluice, upstream, "/chat"))
        for client, server in held:
            client.send_frame(TEXT, "x")
            server.expect(TEXT, "x")


def client_hello():
    tls = client_context().wrap_bio(ssl.MemoryBIO(), outgoing := ssl.MemoryBIO(), False,
                                    "test.example")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


@suite.check_each(True, False)
def in_tls_they_are_closed_before_the_tls_handshake(speaks):
    """Those who are let in have sent a ClientHello, or nothing yet: both count."""
    with limited("5/s burst=5", "200ms", workers=2, rest=site().lines + ROUTE) as sluice:
        storm = Storm(100, ("127.0.0.1", sluice.port), client_hello() if speaks else b"")
        wait_until(lambda: counted(sluice, "accepted") >= 100, "all are accepted")
        refused = counted(sluice, "handshake_rate_refused")
        storm.run(until=lambda: sum(end is not None for end in storm.ended) >= refused)
        time.sleep(0.1)
        storm.turn(0)
        told = [answer for answer, end in zip(storm.answers, storm.ended) if end is not None]
        assert len(told) == refused and set(told) == {b""}, (len(told), refused, set(told))
        took = time.monotonic() - storm.begin
        let_in = 100 - refused
        assert 5 <= let_in <= 5 + 5 * took + 1, (let_in, took)
        if speaks:
            storm.run(until=lambda: sum(bool(answer) for answer in storm.answers) == let_in)
            assert sum(bool(answer) for answer in storm.answers) == let_in
        assert " those who wait are closed; " in sluice.errors(), sluice.errors()
        storm.close()


@suite.check
def one_listeners_pause_leaves_the_others_alone():
    port = free_port()
    rest = f"  handshake_rate off\nlisten 127.0.0.1:{port}\n{ROUTE}"
    with limited("1/s burst=1", workers=2, rest=rest) as sluice:
        held = Storm(10, ("127.0.0.1", port))
        wait_until(lambda: counted(sluice, "handshake_rate_pauses") >= 1, "a pause")
        free = Storm(50, ("127.0.0.1", sluice.port)).run()
        assert free.statuses() == [404] * 50
        held.run(seconds=0.1)
        assert held.answered() < 10
        assert f"listen 127.0.0.1:{sluice.port}: handshake_rate" not in sluice.errors()
        held.close()


@suite.check_each("off", "2000/s")
def a_reload_lets_on_those_who_wait(rate):
    with limited("1/s burst=2") as sluice:
        storm = Storm(60, ("127.0.0.1", sluice.port))
        wait_until(lambda: counted(sluice, "handshake_rate_pauses") >= 1, "a pause")
        storm.run(seconds=0.2)
        assert storm.answered() <= 4, storm.answered()
        rewrite(sluice, "1/s burst=2", rate)
        storm.run()
        assert storm.statuses() == [404] * 60
        assert counted(sluice, "handshake_rate_refused") == 0


@suite.check
def a_reload_that_lowers_the_rate_holds_at_once():
    with limited("100000/s") as sluice:
        rewrite(sluice, "100000/s", "10/s burst=3")
        storm = Storm(20, ("127.0.0.1", sluice.port)).run()
        assert storm.statuses() == [404] * 20
        assert_no_faster(storm.let_in(), 10, 3)


@suite.check_each(1, 4)
def fewer_and_more_workers_keep_the_rate_and_the_queue(workers):
    with limited("40/s burst=2") as sluice:
        storm = Storm(100, ("127.0.0.1", sluice.port))
        storm.run(until=lambda: storm.answered() > 5)
        rewrite(sluice, "workers 3", f"workers {workers}")
        storm.run()
        assert storm.statuses() == [404] * 100, storm.statuses()
        assert_no_faster(storm.let_in(), 40, 2)


@suite.check
def a_worker_that_dies_leaves_nothing_behind():
    with limited("50/s burst=2") as sluice:
        sluice.may_be_killed = True
        storm = Storm(150, ("127.0.0.1", sluice.port))
        for number in (20, 60):
            storm.run(until=lambda: storm.answered() >= number)
            victim = sluice.workers()[0]
            os.kill(victim, signal.SIGKILL)
            wait_until(lambda: len(sluice.workers()) == 3 and victim not in sluice.workers(),
                       "another worker")
        storm.run()
        statuses = storm.statuses()
        assert statuses.count(404) >= 148, statuses  # one may have been under way in each
        assert_no_faster(storm.let_in(), 50, 2)


@suite.check
def workers_that_share_a_unix_socket_share_the_rate():
    with tempfile.TemporaryDirectory(prefix="sluice-test-") as folder:
        os.chmod(folder, 0o755)
        path = f"{folder}/s.sock"
        with limited("50/s burst=3", rest=f"listen unix:{path}\n{ROUTE}", listen=False) as sluice:
            storm = Storm(60, path).run()
            assert storm.statuses() == [404] * 60, storm.statuses()
            assert_no_faster(storm.let_in(), 50, 3)
            assert counted(sluice, "accepted") == 60


@suite.check_each("quit", "removed")
def a_listener_that_goes_while_it_pauses_answers_everybody(how):
    other = free_port()
    with limited("1/s burst=2", rest=f"listen 127.0.0.1:{other}\n{ROUTE}", workers=2) as sluice:
        storm = Storm(40, ("127.0.0.1", sluice.port))
        wait_until(lambda: counted(sluice, "handshake_rate_pauses") >= 1, "a pause")
        if how == "quit":
            sluice.signal(signal.SIGQUIT)
        else:
            rewrite(sluice, f"listen 127.0.0.1:{sluice.port}\n", "")
        storm.run(until=lambda: None not in storm.ended)
        statuses = storm.statuses()
        assert set(statuses) == {404, 503}, statuses
        assert statuses.count(404) <= 5, statuses
        if how == "quit":
            assert sluice.wait() == 0
        else:
            assert Storm(1, ("127.0.0.1", other)).run().statuses() == [404]


@suite.check
def an_end_while_it_pauses_is_fast():
    with limited("1/s") as sluice:
        storm = Storm(30, ("127.0.0.1", sluice.port))
        wait_until(lambda: counted(sluice, "handshake_rate_pauses") >= 1, "a pause")
        sluice.signal(signal.SIGTERM)
        assert sluice.wait() == 0
        storm.close()


if __name__ == "__main__":
    suite.run()
