"""Plain requests and answers as bytes, for tests at both ends of the proxy."""


def plain(target="/", method="GET", fields=(), body=b"", version="1.1"):
    lines = [f"{method} {target} HTTP/{version}", "Host: test.example"]
    lines += [f"{name}: {value}" for name, value in fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answer(body=b"", status="200 OK", fields=None):
    fields = [("Content-Length", len(body))] if fields is None else fields
    head = f"HTTP/1.1 {status}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields)
    return head.encode() + b"\r\n" + body


def get(client, target="/", **options):
    """Asks and reads an answer whose body has a length."""
    client.send(plain(target, **options))
    head = client.head()
    head.body = client.take(int(head.get("Content-Length") or 0))
    return head
