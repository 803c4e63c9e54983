"""What a peer inside TLS may not send without end, and what the log says of it."""
import os
import subprocess

from harness import BIN, PATIENCE, Sluice, Suite, wait_until
from tls import SClient, client_wrap, site
from wire import Upstream, answer_101

suite = Suite()


def secure(upstream, listener=""):
    return Sluice(f"{site().lines}{listener}\nroute /\n  proxy_pass {upstream.uri}",
                  wrap=client_wrap())


@suite.check
def key_updates_without_end():
    """More than 32 in a row, with nothing else, end the connection, before a request as well."""
    with Upstream() as upstream, secure(upstream) as sluice:
        with SClient(sluice.port, "-tls1_3") as client:
            client.wait_for("Verify return code: 0")
            most = 1000  # a proxy that gets no processor for a while ends the connection late
            for typed in range(1, most + 1):
                if not client.type("k\n"):
                    break
                wait_until(lambda typed=typed: client.output.count("KEYUPDATE") >= typed
                           or not client.reader.is_alive(), "s_client")
                if not client.reader.is_alive():
                    break
            client.reader.join(PATIENCE)
            sent = client.output.count("KEYUPDATE")
            assert 32 < sent < most, sent
        sluice.access_line("refused", detail=(
            "TLS record 33 in a row without data over tls_max_records_without_data 32"))


@suite.check
def records_without_data_are_limited_by_a_directive():
    """A relayed session's close line names the limit and what was seen."""
    for listener, updates, limit in (("", 33, 32),
                                     ("  tls_max_records_without_data 9\n", 10, 9)):
        with Upstream() as upstream, secure(upstream, listener) as sluice:
            upstream.serve(take_everything)
            flood = subprocess.run(
                [os.path.join(BIN, "key-flood"), f"wss://127.0.0.1:{sluice.port}/",
                 "--updates", str(updates)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                text=True, timeout=PATIENCE, check=False)
            assert "begin" in flood.stderr, flood.stderr
            sluice.access_line("close", closed_by="client", reason=(
                f"TLS record {updates} in a row without data over "
                f"tls_max_records_without_data {limit}"))


def take_everything(wire):
    wire.request = wire.head()
    wire.send(answer_101(wire.request.get("Sec-WebSocket-Key")))
    while wire.sock.recv(65536):
        pass


suite.run()
