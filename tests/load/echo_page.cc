// The page's text.
#include "tests/load/echo_page.h"

namespace sluice::load {

namespace {

constexpr const char* page = R"html(<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><title>sluice-echo</title>
<style>
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 1rem auto; max-width: 40rem; padding: 0 1rem; }
form { display: flex; flex-wrap: wrap; gap: .5rem; margin: .5rem 0; }
input { flex: 1 1 14rem; min-width: 0; font: inherit; padding: .3rem; }
button { font: inherit; padding: .3rem .8rem; }
pre { border-top: 1px solid #8888; white-space: pre-wrap; overflow-wrap: anywhere; }
</style></head><body>
<h1>sluice-echo</h1>
<p>What is sent here goes through the proxy to an echo server and comes back.</p>
<form id="connect"><input id="url" aria-label="URL"><button id="button">Connect</button></form>
<form id="send"><input id="text" aria-label="Message" value="hello"><button>Send</button></form>
<pre id="log"></pre>
<script>
"use strict";
const at = name => document.getElementById(name);
const own = location.protocol.replace("http", "ws") + "//" + location.host + "/";
at("url").value = decodeURIComponent(location.hash.slice(1)) || own;
const sent = [];
let socket = null;
const say = text => { at("log").textContent = text + "\n" + at("log").textContent; };
function connect() {
  const url = at("url").value;
  try { socket = new WebSocket(url); } catch (fault) { say(fault.message); return; }
  at("button").textContent = "Close";
  socket.onopen = () => say("open: " + url);
  socket.onmessage = event => {
    const since = sent.shift();
    const took = since === undefined ? "" : " (" + (performance.now() - since).toFixed(1) + " ms)";
    say("\u2190 " + (typeof event.data === "string" ? event.data : event.data.size + " bytes")
        + took);
  };
  socket.onclose = event => {
    say("closed: " + event.code + " " + event.reason);
    sent.length = 0;
    socket = null;
    at("button").textContent = "Connect";
  };
}
at("connect").onsubmit = event => {
  event.preventDefault();
  if (socket) socket.close(1000); else connect();
};
at("send").onsubmit = event => {
  event.preventDefault();
  if (!socket || socket.readyState !== 1) { say("not connected"); return; }
  sent.push(performance.now());
  socket.send(at("text").value);
  say("\u2192 " + at("text").value);
};
connect();
</script></body></html>
)html";

}  // namespace

std::string page_text() {
  return page;
}

std::string page_answer() {
  const std::string body = page;
  return "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n"
         "Connection: close\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace sluice::load
