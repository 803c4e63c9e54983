#!/usr/bin/env python3
"""Opens, uses and aborts sessions at random for a while, then prints what the worker holds against the
beginning (descriptors, rings, sessions, RSS), and whether its counters add up.

    soak.py BIN_FOLDER [SECONDS]
"""
import os
import random
import sys
import threading
import time

SECONDS = float(sys.argv[2]) if len(sys.argv) > 2 else 60

from admin import ask, Metrics  # noqa: E402  (reads the same command line)
from harness import Sluice, free_port  # noqa: E402
from wire import BINARY, CLOSE, PING, Upstream, answer_101, close_payload, dial, request  # noqa: E402


def serve(upstream):
    """Echoes frames until the connection ends, or ends it itself in one of several ways."""
    while True:
        try:
            wire = upstream.accept()
        except OSError:
            return
        threading.Thread(target=serve_one, args=(wire,), daemon=True).start()


def serve_one(wire):
    rng = random.Random()
    try:
        key = wire.head().get("Sec-WebSocket-Key")
        if rng.random() < 0.05:
            wire.send(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno")
            return
        wire.send(answer_101(key))
        while True:
            first, payload = wire.frame()
            wire.send_frame(first & 15, payload)
            if first & 15 == CLOSE:
                return
            if rng.random() < 0.02:
                return wire.reset() if rng.random() < 0.5 else None
    except Exception:  # whatever ends it, it has ended
        pass
    finally:
        wire.close()


def use_one(port, rng):
    client = dial(port)
    client.sock.settimeout(5)
    try:
        if rng.random() < 0.05:
            client.send(b"nonsense\r\n\r\n")
            client.rest()
            return
        client.send(request())
        if client.head().status != 101:
            return
        for _ in range(rng.randrange(20)):
            client.send_frame(rng.choice((BINARY, PING)), bytes(rng.randrange(126)))
            client.send_frame(BINARY, bytes(rng.choice((0, 1000, 70_000, 400_000))))
            client.frame()
            client.frame()
        if rng.random() < 0.5:
            client.send_frame(CLOSE, close_payload(1000))
            client.frame()
        elif rng.random() < 0.5:
            client.reset()
    except Exception:
        pass
    finally:
        client.close()


def held(sluice):
    worker = sluice.workers()[0]
    report = sluice.report(worker)
    with open(f"/proc/{worker}/status", encoding="ascii") as file:
        rss = next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))
    return {"descriptors": len(os.listdir(f"/proc/{worker}/fd")), "rings": report["rings_lent"],
            "blocks": report["blocks_lent"], "pipes": report["pipes_lent"],
            "transits": report["transits_lent"], "sessions": report["sessions"],
            "timers": report["timers"], "RSS in kB": rss}


def run_for(sluice, seconds):
    end = time.monotonic() + seconds
    counts = [0] * 16

    def loop(index):
        rng = random.Random()
        while time.monotonic() < end:
            use_one(sluice.port, rng)
            counts[index] += 1
    threads = [threading.Thread(target=loop, args=(i,), daemon=True) for i in range(len(counts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sluice.wait_idle()
    return sum(counts)


def off_balance(admin):
    """The identities of counters that do not hold, in words; nothing is open any more."""
    metrics = Metrics(ask(admin).body)
    of = {short: metrics.of(f"sluice_{short}{ending}") for short, ending in (
        ("connections_accepted", "_total"), ("connections_refused", "_total"),
        ("connections_failed", "_total"), ("connections_in_handshake", ""),
        ("sessions_opened", "_total"), ("sessions_closed", "_total"), ("sessions_active", ""),
        ("received_bytes", "_total"), ("own_frame_bytes", "_total"), ("sent_bytes", "_total"),
        ("queued_bytes", ""), ("dropped_bytes", "_total"), ("connections_active", ""))}
    refused = of["connections_refused"] + metrics.of("sluice_handshakes_total") - of[
        "sessions_opened"]
    pairs = {
        "accepted = refused + opened + failed + in handshake":
            (of["connections_accepted"], refused + of["sessions_opened"] +
             of["connections_failed"] + of["connections_in_handshake"]),
        "opened = active + closed": (of["sessions_opened"],
                                     of["sessions_active"] + of["sessions_closed"]),
        "received + own = sent + queued + dropped":
            (of["received_bytes"] + of["own_frame_bytes"],
             of["sent_bytes"] + of["queued_bytes"] + of["dropped_bytes"]),
        "nothing is open": (0, of["connections_active"] + of["sessions_active"] +
                            of["connections_in_handshake"] + of["queued_bytes"])}
    for name, (left, right) in pairs.items():
        print(f"soak: {name}: {left:.0f}, {right:.0f}")
    return [name for name, (left, right) in pairs.items() if left != right]


def main():
    admin = f"127.0.0.1:{free_port()}"
    conf = f"@admin {admin}\n@close_timeout 500ms\nroute /\n  proxy_pass "
    with Upstream() as upstream, Sluice(conf + upstream.uri) as sluice:
        threading.Thread(target=serve, args=(upstream,), daemon=True).start()
        run_for(sluice, min(2, SECONDS / 4))  # what the first sessions make the process set up
        before = held(sluice)
        sessions = run_for(sluice, SECONDS)
        after = held(sluice)
        wrong = off_balance(admin)
    print(f"soak: {sessions} sessions in {SECONDS:.0f} s")
    for name, value in after.items():
        print(f"soak: {name}: {value}, {value - before[name]:+d} against the beginning")
    lost = [name for name in ("descriptors", "rings", "blocks", "pipes", "transits", "sessions",
                             "timers")
            if after[name] != before[name]]
    if wrong:
        sys.exit(f"soak: counters do not add up: {', '.join(wrong)}")
    sys.exit(f"soak: not given back: {', '.join(lost)}" if lost else 0)


if __name__ == "__main__":
    main()
