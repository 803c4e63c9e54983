#!/usr/bin/env python3
"""Tests what sluice-bench sends, what it expects, and what it makes of the result.

    load_messages_test.py BIN_FOLDER [PART_OF_A_TEST'S_NAME]
"""
import json
import subprocess
import tempfile

import load_test
from load_peers import Server, frame, read_frame, upgrade
from load_test import Echo, bench, run_tests


def plainly(url, *options, status=0):
    """What sluice-bench prints for people."""
    done = subprocess.run([load_test.BIN + "/sluice-bench", url, "-q", *options], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20, check=False)
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def recording(seen, answer=lambda number, first, payload: frame(first, payload)):
    """A server that notes what a connection sends, and answers each message as `answer` says."""
    def serve(peer):
        upgrade(peer)
        mine = []
        seen.append(mine)
        while True:
            first, payload = read_frame(peer)
            if first == 0x88:
                peer.sendall(frame(first, payload))
                return
            mine.append((first, payload))
            peer.sendall(answer(len(mine), first, payload))
    return serve


def own_file(folder, content):
    path = folder + "/messages"
    with open(path, "wb") as file:
        file.write(content)
    return path


# --- what is sent ---------------------------------------------------------------------------------

def test_lines_of_a_file_in_turn():
    lines = ["one", "", "drei \u2713", "four" * 500]
    with tempfile.TemporaryDirectory() as folder:
        path = own_file(folder, "one\n\ndrei \u2713\r\n".encode() + b"four" * 500)
        seen = []
        with Server(recording(seen)) as url:
            result = bench(url, "--lines", path, "--text", "-c", "2", "-n", "18", "--pipeline", "3")
        assert result["messages"] == 18, result
        for mine in seen:
            assert mine == [(0x81, lines[n % 4].encode()) for n in range(9)], mine
        with Echo("--threads", "2") as echo:  # chunks of all sizes meet back-pressure
            result = bench(echo.url(), "--lines", path, "-c4", "-t2", "--messages=40001",
                           "--pipeline", "64")
            assert result["messages"] == 40001, result
            assert 40001 * 500 < result["bytes"] < 40001 * 510, result


def test_a_file_as_each_message():
    content = bytes(range(256)) * 300
    with tempfile.TemporaryDirectory() as folder:
        path = own_file(folder, content)
        with Echo() as echo:
            result = bench(echo.url(), "--file", path, "-c", "3", "-n", "100", "--pipeline", "9")
            assert (result["messages"], result["bytes"]) == (100, 100 * len(content)), result
            assert "is not UTF-8" in plainly(echo.url(), "--file", path, "--text", status=2)
        for option in ("--file", "--lines"):
            assert ": it is empty" in plainly(echo.url(), option, own_file(folder, b""), status=2)
            assert "Is a directory" in plainly(echo.url(), option, folder, status=2)
        assert "No such file" in plainly(echo.url(), "--lines", folder + "/none", status=2)


def test_text_messages():
    seen = []
    with Server(recording(seen)) as url:
        assert bench(url, "--text", "-c", "1", "-n", "50", "--payload", "20")["messages"] == 50
    payloads = {payload for _, payload in seen[0]}
    assert {first for first, _ in seen[0]} == {0x81} and len(payloads) == 50, seen
    assert all(len(payload) == 20 and payload.decode("ascii").isprintable()
               for payload in payloads), payloads


# --- what is expected -----------------------------------------------------------------------------

def test_any_answer_counts():
    """A server that says other things than it was told, and some unasked."""
    def answer(number, _, payload):
        own = frame(0x82, b"pushed") if number == 1 else b""
        return frame(0x81, b"%d bytes" % len(payload)) + own
    with Server(recording([], answer)) as url:
        result = bench(url, "--expect", "answer", "-c", "2", "-n", "20")
        assert result["messages"] == result["latency_us"]["count"] == 20, result
        result = bench(url, "-c", "2", "-n", "20", status=1)
        assert result["errors_by_kind"]["mismatch"] > 0, result


def test_nothing_is_expected():
    with Echo("--mode", "sink") as echo:
        result = bench(echo.url(), "--expect", "nothing", "-c", "3", "-n", "3000", "--payload", "1k")
        assert (result["messages"], result["bytes"]) == (3000, 3000 << 10), result
        assert result["latency_us"] is None, result
        assert "latency" not in plainly(echo.url(), "--expect", "nothing", "-n", "30")
    with Echo() as echo:  # whatever comes is dropped
        result = bench(echo.url(), "--expect", "nothing", "-c", "2", "-n", "2000", "--rate", "20000")
        assert result["messages"] == 2000, result


def test_nothing_at_all_is_a_failure_without_latencies():
    with Echo() as echo:
        result = bench(echo.url(), "--receive", "-c", "2", "-d", "100ms", status=1)
        assert result["errors_by_kind"]["unanswered"] == 1 and result["latency_us"] is None, result
        text = plainly(echo.url(), "--receive", "-d", "100ms", status=1)
        assert "not one message" in text and "latency" not in text, text


# --- course and result ----------------------------------------------------------------------------

def test_ramp_spreads_the_opening():
    with Echo() as echo:
        result = bench(echo.url(), "--ramp", "600ms", "-c", "13", "-t", "2", "-n", "26")
    assert result["opened"] == 13 and result["opening_seconds"] >= 0.5, result
    assert result["opening_us"]["p50"] > 0 and result["messages"] == 26, result


def test_thresholds_decide_the_exit_status():
    with Echo() as echo:
        text = plainly(echo.url(), "-n", "500", "--max", "p99=1m", "--max", "p99=90s", status=2)
        assert "bad value for --max" in text, text
        text = plainly(echo.url(), "-n", "500", "--max", "p99=90s", "--min", "rate=1", "--max",
                       "errors=0", "--min", "opened=50")
        assert text.count(", held\n") == 4 and "missed" not in text, text
        text = plainly(echo.url(), "-n", "500", "--max=max=0.001us", "--min", "rate=1", status=3)
        assert "threshold at most max=0.001us: " in text and text.count(", missed\n") == 1, text
        done = subprocess.run([load_test.BIN + "/sluice-bench", echo.url(), "-q", "--json", "-n",
                               "9", "--max", "p50=0us", "--min", "errors=0"], check=False,
                              stdout=subprocess.PIPE, text=True, timeout=20)
        assert done.returncode == 3, done
        missed, held = json.loads(done.stdout)["thresholds"]
        assert (missed["name"], missed["most"], missed["held"]) == ("p50", 0, False), missed
        assert missed["value"] > 0 and held == \
            {"name": "errors", "least": 0, "value": 0, "held": True}, held
    with Server(recording([], lambda *_: frame(0x82, b"other"))) as url:
        plainly(url, "-c", "1", "-n", "3", status=1)
        plainly(url, "-c", "1", "-n", "3", "--max", "errors=3")
        plainly(url, "-c", "1", "-n", "3", "--max", "errors=2", status=1)


def test_timeline_in_json():
    with Echo() as echo:
        result = bench(echo.url(), "-c", "4", "-d", "1300ms", "--rate", "400")
    seconds = result["timeline"]
    assert len(seconds) >= 2 and seconds[0]["seconds"] >= 1 and seconds[0]["open"] == 4, seconds
    for key, whole in (("messages", result["messages"]), ("bytes", result["bytes"]),
                       ("opened", 4)):
        assert sum(second[key] for second in seconds) == whole, (key, seconds)
    assert seconds[-1]["open"] == 0 and seconds[-1]["errors"] == 0, seconds


def test_version_and_short_forms():
    for program in ("sluice-bench", "sluice-echo"):
        done = subprocess.run([f"{load_test.BIN}/{program}", "--version"], stdout=subprocess.PIPE,
                              text=True, timeout=5, check=False)
        assert done.returncode == 0 and done.stdout.startswith(program + " "), done
    with Echo() as echo:
        for words in (["-c", "3", "-t", "2", "-n", "30"], ["-c3", "-t2", "-n30"],
                      ["--connections=3", "--threads=2", "--messages=30"]):
            result = bench(echo.url(), *words)
            assert [result[key] for key in ("connections", "threads", "messages")] == [3, 2, 30]
        assert bench(echo.url(), "-d", "100ms", "-r", "1000")["rate"] == 1000
    for words in (["-z"], ["-c"], ["-cx"], ["--idle=1"], ["--file", "a", "--lines", "b"],
                  ["--file", "a", "--payload", "1"], ["--text", "--receive"], ["--max", "p99"],
                  ["--max", "speed=1"], ["--min", "rate=5ms"], ["--expect", "much"],
                  ["--ramp", "1s", "--connect-rate", "1"]):
        assert plainly("ws://127.0.0.1:1/", *words, status=2).startswith("sluice-bench: "), words


if __name__ == "__main__":
    run_tests(globals())
