"""The corpus of HTTP/1.1 inputs through the real binary: what reaches the upstream is read by two
parsers, which must agree with each other and with what the client was entitled to send. Then once
more before node's server, which must have read the same."""
import base64
import json
import os
import shutil
import subprocess
import time

from harness import SANITIZED, Skip, Sluice, Suite, wait_until
from http_corpus import chunks, framing, heads, pipelines
from http_corpus.case import SMUGGLED, Sent, request
from http_corpus.node_upstream import NodeUpstream
from http_corpus.recorder import Recorder, receipt
from http_corpus.strict import read_all
from wire import Reset, dial

suite = Suite()

GROUPS = {**framing.GROUPS, **chunks.GROUPS, **heads.GROUPS, **pipelines.GROUPS}
# What may be cut anywhere: short ones of each group.
CUT_CASES_A_GROUP, CUT_CASE_BYTES = 3, 170
BYTEWISE_CASE_BYTES = 170
PAUSE = 0.0002  # seconds between segments: enough for most of them to be read alone
MARKER = b"GET /marker HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"
AFTER = b"GET /after HTTP/1.1\r\nHost: a.example\r\n\r\n"
AFTER_SENT = Sent("GET", "/after")
HOP_BY_HOP = ("Keep-Alive", "Proxy-Connection", "TE", "Upgrade", "Trailer", "HTTP2-Settings",
              "Proxy-Authorization")
NODE = shutil.which("node")
JUDGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "http_corpus", "llhttp.mjs")


def conf_for(uri, group, keepalive="off"):
    """Every host's, but for the group that is about routes. Without `keepalive` each message has a
    connection of its own to the upstream, so that it is known where it came from."""
    server = f"proxy_pass {uri}"
    host = "\n  match_host a.example" if group == "routes" else ""
    return (f"@http on\n@upstream_keepalive {keepalive}\nroute /small\n  {server}\n  max_body_size 10\n"
            f"route /sockets\n  {server}\n  http off\nroute /\n  {server}{host}")


class Failed(Exception):
    """What a case came to."""


def expect(condition, text):
    if not condition:
        raise Failed(text)


def final_head(client):
    head = client.head()
    while 100 <= head.status < 200:
        head = client.head()
    return head


def read_answer(client, method):
    """Head and body of the next final answer."""
    head = final_head(client)
    length = head.get("Content-Length")
    expect(length is not None, f"an answer without a length: {head.raw!r}")
    return head, b"" if method == "HEAD" else client.take(int(length))


def send_all(client, parts):
    """One segment each; stops where the other end has had enough."""
    for number, part in enumerate(parts):
        if number:
            time.sleep(PAUSE)
        try:
            client.send(part)
        except ConnectionError:
            return


def expect_end(client, what):
    expect(client.rest() == b"", f"{bytes(client.buffer[:80])!r} behind {what}")


def converse(client, case, parts):
    """Sends a case; everything that comes back must be as the case says."""
    send_all(client, parts)
    for number, sent in enumerate(case.sent):
        head, body = read_answer(client, sent.method)
        expect(head.status in (200, 403), f"answer {number} is {head.line!r}")
        told = b"" if sent.method == "HEAD" else receipt(sent.method, sent.target, sent.body)
        expect(body == told, f"answer {number} tells of {body!r}, not {told!r}")
        closes = (head.get("Connection") or "").lower() == "close"
        last = case.closes and number == len(case.sent) - 1
        expect(closes == last, f"answer {number} has Connection: {head.get('Connection')}")
    if case.refused:
        head = final_head(client)
        expect(head.status in case.refused, f"refused with {head.line!r}, not {case.refused}")
        expect("close" in head.get("Connection").split(", "), f"refused with {head.raw!r}")
        length, whole = len(client.rest()), int(head.get("Content-Length"))
        expect(length == whole or (length == 0 and b"HEAD " in case.data), "not one whole refusal")
    elif case.closes:
        expect_end(client, "the last answer")
    elif case.cut:
        client.finish()
        rest = client.rest()
        expect(not rest or rest.startswith(b"HTTP/1.1 4"), f"answered {rest[:80]!r}")
    else:
        client.send(AFTER)
        head, body = read_answer(client, "GET")
        expect(body == receipt("GET", "/after", b""), f"next, {head.line!r} {body!r}")


def attempt(sluice, case, parts):
    client = dial(sluice.port)
    client.sock.settimeout(8)
    try:
        converse(client, case, parts)
    except (Reset, EOFError, OSError) as error:
        if not (case.cut and isinstance(error, Reset)):
            raise Failed(f"{type(error).__name__} {error}") from error
    finally:
        client.close()


def read_field(message, sent):
    """Whether the fields are what a hop may pass on."""
    host, framings = message.all("Host"), message.all("Content-Length") + message.all(
        "Transfer-Encoding")
    expect(host == [sent.host], f"Host {host}")
    expect(len(framings) <= 1, f"framed by {framings}")
    if "websocket" not in message.all("Upgrade"):
        hop = [name for name in HOP_BY_HOP if message.all(name)]
        expect(not hop, f"fields of one hop: {hop}")
    for name, value in sent.has:
        expect(value in message.all(name), f"{name}: {message.all(name)}, without {value!r}")
    for name in sent.lacks:
        expect(not message.all(name), f"{name} came through")


def judge_recorded(case, streams):
    """By the own parser: exactly the messages of the case, and no bytes besides."""
    messages, left = [], []
    for stream in streams:
        found, behind, why = read_all(stream)
        messages += found
        left += [f"{behind[:200]!r} {why}"] if behind else []
    judge_messages(case, messages)
    expect(not left or case.refused or case.cut, f"left over at the upstream: {left}")


def judge_messages(case, messages):
    open_end = not (case.refused or case.closes or case.cut)
    wanted = [*case.sent, AFTER_SENT] if open_end else case.sent
    keys = [message.key for message in messages]
    whole = [(sent.method, sent.target, sent.version, sent.chunked, sent.body, sent.trailers)
             for sent in wanted]
    expect(keys == whole, f"upstream read {str(keys)[:400]}, not {str(whole)[:400]}")
    for message, sent in zip(messages, wanted):
        read_field(message, sent)


def judge_by_llhttp(streams):
    """For each stream what was wrong with it, "" where both parsers read the same."""
    text = json.dumps([base64.b64encode(stream).decode() for stream in streams])
    done = subprocess.run([NODE, JUDGE], input=text.encode(), stdout=subprocess.PIPE, check=True)
    for stream, seen in zip(streams, json.loads(done.stdout), strict=True):
        theirs = [(each["method"], each["target"], each["version"], each["chunked"],
                   base64.b64decode(each["body"]),
                   tuple(zip(each["trailers"][::2], each["trailers"][1::2])))
                  for each in seen["messages"]]
        found, behind, _ = read_all(stream)
        ours = [message.key for message in found]
        wrong = ""
        if theirs != ours:
            wrong = f"llhttp read {str(theirs)[:300]}, not {str(ours)[:300]}, of {stream[:300]!r}"
        elif seen["error"] and not behind:
            wrong = f"llhttp ended with {seen['error']}, of {stream[:300]!r}"
        yield wrong


def mark(sluice, name):
    """A request on a fresh connection of both sides, which comes behind everything of the case before
    it, and shows that sluice lives on."""
    marker = dial(sluice.port)
    marker.send(MARKER)
    expect(read_answer(marker, "GET")[0].status == 200, f"nothing works after {name}")
    marker.close()


class Trial:
    """One sluice and one recorder, which cases go through one by one."""

    def __init__(self, group):
        self.group = group
        self.failures = []
        self.streams = []  # (case's name, bytes)
        self.count = 0

    def run(self, cases_and_parts):
        with Recorder() as recorder, Sluice(conf_for(recorder.upstream.uri, self.group), access=False) as sluice:
            for case, parts in cases_and_parts:
                self.count += 1
                self.try_one(sluice, recorder, case, parts)
        if NODE:
            wrongs = judge_by_llhttp([stream for _, stream in self.streams])
            self.failures += [f"{name}: {wrong}" for (name, _), wrong in zip(self.streams, wrongs)
                              if wrong]
        told = "\n".join(self.failures)
        assert not self.failures, f"{len(self.failures)} of {self.count}:\n{told}"
        assert self.count, "no case"
        if not NODE:
            raise Skip("llhttp's half: there is no node")

    def try_one(self, sluice, recorder, case, parts):
        try:
            attempt(sluice, case, parts)
        except Failed as why:
            self.fail(case, parts, why)
        streams = self.recorded(sluice, recorder, case.name)
        try:
            judge_recorded(case, streams)
        except Failed as why:
            self.fail(case, parts, why)
        self.streams += [(case.name, stream) for stream in streams]

    def fail(self, case, parts, why):
        cut = "" if len(parts) == 1 else f", {len(parts)} segments, {len(parts[0])} first"
        self.failures.append(f"{case.name}{cut}: {why}; sent {case.data[:300]!r}")

    @staticmethod
    def recorded(sluice, recorder, name):
        """The bytes of every upstream connection of this case."""
        mark(sluice, name)
        connections = recorder.take()
        wait_until(lambda: all(each.ended for each in connections),
                   "the upstream's connections end")
        streams = [bytes(each.data) for each in connections]
        assert b"GET /marker " in streams[-1], streams
        return streams[:-1]


@suite.check
def the_judges_find_fault():
    """Both would be worthless if they never did."""
    case = next(case for case in framing.GROUPS["lengths"]() if case.sent)
    well = case.data.replace(b"hello", b"hello" + AFTER)
    judge_recorded(case, [well])
    for stream in (well[:-1], well + b"\r\n", well + AFTER, well.replace(b"5", b"4", 1),
                   well.replace(b"\r\nContent", b"\nContent"), well.replace(b"POST", b"PUT"), b""):
        try:
            judge_recorded(case, [stream])
        except Failed:
            continue
        raise AssertionError(f"{stream!r} passed")
    if not NODE:
        raise Skip("llhttp's half: there is no node")
    # Read in two ways: an empty line before the first, and bytes behind the end of a connection.
    odd = [b"\r\n" + AFTER, MARKER + AFTER]
    assert list(judge_by_llhttp([well, MARKER])) == ["", ""]
    assert all(judge_by_llhttp(odd)), list(judge_by_llhttp(odd))


@suite.check_each("Content-Length: 1000", "Transfer-Encoding: chunked")
def an_early_answer_makes_no_request_of_the_bodys_rest(framed):
    with Recorder() as recorder, Sluice(conf_for(recorder.upstream.uri, ""), access=False) as sluice:
        client = dial(sluice.port)
        client.send(request("POST /early HTTP/1.1", framed, body=b"3e8\r\nhello"))
        assert read_answer(client, "POST")[1] == b"early"
        send_all(client, [SMUGGLED] * 3)
        try:
            assert client.rest() == b""
        except Reset:
            pass  # the answer has come
        for stream in Trial.recorded(sluice, recorder, framed):
            messages, _, why = read_all(stream)
            assert not messages and not why, (stream, why)


def short_cases(group, most_bytes):
    return [case for case in GROUPS[group]() if len(case.data) <= most_bytes]


@suite.check_each(*GROUPS)
def in_one_segment(group):
    Trial(group).run((case, [case.data]) for case in GROUPS[group]())


@suite.check
def nodes_server_reads_the_same():
    if SANITIZED:
        raise Skip("node judges the release build; the same cases came in one segment already")
    if not NODE:
        raise Skip("there is no node")
    routes = list(GROUPS["routes"]())
    others = [case for group in GROUPS for case in GROUPS[group]() if group != "routes"]
    wrongs = [wrong for cases, group in ((others, ""), (routes, "routes"))
              for wrong in told_by_node(cases, group)]
    told = "\n".join(wrongs)
    assert not wrongs, f"{len(wrongs)} of {len(others) + len(routes)}:\n{told}"
    print(f"{len(others) + len(routes)} cases before node's server")


def told_by_node(cases, group):
    """What goes wrong with which case."""
    with NodeUpstream(NODE) as upstream, \
            Sluice(conf_for(upstream.uri, group, keepalive=16), access=False) as sluice:
        for case in cases:
            try:
                attempt(sluice, case, [case.data])
            except Failed as why:
                yield f"{case.name}: {why}; sent {case.data[:300]!r}"
            mark(sluice, case.name)
            try:
                judge_messages(case, upstream.take("/marker"))
            except Failed as why:
                yield f"{case.name}: node: {why}; sent {case.data[:300]!r}"


@suite.check_each(*GROUPS)
def byte_by_byte(group):
    Trial(group).run((case, [case.data[i:i + 1] for i in range(len(case.data))])
                     for case in short_cases(group, BYTEWISE_CASE_BYTES))


@suite.check_each(*GROUPS)
def cut_at_every_byte(group):
    if SANITIZED:
        raise Skip("byte by byte stops in every state, too; this takes half of the time")
    cases = short_cases(group, CUT_CASE_BYTES)
    chosen = cases[::max(1, len(cases) // CUT_CASES_A_GROUP)]
    Trial(group).run((case, [case.data[:i], case.data[i:]])
                     for case in chosen for i in range(1, len(case.data)))


suite.run()
