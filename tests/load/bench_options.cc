// sluice-bench's option table and what must hold between options.
#include "tests/load/bench_options.h"

#include <algorithm>

#include "protocol/handshake.h"
#include "tests/load/common_options.h"

namespace sluice::load {

namespace {

constexpr const char* program = "sluice-bench";
constexpr uint64_t most_payload = uint64_t{1} << 30;
constexpr uint64_t most_messages = 1'000'000'000'000;
constexpr uint64_t most_idle_messages = 1'000'000;
constexpr uint32_t most_connections = 1u << 24;  // the pattern's stamp has 24 bits for them
constexpr uint32_t most_streams = 1u << 20;
constexpr uint32_t most_pipeline = 1u << 16;

// Which options stood there, for what must not stand together.
struct Given {
  bool idle = false;
  bool receive = false;
  bool connect_rate = false;
  bool duration = false;
  bool messages = false;
  bool rate = false;
  bool idle_messages = false;
  bool warm_up = false;
  bool tls = false;
  bool payload = false;
  bool ramp = false;
  bool streams = false;
  bool sending = false;  // what only matters to who sends
};

bool read_sources(std::string_view text, std::vector<Address>& sources) {
  while (!text.empty()) {
    const size_t end = std::min(text.find(','), text.size());
    Result<Address> source = Address::from_ip(text.substr(0, end), 0);
    if (!source.ok()) return false;
    sources.push_back(source.value());
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return !sources.empty();
}

bool read_header_field(std::string_view text, std::vector<std::string>& headers) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view name = text.substr(0, colon);
  std::string_view value = text.substr(colon + 1);
  while (value.starts_with(' ')) value.remove_prefix(1);
  if (!is_token(name) || !header_value_valid(value)) return false;
  headers.push_back(std::string(name) + ": " + std::string(value));
  return true;
}

int read_url(const std::string& url, BenchOptions& options) {
  Result<ServerUri> uri = parse_server_uri(url);
  if (!uri.ok()) return refuse(program, "bad URL \"" + url + "\": " + uri.fault().text());
  options.url = url;
  options.server = uri.value();
  if (!options.server.unix_path.empty()) {
    Result<Address> address = Address::from_unix_path(options.server.unix_path);
    if (!address.ok()) return refuse(program, "bad URL: " + address.fault().text());
    options.addresses = {address.value()};
    return -1;
  }
  Result<std::vector<Address>> addresses =
      resolve_blocking(options.server.host, options.server.port);
  if (!addresses.ok()) {
    return refuse(program, options.server.host + ": " + addresses.fault().text());
  }
  options.addresses = addresses.value();
  return -1;
}

int settle(const Given& given, BenchOptions& options) {
  if (given.idle + given.receive + given.connect_rate > 1) {
    return refuse(program, "--idle, --receive and --connect-rate exclude each other");
  }
  if (given.duration && given.messages) {
    return refuse(program, "--duration and --messages exclude each other");
  }
  if (given.messages && (given.idle || given.connect_rate)) {
    return refuse(program, "--messages needs messages: not with --idle or --connect-rate");
  }
  if (given.rate && (given.idle || given.receive || given.connect_rate)) {
    return refuse(program, "--rate is for sending: not with --idle, --receive or --connect-rate");
  }
  if (given.idle_messages && !given.idle) {
    return refuse(program, "--idle-messages is for --idle");
  }
  if (given.warm_up && (given.messages || given.idle || given.connect_rate)) {
    return refuse(program,
                  "--warm-up is for messages of a --duration: not with --messages, --idle or "
                  "--connect-rate");
  }
  if (given.ramp && given.connect_rate) {
    return refuse(program, "--ramp is for connections that stay: not with --connect-rate");
  }
  if (given.payload + !options.file.empty() + !options.lines_file.empty() > 1) {
    return refuse(program, "--payload, --file and --lines exclude each other");
  }
  const bool sends = !given.receive && !given.connect_rate && (!given.idle || given.idle_messages);
  if (given.sending && !sends) {
    return refuse(program, "--file, --lines, --text and --expect are for sending");
  }
  if (given.streams && !options.http2) {
    return refuse(program, "--streams-per-connection is for --http2");
  }
  if (given.tls && !options.server.secure) {
    return refuse(program, "--tls-ca, --tls-insecure and --tls-resume are for wss://");
  }
  if (options.tls_insecure && !options.tls_ca.empty()) {
    return refuse(program, "--tls-ca and --tls-insecure exclude each other");
  }
  if (!options.sources.empty() && !options.server.unix_path.empty()) {
    return refuse(program, "--source is for TCP, the URL names a unix socket");
  }
  for (const Address& source : options.sources) {
    if (source.family() != options.addresses.front().family()) {
      return refuse(program, "--source " + source.host_text() + " cannot reach " +
                                 options.addresses.front().text());
    }
  }
  using Mode = BenchOptions::Mode;
  if (given.idle) options.mode = Mode::idle;
  if (given.receive) options.mode = Mode::receive;
  if (given.connect_rate) options.mode = Mode::connect;
  if (given.messages) options.duration_ms = 0;
  options.threads = std::min(options.threads, options.connections);
  return -1;
}

bool read_expect(std::string_view text, BenchOptions::Expect& expect) {
  using Expect = BenchOptions::Expect;
  if (text == "echo") {
    expect = Expect::echo;
  } else if (text == "answer") {
    expect = Expect::answer;
  } else if (text == "nothing") {
    expect = Expect::nothing;
  } else {
    return false;
  }
  return true;
}

using Text = std::string_view;

void add_message_options(std::vector<Option>& table, BenchOptions& options, Given& given) {
  table.insert(
      table.end(),
      {{"--pipeline", "N", "messages on their way per connection, default 1",
        [&](Text t) { return read_number(t, 1u, most_pipeline, options.pipeline); }},
       {"--payload", "BYTES", "of each message, default 125; k, m and g are understood, at most 1g",
        [&](Text t) { return given.payload = read_size(t, most_payload, options.payload_bytes); }},
       {"--file", "FILE", "sends the file as each message, instead of made-up ones",
        [&](Text t) { return given.sending = !(options.file = t).empty(); }},
       {"--lines", "FILE", "sends the file's lines in turn, each as a message",
        [&](Text t) { return given.sending = !(options.lines_file = t).empty(); }},
       {"--text", nullptr, "text messages, else they are binary",
        [&](Text) { return given.sending = options.text = true; }},
       {"--expect", "WHAT",
        "for each message: echo (the same, default), answer (any message) or nothing",
        [&](Text t) { return given.sending = read_expect(t, options.expect); }},
       {"--rate", "N", "messages a second in total; latency counts from the intended time",
        [&](Text t) {
          return given.rate = read_number(t, uint64_t{1}, uint64_t{100'000'000}, options.rate);
        },
        'r'}});
}

void add_course_options(std::vector<Option>& table, BenchOptions& options, Given& given) {
  table.insert(
      table.end(),
      {{"--connections", "N", "connections at a time, default 50",
        [&](Text t) { return read_number(t, 1u, most_connections, options.connections); }, 'c'},
       {"--duration", "TIME", "how long, default 5s (500ms, 5s, 1m, 1h)",
        [&](Text t) { return given.duration = read_duration(t, options.duration_ms); }, 'd'},
       {"--messages", "N", "ends after so many in total, instead of --duration",
        [&](Text t) {
          return given.messages = read_number(t, uint64_t{1}, most_messages, options.messages);
        },
        'n'},
       {"--ramp", "TIME", "opens the connections evenly over it; messages begin when all are open",
        [&](Text t) { return given.ramp = read_duration(t, options.ramp_ms); }},
       {"--warm-up", "TIME",
        "messages flow so long before the duration begins and they are counted",
        [&](Text t) { return given.warm_up = read_duration(t, options.warm_up_ms); }},
       {"--idle", nullptr, "only holds the connections and counts losses",
        [&](Text) { return given.idle = true; }},
       {"--idle-messages", "N", "with --idle: each connection echoes so many first, all at once",
        [&](Text t) {
          given.idle_messages = true;
          return read_number(t, uint64_t{1}, most_idle_messages, options.idle_messages);
        }},
       {"--connect-rate", "N", "opens and closes N times a second, 0: as fast as possible",
        [&](Text t) {
          given.connect_rate = true;
          return read_number(t, uint64_t{0}, uint64_t{10'000'000}, options.connect_rate);
        }},
       {"--receive", nullptr, "only receives (from sluice-echo --mode flood)",
        [&](Text) { return given.receive = true; }},
       {"--threads", "N", "1 to 256, default 1",
        [&](Text t) { return read_number(t, 1u, 256u, options.threads); }, 't'}});
}

void add_connection_options(std::vector<Option>& table, BenchOptions& options, Given& given) {
  table.insert(
      table.end(),
      {{"--source", "ADDRESSES", "local addresses to connect from in turn, with commas between",
        [&](Text t) { return read_sources(t, options.sources); }},
       {"--header", "\"Name: value\"", "a field of the request; may be repeated",
        [&](Text t) { return read_header_field(t, options.headers); }},
       {"--subprotocol", "NAME", "is offered, and must be agreed on",
        [&](Text t) {
          options.subprotocol = t;
          return is_token(t);  // a token, as a field name is
        }},
       {"--http2", nullptr, "WebSockets over HTTP/2 (RFC 8441): many streams a connection",
        [&](Text) { return options.http2 = true; }},
       {"--streams-per-connection", "N", "with --http2: at most, default 100",
        [&](Text t) {
          given.streams = true;
          return read_number(t, 1u, most_streams, options.streams_per_connection);
        }},
       {"--tls-ca", "FILE", "for wss://: PEM of authorities, instead of the system's",
        [&](Text t) {
          given.tls = true;
          return !(options.tls_ca = t).empty();
        }},
       {"--tls-insecure", nullptr, "for wss://: neither chain nor name is verified",
        [&](Text) { return given.tls = options.tls_insecure = true; }},
       {"--tls-resume", nullptr, "for wss://: sessions are resumed where possible, else none is",
        [&](Text) { return given.tls = options.tls_resume = true; }}});
}

bool add_threshold(Text text, bool at_most, BenchOptions& options) {
  return read_threshold(text, at_most, options.thresholds.emplace_back());
}

void add_result_options(std::vector<Option>& table, BenchOptions& options) {
  table.insert(table.end(), {{"--max", "NAME=VALUE",
                              "exit status 3 above it; p50, p90, p99, p99.9, max (us, ms, s), "
                              "rate, opened or errors; may "
                              "be repeated",
                              [&](Text t) { return add_threshold(t, true, options); }},
                             {"--min", "NAME=VALUE", "exit status 3 below it; the same names",
                              [&](Text t) { return add_threshold(t, false, options); }},
                             {"--json", nullptr, "prints the result as one JSON object",
                              [&](Text) { return options.json = true; }},
                             {"--marks", nullptr,
                              "\"begin\" and \"end\" on stderr where the counting begins and ends",
                              [&](Text) { return options.marks = true; }},
                             {"--quiet", nullptr, "no progress on stderr",
                              [&](Text) { return options.quiet = true; }, 'q'}});
}

std::vector<Option> option_table(BenchOptions& options, Given& given) {
  std::vector<Option> table;
  add_course_options(table, options, given);
  add_message_options(table, options, given);
  add_connection_options(table, options, given);
  add_result_options(table, options);
  return table;
}

}  // namespace

int read_bench_options(int count, char** arguments, BenchOptions& options) {
  Given given;
  const std::vector<Option> table = option_table(options, given);
  std::vector<std::string> words;
  const CommandLine line{program, "ws[s]://HOST:PORT/PATH | ws[s]://unix:/SOCKET:/PATH [options]",
                         table};
  if (const int status = read_command_line(line, count, arguments, words); status >= 0) {
    return status;
  }
  if (words.empty()) return refuse(program, "a URL is missing (--help lists the options)");
  if (words.size() > 1) return refuse(program, "unexpected word: " + words[1]);
  if (const int status = read_url(words.front(), options); status >= 0) return status;
  return settle(given, options);
}

const char* mode_name(BenchOptions::Mode mode) {
  switch (mode) {
    case BenchOptions::Mode::echo:
      return "echo";
    case BenchOptions::Mode::receive:
      return "receive";
    case BenchOptions::Mode::idle:
      return "idle";
    case BenchOptions::Mode::connect:
      return "connect";
  }
  return "";
}

}  // namespace sluice::load
