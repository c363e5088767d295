"""What no client would put into a request, by the place where it goes."""

from __future__ import annotations

from typing import Any

METHODS = b"GET HEAD POST PUT DELETE OPTIONS PATCH TRACE PROPFIND MKCOL REPORT PURGE LINK".split()
ODD_METHODS = b"get CONNECT PRI G\xe9T GETGETGETGETGETGETGETGETGET POST\tx M-SEARCH SOURCE".split()
IN_TARGETS = (
    b"%", b"%00", b"%zz", b"%2e%2e", b"%2f", b"%ff%fe", b"%c0%af", b"%ed%a0%80", b"%25%32%66",
    b"..", b".", b"//", b"/../..", b";a=b", b"?", b"??a=%", b"?secret=x&secret=y", b"?limit=-1",
    b"?limit=" + b"9" * 400, b"?cursor=%00", b"?a=" + b"b" * 3000, b"?since=9999-99-99T99:99:99Z",
    b"&", b"=", b"+", b"*", b"{}", b"\\", b"|", b"^", b"`", b"'\"<>", b"~root", b"a" * 2000, b"@",
    b":", b"!$()", b"[", b"]", b"%u0000", b"/%0d%0aX:%20y",
)  # fmt: skip
VALUES = (
    b"", b" ", b"\t", b"0", b"-1", b"x" * 900, b"\x80\xff", "ü鳥".encode(), b"a, b", b'"', b"null",
    b"Bearer ", b"Bearer x y", b"Bearer " + b"x" * 4000, b"Basic eDp5", b"*/*;q=x",
    b"bytes=0-0,-1", b"gzip", b"identity", b"text/html", b"application/json",
    b"multipart/form-data; boundary=", b"application/json; charset=utf-16",
    b"Thu, 99 Xxx 9999 99:99:99", b'W/"x"', b"*", b"[::1", b"h:99999", b"@:@", b"a" * 64, b"{",
    b"../../etc/passwd", b"%s%n", b"${jndi:x}", b"=?utf-8?q?x?=",
)  # fmt: skip
NAMES = (
    b"X-Webhook-Secret", b"Webhook-Id", b"Content-Type", b"Content-Encoding", b"Authorization",
    b"Accept", b"Accept-Encoding", b"Cookie", b"Host", b"If-None-Match", b"If-Match", b"Range",
    b"If-Modified-Since", b"Idempotency-Key", b"Last-Event-ID", b"Origin", b"Referer",
    b"X-Request-ID", b"X-Forwarded-For", b"X-Forwarded-Proto", b"X-Forwarded-Host",
    b"X-Original-URL", b"Forwarded", b"X-HTTP-Method-Override", b"Access-Control-Request-Method",
    b"Date", b"Max-Forwards", b"Via", b"Accept-Language", b"Content-Disposition", b"Content-MD5",
    b"traceparent", b"User-Agent", b"~!#$%&'*+-.^_`|",
)  # fmt: skip
SCALARS: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 1e308, -0.0, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 10**40, "",
    " ", "a", "\0", "\ud800", "\udfff\ud800", "ü鳥\U0001f600", "\u202e", "x" * 300, "x" * 5000,
    "../..", "a/b", "refs/heads/" + "x" * 300, "0" * 40, "f" * 40, "z" * 40, "-", "--help",
    "${{ x }}", "{{", "%s", "NaN", "1970-01-01T00:00:00Z", "9999-99-99", "P1D", "hf_", "😀" * 50,
    "'; DROP TABLE delivery; --", [], {}, [[]], [None], {"": None}, {"a": {"b": {}}}, "true",
    "null", "\r\n", "\x1b[2J", "sk-" + "x" * 40, "http://[", "https://a.test",
)  # fmt: skip
RAW_BODIES = (
    b"", b"{", b"}", b"[", b"null", b"true", b"0", b'""', b'"\\ud800"', b"NaN", b"Infinity", b"-",
    b"1e999999", b"9" * 5000, b"[" * 5000, b'{"a":' * 3000, b"[" * 2000 + b"]" * 2000,
    b'{"a":1,"a":2}', b'{"event":{},"event":[]}', b"\xef\xbb\xbf{}", b"\xff\xfe{\0}\0",
    b"\0" * 100, b"\x80" * 100, b"{}{}", b"{} x", b'{"\\u0000":"\\u0000"}',
    b'{"a":' + b"1" * 4500 + b"}", b'{"a":"' + b"\\u0000" * 500 + b'"}', b"<xml/>", b"a=b&c=d",
    b"--x\r\n\r\n--x--",
)  # fmt: skip
# Each is put in the place of another line, or between lines.
BAD_LINES = (
    b"Content-Length: 5", b"Content-Length: -5", b"Content-Length: +5", b"Content-Length: 5, 5",
    b"Content-Length: 0x5", b"Content-Length: " + b"9" * 30, b"Content-Length:",
    b"Content-Length: 5 5", b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: identity", b"Transfer-Encoding : chunked",
    b"Transfer-Encoding:\x0bchunked", b"Transfer-Encoding: gzip, chunked",
    b"Connection: upgrade\r\nUpgrade: websocket", b"Connection: close",
    b"Connection: keep-alive, close, upgrade",
    b"Upgrade: h2c\r\nHTTP2-Settings: x\r\nConnection: Upgrade, HTTP2-Settings", b" folded",
    b"\tfolded", b"A:\r\n b\r\n c", b"No colon", b": no name", b"A\0: b", b"A: \0", b"A b: c",
    b"\xff: x", b"A:" + b"x" * 20_000, b"A" * 20_000 + b": x",
    b"\r\n".join(b"A%d: x" % n for n in range(80)), b"A: x\ry", b"A: x\ny",
    b"Expect: 100-continue", b"Expect: 200-ok", b"Trailer: x", b"TE: trailers",
    b"Host: a\r\nHost: b", b"",
)  # fmt: skip
BAD_STARTS = (
    b"", b"\r\n\r\n", b"GET /", b"GET / HTTP/0.9", b"GET / HTTP/1.0", b"GET / HTTP/1.2",
    b"GET / HTTP/2.0", b"GET / HTTP/9.9", b"GET / http/1.1", b"GET  /  HTTP/1.1",
    b"GET\t/\tHTTP/1.1", b" GET / HTTP/1.1", b"GET / HTTP/1.1 x", b"GET /\0 HTTP/1.1",
    b"GET /\x80\xff HTTP/1.1", b"GET http://h/healthz HTTP/1.1", b"GET http:// HTTP/1.1",
    b"GET http://[ HTTP/1.1", b"OPTIONS * HTTP/1.1", b"CONNECT h:1 HTTP/1.1", b"GET * HTTP/1.1",
    b"GET ? HTTP/1.1", b"GET # HTTP/1.1", b"GET /a#b HTTP/1.1", b"GET //h/p HTTP/1.1",
    b"GET /" + b"x" * 20_000 + b" HTTP/1.1", b"HTTP/1.1 200 OK",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"SSH-2.0-x", b"*1\r\n$4\r\nPING", b"GET /a b HTTP/1.1", b"GET /%", b"POST /webhooks/hub",
    b"\0" * 64,
)  # fmt: skip
BAD_CHUNKS = (
    b"x\r\n", b"-1\r\n", b"5\r\nabc\r\n", b"5;a=b\r\nhello\r\n0\r\n", b"FFFFFFFFFFFFFFFFF\r\n",
    b"5\nhello\n0\n\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"5\r\nhelloo\r\n0\r\n\r\n", b"\r\n",
    b"0\r\nA: b\r\n", b"0\r\n" + b"A: b\r\n" * 90, b";\r\n", b"5;" + b"x" * 20_000,
    b"00000000000000000005\r\nhello\r\n0\r\n\r\n", b" 5\r\nhello\r\n0\r\n\r\n",
)  # fmt: skip
