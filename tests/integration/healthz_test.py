"""healthz: what balancers hear on the traffic port while clients are taken and while they are not,
and that no log tells of it."""
import signal

from control import Controlled
from harness import Sluice, Suite, wait_until
from tls import client_wrap, site
from wire import Upstream, dial, pair, refusal, request

suite = Suite()

ASK = b"GET /up HTTP/1.1\r\nHost: balancer\r\n\r\n"


def told(sluice, data=ASK):
    """Status and body; the connection ends behind them."""
    head, body = refusal(sluice, data)
    assert head.get("Connection") == "close", head.raw
    return head.status, body


def ask(first_line, fields="Host: balancer\r\n"):
    return f"{first_line}\r\n{fields}\r\n".encode()


@suite.check
def a_balancer_is_answered_and_no_log_tells_of_it():
    with Upstream() as up, Controlled(up, "@healthz /up") as sluice:
        assert told(sluice) == (200, b"ok\n")
        assert told(sluice, ask("GET /up?from=lb HTTP/1.1")) == (200, b"ok\n")
        assert told(sluice, ask("GET /up HTTP/1.0", "")) == (200, b"ok\n")
        assert told(sluice, ask("HEAD /up HTTP/1.1")) == (200, b"")
        head, _ = refusal(sluice, ASK + b"GET /up HTTP/1.1\r\n\r\n")  # one answer a connection
        assert head.get("Cache-Control") == "no-store" and head.get("Content-Length") == "3"
        # A byte at a time.
        client = dial(sluice.port)
        for byte in ASK:
            client.send(bytes([byte]))
        assert client.head().status == 200
        client.close()
        [worker] = sluice.status()["workers"]
        assert (worker["refused"], worker["relayed"]) == (6, 0), worker
        # Who comes for a session gets one, beside it.
        client, server = pair(sluice, up)
        client.close()
        server.close()
        sluice.access_line("close")
        assert [line["event"] for line in sluice.access()] == ["open", "close"]
        assert "refused" not in sluice.errors()


@suite.check
def what_is_not_exactly_that_goes_its_usual_way():
    with Upstream() as up, Controlled(up, "@healthz /up") as sluice:
        for data, status in ((ask("POST /up HTTP/1.1"), 426), (ask("OPTIONS /up HTTP/1.1"), 426),
                             (ask("GET /up/ HTTP/1.1"), 426), (ask("GET /Up HTTP/1.1"), 426),
                             (ask("GET /up HTTP/1.1", ""), 400),
                             (ask("GET /up HTTP/1.1", "Host: a\r\nHost: b\r\n"), 400),
                             (ask("GET /up HTTP/1.1", "Host: a\r\nContent-Length: 3\r\n"), 200)):
            head, _ = refusal(sluice, data)
            assert head.status == status, (data, head.status)
        # It goes before routes, also for who wants to upgrade.
        assert told(sluice, request("/up")) == (200, b"ok\n")
    with Upstream() as up, Controlled(up) as sluice:
        assert refusal(sluice, ASK)[0].status == 426


@suite.check
def over_tls_too():
    with Upstream() as up, Sluice(f"{site().lines}  healthz /up\nroute /\n  proxy_pass {up.uri}\n",
                                  wrap=client_wrap()) as sluice:
        assert told(sluice) == (200, b"ok\n")
        assert sluice.access() == []


@suite.check
def a_drained_listener_says_so_to_balancers_and_comes_back():
    with Upstream() as up, Controlled(up, "@healthz /up") as sluice:
        listener = f"listener 127.0.0.1:{sluice.port}".split()
        early = dial(sluice.port)  # accepted before, asks behind it
        early.send(ASK[:7])
        wait_until(lambda: sluice.status()["workers"][0]["accepted"] == 1, "the accept")
        assert sluice.say("drain", *listener, "over", "0s").returncode == 0
        early.send(ASK[7:])
        assert early.head().status == 503
        assert told(sluice) == (503, b"drained\n")
        assert sluice.access() == []
        head, body = refusal(sluice, request())
        assert head.status == 503 and b"Request id" in body and head.get("Retry-After"), body
        sluice.access_line("refused", reason="drained")
        assert sluice.say("undrain", *listener).returncode == 0
        assert told(sluice) == (200, b"ok\n")


@suite.check
def a_worker_that_leaves_says_so_to_who_has_come():
    with Upstream() as up, Controlled(up, "@healthz /up\n@drain_timeout off") as sluice:
        early = dial(sluice.port)
        early.send(ASK[:7])
        wait_until(lambda: sluice.status()["workers"][0]["accepted"] == 1, "the accept")
        sluice.signal(signal.SIGQUIT)
        wait_until(lambda: sluice.status()["ending"], "the end's beginning")
        wait_until(lambda: refuses(sluice.port), "a closed listener")
        early.send(ASK[7:])
        head = early.head()
        assert head.status == 503 and early.rest() == b"drained\n"
        early.close()
        assert sluice.wait() == 0, sluice.errors()


def refuses(port):
    try:
        dial(port).close()
        return False
    except OSError:
        return True


@suite.check
def behind_a_balancer_with_proxy_headers_and_over_reloads():
    with Upstream() as up, Controlled(
            up, "@healthz /up\n@proxy_protocol on\n@trusted_proxies 127.0.0.1") as sluice:
        assert told(sluice, b"PROXY UNKNOWN\r\n" + ASK) == (200, b"ok\n")
        with open(sluice.conf_path, encoding="utf-8") as file:
            text = file.read()
        for line, status in (("healthz /other", 426), ("healthz off", 426), ("healthz /up", 200)):
            Sluice.write_conf(sluice, text.replace("healthz /up", line))
            assert sluice.say("reload").returncode == 0
            head, _ = refusal(sluice, b"PROXY UNKNOWN\r\n" + ASK)
            assert head.status == status, (line, head.status)


suite.run()
