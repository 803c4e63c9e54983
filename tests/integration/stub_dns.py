"""A name server for tests, over UDP and TCP on one free loopback port: what it answers, and how it
misbehaves, may change while it runs. Standard library only."""
import contextlib
import ipaddress
import selectors
import socket
import struct
import threading

from harness import free_port, wait_until

KINDS = {"A": 1, "CNAME": 5, "AAAA": 28, "SRV": 33}
KIND_NAMES = {number: name for name, number in KINDS.items()}
MOST_UDP_BYTES = 512  # RFC 1035 2.3.4
MOST_TCP_BYTES = 65_535
NO_ERROR, SERVFAIL, NXDOMAIN = 0, 2, 3
# A pointer (RFC 1035 4.1.4) to where the question's name stands.
TO_QUESTION = b"\xc0\x0c"

HABITS = ("", "servfail", "nxdomain", "silence", "wrong_id", "wrong_question", "wrong_port", "loop",
          "truncated", "many", "more_than_there_are", "garbage")


def encoded(name):
    labels = [label.encode("ascii") for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def decoded(message, at):
    """The name there, lower case, and where it ends; questions hold no pointers."""
    labels = []
    while message[at]:
        labels.append(message[at + 1:at + 1 + message[at]].decode("ascii").lower())
        at += 1 + message[at]
    return ".".join(labels), at + 1


class Question:
    def __init__(self, message):
        self.id, self.flags = struct.unpack_from("!HH", message)
        self.name, end = decoded(message, 12)
        [number] = struct.unpack_from("!H", message, end)
        self.kind = KIND_NAMES.get(number, str(number))
        self.text = message[12:end + 4]


class StubDns:
    """`set` says what a name has; a name that has nothing of any kind is NXDOMAIN. Habits, of one
    name or of all:
      servfail, nxdomain   those codes
      silence              no answer
      wrong_id             an answer with another id
      wrong_question       an answer that repeats another question
      wrong_port           the right answer, from another port
      loop                 the record's name points to itself
      truncated            TC over UDP; the whole answer over TCP
      many                 as many addresses as a message of 64 KiB holds, over TCP: 4,094
      more_than_there_are  the same, and 10,000 are announced
      garbage              bytes that are no message"""

    def __init__(self):
        self.lock = threading.Lock()
        self.records = {}  # (name, kind): (ttl in seconds, values)
        self.habits = {}   # name, or "" for all: one of HABITS
        self.counts = {}   # (name, kind): questions
        self.over_tcp = 0
        self.udp, self.tcp = self.bind()
        self.port = self.udp.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.other.bind(("127.0.0.1", 0))
        self.wake, self.woken = socket.socketpair()
        self.connections = {}  # socket: bytes that came
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    @staticmethod
    def bind():
        while True:
            port = free_port()
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            tcp = socket.socket()
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                udp.bind(("127.0.0.1", port))
                tcp.bind(("127.0.0.1", port))
                tcp.listen(64)
                return udp, tcp
            except OSError:
                udp.close()
                tcp.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Its port is closed when this returns: questions meet an ICMP error."""
        self.wake.close()
        self.thread.join()

    def set(self, name, kind, *values, ttl=1):
        """Of A and AAAA: addresses; of CNAME: the name; of SRV: (priority, weight, port, target).
        No values: the name is there and has nothing of that kind."""
        assert kind in KINDS
        with self.lock:
            self.records[name.lower(), kind] = (ttl, values)

    def remove(self, name):
        with self.lock:
            for key in [key for key in self.records if key[0] == name.lower()]:
                del self.records[key]

    def behave(self, habit, name=""):
        """"" ends a habit."""
        assert habit in HABITS, habit
        with self.lock:
            self.habits[name.lower()] = habit

    def questions(self, name, kind=None):
        """How many came so far, of that kind or of all."""
        with self.lock:
            return sum(count for (asked, of), count in self.counts.items()
                       if asked == name.lower() and kind in (None, of))

    def wait_for_questions(self, name, more=1, kind=None):
        """Until so many more have come than by now."""
        before = self.questions(name, kind)
        wait_until(lambda: self.questions(name, kind) >= before + more, f"questions for {name}")

    # --- the thread

    def serve(self):
        with selectors.DefaultSelector() as selector:
            self.selector = selector
            for each in (self.udp, self.tcp, self.woken):
                selector.register(each, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select()]
                if self.woken in ready:
                    break
                for each in ready:
                    self.follow(each)
        for each in (self.udp, self.tcp, self.other, self.woken, *self.connections):
            each.close()

    def follow(self, ready):
        if ready is self.udp:
            message, whence = self.udp.recvfrom(MOST_TCP_BYTES)
            self.answer_datagram(message, whence)
        elif ready is self.tcp:
            connection, _ = self.tcp.accept()
            self.connections[connection] = b""
            self.selector.register(connection, selectors.EVENT_READ)
        else:
            with contextlib.suppress(OSError):
                piece = ready.recv(65_536)
                if piece:
                    self.connections[ready] += piece
                    return self.answer_stream(ready)
            self.leave(ready)

    def leave(self, connection):
        self.selector.unregister(connection)
        del self.connections[connection]
        connection.close()

    def answer_datagram(self, message, whence):
        answer, habit = self.answer(message, over_tcp=False)
        if answer is not None:
            sender = self.other if habit == "wrong_port" else self.udp
            with contextlib.suppress(OSError):
                sender.sendto(answer, whence)

    def answer_stream(self, connection):
        while len(came := self.connections[connection]) >= 2:
            end = 2 + struct.unpack_from("!H", came)[0]
            if len(came) < end:
                return
            self.connections[connection] = came[end:]
            answer, _ = self.answer(came[2:end], over_tcp=True)
            if answer is not None:
                try:
                    connection.sendall(struct.pack("!H", len(answer)) + answer)
                except OSError:
                    return self.leave(connection)

    def answer(self, message, over_tcp):
        """The message, or None, and the habit that made it."""
        question = Question(message)
        with self.lock:
            key = question.name, question.kind
            self.counts[key] = self.counts.get(key, 0) + 1
            self.over_tcp += over_tcp
            habit = self.habits.get(question.name) or self.habits.get("", "")
            code, records = self.find(question)
        if habit == "silence":
            return None, habit
        if habit == "garbage":
            return b"\xff" * 40, habit
        if habit in ("servfail", "nxdomain"):
            code, records = (SERVFAIL if habit == "servfail" else NXDOMAIN), []
        elif habit == "loop":
            loop = struct.pack("!H", 0xc000 + 12 + len(question.text))
            records = [loop + struct.pack("!HHIH", KINDS["A"], 1, 60, 4) + b"\x7f\0\0\1"]
        elif habit in ("many", "more_than_there_are"):
            records = many(question)
        return self.message(question, code, records, habit, over_tcp), habit

    def message(self, question, code, records, habit, over_tcp):
        text = question.text
        if habit == "wrong_question":
            text = encoded("elsewhere.test") + text[-4:]
        most = MOST_TCP_BYTES if over_tcp else MOST_UDP_BYTES
        body, fitting = text, 0
        for record in records:
            if 12 + len(body) + len(record) > most:
                break
            body += record
            fitting += 1
        truncated = not over_tcp and (habit == "truncated" or fitting < len(records))
        if truncated:
            body, fitting = text, 0
        flags = 0x8180 | (0x0200 if truncated else 0) | code
        announced = 10_000 if habit == "more_than_there_are" and over_tcp else fitting
        number = question.id ^ 0x5555 if habit == "wrong_id" else question.id
        return struct.pack("!HHHHHH", number, flags, 1, announced, 0, 0) + body

    def find(self, question):
        """The answer's code and records, through aliases; the lock is held."""
        name, records, owner = question.name, [], TO_QUESTION
        for _ in range(8):
            if (name, question.kind) in self.records:
                ttl, values = self.records[name, question.kind]
                return NO_ERROR, records + [record(owner, question.kind, ttl, value)
                                            for value in values]
            if (name, "CNAME") not in self.records:
                break
            ttl, [target] = self.records[name, "CNAME"]
            records.append(record(owner, "CNAME", ttl, target))
            name, owner = target.lower().rstrip("."), encoded(target)
        known = any(each == name for each, _ in self.records)
        return (NO_ERROR if known else NXDOMAIN), records


def record(owner, kind, ttl, value):
    if kind == "SRV":
        data = struct.pack("!HHH", *value[:3]) + encoded(value[3])
    elif kind == "CNAME":
        data = encoded(value)
    else:
        data = ipaddress.ip_address(value).packed
    return owner + struct.pack("!HHIH", KINDS[kind], 1, ttl, len(data)) + data


def many(question):
    """10,000 of them; those beyond the message's room fall away."""
    if question.kind != "A":
        return []
    first = int(ipaddress.ip_address("10.0.0.1"))
    return [record(TO_QUESTION, "A", 60, str(ipaddress.ip_address(first + n)))
            for n in range(10_000)]
