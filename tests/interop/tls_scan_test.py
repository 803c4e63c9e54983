# What a stranger finds out about a TLS listener by asking for everything: versions, suites, groups,
# compression (as testssl.sh does).
#   python3 tls_scan_test.py BIN_FOLDER
import os
import socket
import sys

sys.dont_write_bytecode = True  # the source tree stays as it is

from certificates import Certificates  # noqa: E402
from harness import NOBODYS_PORT, Sluice, Tally, bin_folder, expect_equal  # noqa: E402
from tls_hello import (  # noqa: E402
    ALL_GROUPS, ALL_SUITES, DOWNGRADED_TO_12, FALLBACK_SCSV, HANDSHAKE_FAILURE, HEARTBEAT,
    INAPPROPRIATE_FALLBACK, PROTOCOL_VERSION, SSL3, TLS10, TLS11, TLS12, TLS13, say_hello, take_all)

X25519, P256 = 29, 23
# Mozilla's intermediate profile without DHE, by certificate; CHACHA20 last in each row.
SUITES_12 = {"server": [0xc02b, 0xc02c, 0xcca9], "rsa": [0xc02f, 0xc030, 0xcca8]}
SUITES_13 = [0x1301, 0x1302, 0x1303]
HALF = 30_000  # a ClientHello names at most 32,767


def chosen_suite(port, suites, versions=()):
    for at in range(0, len(suites), HALF):
        answer = say_hello(port, suites[at:at + HALF], versions=versions)
        if answer.alert is None:
            return answer.suite
        expect_equal(answer.alert, HANDSHAKE_FAILURE, "alert")
    return None


def take_suites_of_tls12(port, allowed):
    taken = take_all(ALL_SUITES, lambda rest: chosen_suite(port, rest))
    expect_equal(sorted(taken), sorted(allowed), "suites of TLS 1.2")
    expect_equal(all(chosen_suite(port, [suite]) == suite for suite in allowed), True, "each alone")


def take_suites_of_tls13(port):
    taken = take_all(ALL_SUITES, lambda rest: chosen_suite(port, rest, [TLS13]))
    expect_equal(sorted(taken), SUITES_13, "suites of TLS 1.3")


def refuse_versions(port):
    """Whatever comes below TLS 1.2, in either way of naming versions."""
    offered = [*SUITES_12["server"], *SUITES_13, 0xc009, 0xc013, 0x002f]  # and of each older one
    for version in (SSL3, TLS10, TLS11):
        answer = say_hello(port, offered, legacy_version=version)
        expected = PROTOCOL_VERSION if version > SSL3 else HANDSHAKE_FAILURE  # SSL 3 has no other
        expect_equal(answer.alert, expected, f"alert to {version:#x}")
        answer = say_hello(port, offered, versions=[version])
        expect_equal(answer.alert, PROTOCOL_VERSION, f"alert to {version:#x} in the extension")
    for version in (TLS12, TLS13):
        answer = say_hello(port, offered, versions=[TLS10, TLS11, version])
        expect_equal(answer.version, version, "the only one that is allowed")


def refuse_ssl2(port):
    """SSL 2's ClientHello, for three of its suites: no answer at all, or an alert."""
    hello = bytes.fromhex("010002000900000010" "010080" "020080" "0700c0") + os.urandom(16)
    with socket.create_connection(("127.0.0.1", port), 15) as connection:
        connection.sendall(bytes([0x80, len(hello)]) + hello)
        answer = connection.recv(1024)
    expect_equal(answer == b"" or answer[0] == 21, True, "SSL 2")


def know_downgrades(port):
    lower = say_hello(port, [*SUITES_12["server"], FALLBACK_SCSV])
    expect_equal(lower.alert, INAPPROPRIATE_FALLBACK, "a fallback (RFC 7507)")
    lower = say_hello(port, SUITES_12["server"])
    expect_equal(lower.random[-8:], DOWNGRADED_TO_12, "a server that could do better says so")


def take_groups(port):
    """With an RSA certificate: another would ask for its own curve in TLS 1.2 (RFC 8422 5.1)."""
    def of_tls12(groups):
        answer = say_hello(port, SUITES_12["rsa"], groups=groups)
        return answer.group if answer.alert is None else None

    def of_tls13(groups):
        answer = say_hello(port, SUITES_13, groups=groups, versions=[TLS13])
        return answer.group if answer.alert is None else None

    for ask in (of_tls12, of_tls13):
        expect_equal(sorted(take_all(ALL_GROUPS, ask)), [P256, X25519], ask.__name__)


def offer_what_is_unsafe(port):
    """Compression (CRIME), heartbeats; and secure renegotiation must be known (RFC 5746 3.6)."""
    answer = say_hello(port, SUITES_12["server"], compressions=b"\x01\x40\x00")
    expect_equal(answer.compression, 0, "compression")
    expect_equal(HEARTBEAT in answer.extensions, False, "heartbeats")
    expect_equal(answer.extensions.get(0xff01), b"\x00", "secure renegotiation")
    expect_equal(answer.extensions.get(23), b"", "extended master secret (RFC 7627)")


def scan(tally, program, certificates, name):
    routes = [("/", NOBODYS_PORT)]
    with Sluice(program, routes, listen=certificates.listen(name)) as sluice:
        def check(what, run, *args):
            with tally.check(f"scan, certificate {name}: {what}"):
                run(sluice.port, *args)

        check("suites of TLS 1.2", take_suites_of_tls12, SUITES_12[name])
        if name == "server":
            check("suites of TLS 1.3", take_suites_of_tls13)
            check("versions", refuse_versions)
            check("SSL 2", refuse_ssl2)
            check("downgrades", know_downgrades)
            check("compression, heartbeats, renegotiation", offer_what_is_unsafe)
        else:
            check("groups", take_groups)
        with tally.check("scan: sluice ends in order"):
            sluice.stop()
        if tally.failed > 0:
            sluice.print_tails()


def main():
    program = os.path.join(bin_folder(), "sluice")
    tally = Tally()
    certificates = Certificates()
    for name in SUITES_12:
        scan(tally, program, certificates, name)
    tally.conclude()


main()
