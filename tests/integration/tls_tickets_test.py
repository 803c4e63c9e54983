"""Session tickets: their keys are the same in all workers, are rotated, and may be off."""
import os
import signal
import ssl
import time

from harness import Sluice, Suite, free_port, wait_until
from tls import SClient, authority, client_context, client_wrap, site
from wire import TEXT, Upstream, dial, pair, request

suite = Suite()

BOTH = ("TLSv1_2", "TLSv1_3")


def secure(upstream, top="", listener="", **options):
    return Sluice(f"{top}\n{site().lines}{listener}\nroute /\n  proxy_pass {upstream.uri}", **options)


class Visitor:
    """A client that comes back with the session it got last."""

    def __init__(self, sluice, upstream, version):
        self.sluice, self.upstream = sluice, upstream
        self.context = client_context(version=ssl.TLSVersion[version])
        self.session = None
        self.visits = 0

    def visit(self, keep=True):
        """One session with the same upstream; (resumed, the worker that served it)."""
        self.visits += 1
        target = f"/visit/{id(self)}/{self.visits}"
        client, server = pair(self.sluice, self.upstream, target=target, wrap=client_wrap(
            self.context, session=self.session))
        server.send_frame(TEXT, "x")
        client.expect(TEXT, "x")  # by then a TLS 1.3 ticket has come, too
        tls = client.sock.tls
        reused = tls.session_reused
        if keep:
            self.session = tls.session
        client.close()
        server.close()
        return reused, self.sluice.access_line("open", target=target)["id"].split("-")[0]


@suite.check_each(*BOTH)
def resumed_at_the_other_worker(version):
    with Upstream() as upstream, secure(upstream, workers=2) as sluice:
        visitor = Visitor(sluice, upstream, version)
        reused, home = visitor.visit()
        assert not reused
        elsewhere = 0
        for _ in range(200):
            reused, worker = visitor.visit(keep=False)
            assert reused, f"a ticket of worker {home} is not good at worker {worker}"
            elsewhere += worker != home
            if elsewhere >= 3:
                break
        assert elsewhere >= 3, "the other worker never answered"


@suite.check_each(*BOTH)
def resumed_at_a_worker_that_took_ones_place(version):
    with Upstream() as upstream, secure(upstream) as sluice:
        sluice.may_be_killed = True
        visitor = Visitor(sluice, upstream, version)
        visitor.visit()
        worker = sluice.workers()[0]
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: sluice.workers() and worker not in sluice.workers(), "a new worker")
        assert visitor.visit()[0]


@suite.check
def resumed_by_s_client():
    with Upstream() as upstream, secure(upstream) as sluice:
        path = os.path.join(sluice.folder, "session.pem")
        with SClient(sluice.port, "-tls1_2", "-sess_out", path) as client:
            assert "New, TLSv1.2" in client.wait_for("Verify return code: 0"), client.output
            assert "TLS session ticket lifetime hint: 43200 (seconds)" in client.output
        wait_until(lambda: os.path.exists(path) and os.path.getsize(path), "the session's file")
        with SClient(sluice.port, "-tls1_2", "-sess_in", path) as client:
            assert "Reused, TLSv1.2" in client.wait_for("Verify return code: 0"), client.output


def rotations(sluice):
    return sluice.errors().count("ticket keys rotated")


def await_rotations(sluice, count):
    until = rotations(sluice) + count
    wait_until(lambda: rotations(sluice) >= until, "rotation")
    time.sleep(0.1)  # until the workers have heard of it


@suite.check_each(*BOTH)
def tickets_live_through_one_rotation(version):
    """Asked as soon as the keys have changed once; a busy machine gets several tries."""
    with Upstream() as upstream, secure(upstream, "@tls_ticket_lifetime 2s", workers=2) as sluice:
        for _ in range(8):
            await_rotations(sluice, 1)
            time.sleep(1)
            visitor = Visitor(sluice, upstream, version)
            before = rotations(sluice)
            visitor.visit()
            await_rotations(sluice, 1)
            reused = visitor.visit()[0]
            if reused and rotations(sluice) > before:
                return
        raise AssertionError("a ticket never outlived a rotation")


@suite.check_each(*BOTH)
def tickets_end(version):
    """After more rotations the client gets a full TLS handshake, and no error."""
    with Upstream() as upstream, secure(upstream, "@tls_ticket_lifetime 1s") as sluice:
        visitor = Visitor(sluice, upstream, version)
        visitor.visit()
        await_rotations(sluice, 3)
        assert not visitor.visit()[0]
        assert visitor.visit()[0], "the new ticket is good"


@suite.check_each(*BOTH)
def tickets_off(version):
    with Upstream() as upstream, secure(upstream, "@tls_ticket_lifetime off") as sluice:
        visitor = Visitor(sluice, upstream, version)
        visitor.visit()
        assert not visitor.session or not visitor.session.has_ticket
        assert not visitor.visit()[0]
        assert "ticket keys" not in sluice.errors()


@suite.check_each(*BOTH)
def tickets_of_another_run_are_refused(version):
    """Keys die with the master; a stranger's ticket is only a full TLS handshake."""
    with Upstream() as upstream:
        with secure(upstream) as sluice:
            visitor = Visitor(sluice, upstream, version)
            visitor.visit()
        with secure(upstream) as sluice:
            visitor.sluice = sluice
            assert not visitor.visit()[0]


@suite.check_each(*BOTH)
def tickets_are_no_way_around_client_certificates(version):
    """A ticket of a listener that asks for nothing does not open one that does, nor of one with
    other authorities; the same keys seal for both."""
    demanding = (f"listen 127.0.0.1:%d\n{site().lines}  tls_client_ca {authority().path}\n"
                 "  tls_verify_client %s\n")
    with Upstream() as upstream:
        for how in ("on", "optional"):
            port = free_port()
            with secure(upstream, listener=demanding % (port, how)) as sluice:
                visitor = Visitor(sluice, upstream, version)
                visitor.visit()
                assert visitor.visit()[0]
                wrap = client_wrap(visitor.context, session=visitor.session)
                try:
                    client = dial(port, wrap=wrap)
                    client.send(request(drop=("Host",)))
                    assert client.head().status == 400
                    assert how == "optional", "a ticket opened a door that asks for a certificate"
                    assert not client.sock.tls.session_reused
                except ssl.SSLError as error:
                    assert how == "on" and "ALERT" in str(error), error


suite.run()
