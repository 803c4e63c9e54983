#!/usr/bin/env python3
# Checks what no compiler does: which layer includes which, lengths, and the words and calls that
# the house rules out. Usage: tidy.py [source folder]; exit status 1 with violations.
import pathlib
import re
import subprocess
import sys

MAX_FUNCTION_LINES = 70
MAX_FILE_LINES = 500

# Who may include whom (core/DESIGN.md section 1); tests/ may include everything.
LAYERS = {
    "core": {"core", "protocol", "tls", "net"},
    "tls": {"tls", "net"},
    "net": {"net"},
    "protocol": {"protocol"},
}
# The same of core's rooms; what stands above them (config.h, ...) is everybody's, and theirs is
# nobody's.
ROOMS = {
    "process": {"process", "keeper", "session", "peers", "conf", "observe"},
    "keeper": {"keeper", "session", "peers", "observe"},
    "session": {"session", "peers", "observe"},
    "peers": {"peers", "observe"},
    "conf": {"conf", "observe"},
    "observe": {"observe"},
    "": set(),
}
INCLUDED_EVERYWHERE = {"net/result.h", "net/check.h"}

TOP_LEVEL = {
    "core", "protocol", "tls", "net", "tests", "conf",
    "Makefile", "CMakeLists.txt", "README.md", "LICENSE", "CHANGELOG.md",
}  # and dotfiles

# Conditional compilation is for the file whose point it is; platforms are chosen by CMake.
CONDITIONALS_ALLOWED = {"net/check.h"}

# How the unit test of a source file begins its name; tls/ shares names with net/.
TESTED_LAYERS = {"net": "", "protocol": "", "tls": "tls_"}
# The same of core's rooms; "" stands for what is above them.
TESTED_ROOMS = {"process": "", "keeper": "", "session": "", "peers": "", "conf": "conf_", "observe": "", "": ""}

# Sources of these layers without a NAME_test.cc in tests/unit: what tests them instead.
TESTED_ELSEWHERE = {
    "net/poller_epoll.cc": "tests/unit/poller_test.cc",  # asks whichever poller was built
    "net/sys_splice_linux.cc": "tests/unit/sys_splice_test.cc",
    "net/sys_splice_none.cc": "tests/kqueue",  # is compiled there
    "net/sys_platform_linux.cc": "tests/unit/sys_platform_test.cc",
    "net/sys_platform_none.cc": "tests/kqueue",  # is compiled there
    "net/sys_sandbox_linux.cc": "tests/unit/sys_sandbox_test.cc",
    "net/sys_sandbox_none.cc": "tests/unit/sys_sandbox_test.cc",  # in builds with sanitizers
    "net/sys_call_result_x86_64.cc": "tests/unit/sys_sandbox_test.cc",
    "net/sys_call_result_aarch64.cc": "tests/unit/sys_sandbox_test.cc",  # there
    "net/sys_watch_linux.cc": "tests/unit/sys_watch_test.cc",
    "net/sys_watch_none.cc": "tests/kqueue",  # is compiled there
    "net/sys_trace_execinfo.cc": "tests/unit/sys_trace_test.cc",
    "core/process/worker_gauges.cc": "tests/integration/admin_gauges_test.py",
    "core/process/metrics_peers.cc": "tests/unit/metrics_test.cc",
    "core/process/metrics_traffic.cc": "tests/unit/metrics_test.cc",
    "core/process/metrics_workers.cc": "tests/unit/metrics_test.cc",
    "net/sys_trace_none.cc": "tests/kqueue",  # is compiled there
    "net/poller_kqueue.cc": "tests/kqueue",  # is not built on Linux, but there over an emulation
    "tls/prepare.cc": "tests/alloc/main.cc",  # what it is for shows where memory is short
    "protocol/handshake_upstream.cc": "tests/unit/handshake_test.cc",  # both roles of one header
    "core/process/main.cc": "tests/integration/starts_test.py",
    "core/process/conversation.cc": "tests/unit/command_test.cc",  # both ends of one conversation
    "core/process/crew.cc": "tests/unit/master_test.cc",  # a crew forks its owner
    "core/process/keeper_place.cc": "tests/unit/keeper_test.cc",  # both ends of one channel
    "core/conf/named_file.cc": "tests/unit/conf_setters_tls_test.cc",
    "core/process/master_drain.cc": "tests/integration/drain_test.py",
    "core/process/master_names.cc": "tests/integration/names_test.py",
    "core/process/master_challenges.cc": "tests/integration/acme_test.py",
    "core/process/answer_memory.cc": "tests/unit/memory_text_test.cc",
    "core/process/master_reload.cc": "tests/unit/master_test.cc",
    "core/process/master_status.cc": "tests/integration/control_test.py",
    "core/process/worker_accept.cc": "tests/unit/worker_test.cc",
    # A stream's leg, its connection and the session over it show together, over the wire.
    "core/process/worker_http2.cc": "tests/integration/http2_test.py",
    "core/session/http2_connection.cc": "tests/integration/http2_test.py",
    "core/session/http2_connections.cc": "tests/integration/http2_test.py",
    "core/session/http2_stream.cc": "tests/integration/http2_test.py",
    "core/session/make_http2_stream.cc": "tests/integration/http2_test.py",
    "core/session/http2_link.cc": "tests/integration/http2_test.py",
    "core/session/http2_peer_connection.cc": "tests/integration/http2_peers_test.py",
    "core/session/http2_peers.cc": "tests/integration/http2_peers_test.py",
    "protocol/http2_head.cc": "tests/unit/http2_request_test.cc",
    "core/session/session_http2.cc": "tests/integration/http2_test.py",
    "core/process/worker_conf.cc": "tests/unit/worker_test.cc",
    "core/keeper/dns_channels.cc": "tests/unit/resolver_test.cc",  # c-ares shows in what comes of it
    "core/process/check.cc": "tests/integration/checking_test.py",
    "core/session/preface.cc": "tests/unit/session_preface_test.cc",  # protocol/ has a preface, too
    "core/session/session_closing.cc": "tests/unit/session_test.cc",
    "core/session/session_pace.cc": "tests/unit/session_test.cc",
    "core/session/exchange_record.cc": "tests/unit/exchange_test.cc",
    "core/session/session_waiting.cc": "tests/integration/http_test.py",
    "core/session/exchange_answer.cc": "tests/unit/exchange_test.cc",
    "core/conf/resolve_logs.cc": "tests/unit/conf_setters_logs_test.cc",
    "core/conf/conf.cc": "tests/unit/conf_test.cc",
    "core/conf/reader.cc": "tests/unit/conf_test.cc",  # lines, includes, errors in their order
    "core/conf/manual.cc": "tests/unit/conf_reference_test.cc",  # compares both with the pages
    "core/conf/resolve.cc": "tests/unit/conf_sections_test.cc",
    "core/conf/resolve_warnings.cc": "tests/unit/conf_warnings_test.cc",
    "core/conf/resolve_tls.cc": "tests/unit/conf_tls_test.cc",
    # Each row with its setter: its effect wherever it may stand, and what it refuses elsewhere.
    **{f"core/conf/rows_{kind}.cc": "tests/unit/conf_directives_test.cc" for kind in (
        "top", "listen", "upstream", "upstream_http", "upstream_tls", "route",
        "admission", "jwt", "auth", "http")},
    "core/conf/setters_http2.cc": "tests/unit/conf_directives_test.cc",
    "core/conf/setters_admission.cc": "tests/unit/conf_directives_test.cc",
    "core/conf/resolve_jwt.cc": "tests/unit/conf_setters_jwt_test.cc",
    "core/conf/resolve_auth.cc": "tests/unit/conf_setters_auth_test.cc",
    "core/conf/setters_auth_basic.cc": "tests/unit/conf_directives_test.cc",
    "core/process/password_memory.cc": "tests/integration/auth_basic_test.py",
    "net/sys_bell_linux.cc": "tests/unit/password_thread_test.cc",
    "net/sys_bell_none.cc": "tests/kqueue",  # is compiled there
    "core/session/password_check.cc": "tests/integration/auth_basic_test.py",
    "core/conf/setters.cc": "tests/unit/conf_directives_test.cc",
    "core/conf/setters_check.cc": "tests/unit/conf_directives_test.cc",
    "core/conf/setters_balance.cc": "tests/unit/conf_directives_test.cc",
    "core/conf/setters_pace.cc": "tests/unit/conf_directives_test.cc",
    "core/conf/setters_peers.cc": "tests/unit/conf_sections_test.cc",
    "tls/context.cc": "tests/unit/tls_server_test.cc",  # of both roles; the client's test, too
    "tls/make_transport.cc": "tests/unit/tls_server_test.cc",  # its one line is in every connection
}

SYSCALLS = (
    "accept|accept4|bind|clock_gettime|close|connect|epoll_\\w+|fcntl|getrandom|gettimeofday|"
    "kevent|kqueue|listen|nanosleep|open|openat|pipe2?|poll|read|readv|recv|recvfrom|recvmsg|send|"
    "sendmsg|sendto|setsockopt|shutdown|sleep|socket|socketpair|time|usleep|write|writev"
)
# (rule, pattern) over code without comments and strings; what is reached through sys:: is fine.
OUTSIDE_NET = [
    ("syscall outside net/sys", re.compile(r"(?<![\w>])::\s*(?:%s)\s*\(" % SYSCALLS)),
    ("clock outside net/sys", re.compile(
        r"(?<![\w:.>])(?:clock_gettime|gettimeofday)\s*\(|"
        r"\b(?:system|steady|high_resolution|utc|tai|gps|file)_clock\b|"
        r"(?<![\w.>])(?:std::)?time\s*\(\s*(?:nullptr|NULL|0|&\s*\w+)\s*\)")),
    ("randomness outside net/sys", re.compile(
        r"(?<![\w:.>])(?:getrandom|arc4random\w*)\s*\(|\brandom_device\b|"
        r"(?<![\w:.>])(?:std::)?s?rand\s*\(")),
]
# A conf is loaded wherever its ConfInputs come from: core/conf asks nothing of the machine itself.
CONF_ROOM = "core/conf/"
MACHINE_OF_CONF = "core/conf/machine_inputs.cc"
OUTSIDE_INPUTS = [
    ("machine asked outside MachineInputs", re.compile(
        r"(?<![\w:.>])(?:std::|::)?(?:fopen|getenv|secure_getenv|getaddrinfo|get(?:pw|gr)\w+|"
        r"l?stat|access|realpath)\s*\(|(?<!\w)::glob\s*\(|\b[io]?fstream\b|\bresolve_blocking\b|"
        r"\bsys::(?!SocketFileAccess\b|default_backlog\b|wall_clock_ms\b)\w+|"
        r"\bfilesystem::(?!path\b)\w+")),
]
SYSTEM_HEADERS = {"sys/epoll.h", "sys/event.h", "unistd.h", "fcntl.h"}

UNFINISHED = re.compile(  # spelled so that this file passes
    r"(?<![A-Za-z0-9])(?:TO" r"DO|FIX" r"ME|XX" r"X)(?![A-Za-z0-9])")
SHARED_POINTER = re.compile(r"\b(?:shared_ptr|make_shared|weak_ptr|enable_shared_from_this)\b")
CONDITIONAL = re.compile(r"^[ \t]*#[ \t]*(?:if|ifdef|ifndef|elif)\b", re.M)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.M)
LOCK_FILE = re.compile(r"^tests/interop/.*(?:lock|shrinkwrap)[^/]*\.(?:json|ya?ml)$|\.lock$")
RESOLVED = re.compile(r'"resolved"\s*:|^\s*resolved[:\s]', re.M)

# A page that is cited by its path from the top or from beside the citing file, with the sections
# that are named of it ("core/DESIGN.md section 7, leaving a leg", "core/DESIGN.md 4 and 7").
CITATION = re.compile(
    r"(?<![\w./-])(?P<page>\w[\w./-]*\.md)\b"
    r"(?:\s+(?:sections?\s+)?(?P<sections>\d+(?:(?:\s+and\s+|,\s+)\d+)*)\b"
    r"(?:,\s+(?P<part>[a-z][a-z -]*[a-z]))?)?")
CONTINUED = re.compile(r"\n[ \t]*(?://|#)[ \t]*")  # a comment goes on in its next line
NO_CITATIONS = {"tests/tidy/tidy_test.py"}  # names of pages that nobody wrote

CPP = {".h", ".cc"}
LIMITED = {".h", ".cc", ".py", ".mjs", ".sh"}
FINISHED = LIMITED | {".txt", ".cmake", ".conf", ".service", ".yml", ".yaml", ".js", ""}
NOT_OURS = {"node_modules", "__pycache__"}

# One literal or comment. A raw string ends at its own mark; a quote behind a digit only separates.
TOKEN = re.compile(
    r'//(?:\\\n|[^\n])*|/\*.*?\*/'
    r'|(?:u8|[uUL])?R"(?P<mark>[^()\\\s]{0,16})\(.*?\)(?P=mark)"'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?:\bu8|(?<![0-9a-fA-F]))'(?:\\.|[^'\\\n])+'",
    re.S)
DIRECTIVE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.M)


def blank(text):
    """Spaces of the same shape: line numbers and offsets stay."""
    return re.sub(r"[^\n]", " ", text)


def code_of(text):
    """C++ without comments and without what stands in literals."""
    return TOKEN.sub(lambda token: blank(token.group()), text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


# --- functions ------------------------------------------------------------------------------------
SCOPE_HEAD = re.compile(r"^(?:inline\s+)?namespace\b|^extern$")
CLASS_HEAD = re.compile(
    r"^(?:typedef\s+|static\s+|inline\s+|constexpr\s+|const\s+)*(?:class|struct|union)\b"
    r"(?:\s+alignas\s*\([^()]*\)|\s*\[\[.*?\]\])*(?:[^():=]|::)*(?::(?!:).*)?$", re.S)
BODY_HEAD = re.compile(
    r"\)(?:\s|const|volatile|override|final|mutable|constexpr|try|&&?|\[\[\w+\]\]|"
    r"noexcept(?:\s*\([^()]*\))?|requires\b.*|->[^;{}]+)*$", re.S)
MEMBERS_HEAD = re.compile(r"\)\s*(?:noexcept\s*)?:(?!:)", re.S)
LAMBDA_HEAD = re.compile(
    r"(?:^|[=(,{&|?:]|\breturn)\s*\[[^\[\]]*\]\s*(?:<[^<>]*>\s*)?(?:\((?:[^()]|\([^()]*\))*\)\s*)?"
    r"(?:mutable|noexcept|constexpr|\s)*(?:->[^;{}()]+)?$", re.S)
LABEL = re.compile(r"\s*(?:public|protected|private)\s*:(?!:)")


def strip_template(head):
    """Drops `template <...>` from a head, so that its `class` is not taken for one."""
    found = re.match(r"\s*template\s*<", head)
    if not found:
        return head
    depth = 0
    for at in range(found.end() - 1, len(head)):
        depth += {"<": 1, ">": -1}.get(head[at], 0)
        if depth == 0:
            return strip_template(head[at + 1:])
    return head


def kind_of(head, in_parentheses):
    """What a brace opens, judged by what stands before it in its scope."""
    head = strip_template(head).strip()
    if LAMBDA_HEAD.search(head):
        return "function"
    if in_parentheses:
        return "value"
    if SCOPE_HEAD.search(head) or CLASS_HEAD.search(head):
        return "scope"
    if BODY_HEAD.search(head):
        return "function"
    if MEMBERS_HEAD.search(head):  # an initializer a_{1}, or the body behind the last of them
        return "function" if head.endswith("}") else "value"
    return "value"


def functions_of(code):
    """(offset of the head, offset of the closing brace) of every outermost function; None where
    braces do not match, so that nothing passes for want of understanding."""
    code = DIRECTIVE.sub(lambda directive: blank(directive.group()), code)
    found = []
    stack = []  # (kind, where its head begins, depth of parentheses outside)
    head = 0
    depth = 0
    for token in re.finditer(r"[{}();]", code):
        at = token.start()
        if token.group() == "(":
            depth += 1
        elif token.group() == ")":
            depth = max(0, depth - 1)
        elif token.group() == ";":
            if depth == 0:
                head = at + 1
        elif token.group() == "{":
            inside = stack and stack[-1][0] in ("function", "inner")
            kind = "inner" if inside else kind_of(code[head:at], depth > 0)
            stack.append((kind, head, depth))
            depth = 0
            head = at + 1
        elif not stack:
            return None
        else:
            kind, head, depth = stack.pop()
            if kind == "function":
                found.append((begin_of(code, head), at))
            if depth == 0 and kind in ("function", "scope"):
                head = at + 1
    return None if stack else found


def begin_of(code, head):
    """Where a head's first word stands, behind labels."""
    label = LABEL.match(code, head)
    while label:
        head = label.end()
        label = LABEL.match(code, head)
    return head + re.match(r"\s*", code[head:]).end()


# --- rules ----------------------------------------------------------------------------------------
class Tree:
    """The files of one source folder, and the violations found in them."""

    def __init__(self, root):
        self.root = root
        self.files = sorted(list_files(root))
        self.violations = []

    def report(self, path, line, rule):
        self.violations.append((path, line, rule))

    def report_matches(self, path, text, pattern, rule):
        for found in pattern.finditer(text):
            begin = found.start() + len(found.group()) - len(found.group().lstrip())
            self.report(path, line_of(text, begin), f"{rule}: {found.group().strip()}")


def list_files(root):
    """What git knows or would add; without git, everything that is not built or downloaded."""
    listed = subprocess.run(
        ["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    names = [name for name in listed.stdout.decode().split("\0") if name]
    if listed.returncode != 0 or not names:
        names = [str(path.relative_to(root)) for path in root.rglob("*")]
        names = [name for name in names if not name.startswith((".git/", "build"))]
    return {name for name in names
            if not NOT_OURS.intersection(pathlib.PurePath(name).parts) and (root / name).is_file()}


def check_opening(tree, path, text):
    lines = text.split("\n")
    if lines[0].startswith("#!"):
        lines = lines[1:]
    openings = ("#", '"""') if path.endswith(".py") else ("//", "/*")
    if not lines or not lines[0].startswith(openings):
        tree.report(path, 1, "does not open with a comment that says what it owns")


def check_mode(tree, path, text):
    """A file that says who runs it can be run, and no other one."""
    executable = (tree.root / path).stat().st_mode & 0o111 != 0
    if text.startswith("#!") and not executable:
        tree.report(path, 1, "begins with #! and is not executable: chmod +x")
    if executable and not text.startswith("#!"):
        tree.report(path, 1, "is executable and does not begin with #!: chmod -x")


def room_of(path):
    """Of a file below core/: "session"; "" where it stands above the rooms."""
    parts = path.split("/")
    return parts[1] if len(parts) > 2 else ""


def check_includes(tree, path, text, code):
    layer = path.split("/")[0]
    for found in INCLUDE.finditer(text):
        # Code is blank where the text is a comment or string, but so is the name of an include.
        if code[found.start():found.start(1)].strip() == "":
            continue
        bracket, name = found.groups()
        line = line_of(text, found.start(1))
        if layer != "net" and bracket == "<" and name in SYSTEM_HEADERS:
            tree.report(path, line, f"system header outside net/: <{name}>")
        if bracket == "<" and name not in tree.files:
            continue
        if name in INCLUDED_EVERYWHERE:
            continue
        if "/" not in name or name.startswith(("/", ".")) or "/../" in name:
            tree.report(path, line, f'include not by its path from the top: "{name}"')
        elif name.split("/")[0] not in LAYERS[layer]:
            tree.report(path, line, f"{layer}/ must not include {name}")
        elif layer == name.split("/")[0] == "core" and room_of(name):
            room = room_of(path)
            if room_of(name) not in ROOMS.get(room, {room}):
                tree.report(path, line, f"core/{room} must not include {name}")


def check_functions(tree, path, code):
    functions = functions_of(code)
    if functions is None:
        tree.report(path, 1, "braces do not match, functions cannot be measured")
    for begin, end in functions or []:
        lines = code.count("\n", begin, end) + 1
        if lines > MAX_FUNCTION_LINES:
            tree.report(path, line_of(code, begin),
                        f"function of {lines} lines, at most {MAX_FUNCTION_LINES}")


def check_cpp(tree, path, text):
    code = code_of(text)
    layer = path.split("/")[0]
    check_functions(tree, path, code)
    if path.endswith(".h") and not re.search(r"^#pragma once\b", code, re.M):
        tree.report(path, 1, "header without #pragma once")
    if layer not in LAYERS:
        return
    check_includes(tree, path, text, code)
    if layer != "tls":
        tree.report_matches(path, code, SHARED_POINTER, "shared ownership")
        if path not in CONDITIONALS_ALLOWED:
            tree.report_matches(path, code, CONDITIONAL, "conditional compilation")
    if path.startswith(CONF_ROOM) and path != MACHINE_OF_CONF:
        for rule, pattern in OUTSIDE_INPUTS:
            tree.report_matches(path, code, pattern, rule)
    if layer != "net":
        for rule, pattern in OUTSIDE_NET:
            tree.report_matches(path, code, pattern, rule)


def section_of(page, number):
    """The text under the heading `## NUMBER. ...`, None where there is no such heading."""
    found = re.search(rf"^## {number}\. .*?(?=^## |\Z)", page, re.M | re.S)
    return found.group() if found else None


def check_citations(tree, path, text):
    if path in NO_CITATIONS:
        return
    for found in CITATION.finditer(CONTINUED.sub(lambda gap: " " * len(gap.group()), text)):
        name = found["page"]
        beside = str(pathlib.PurePosixPath(path).parent / name)
        page = next((each for each in (name, beside) if each in tree.files), None)
        line = line_of(text, found.start())
        if page is None:
            if name not in TOP_LEVEL:
                tree.report(path, line, f"cites {name}, which is not there")
            continue
        content = (tree.root / page).read_text(encoding="utf-8")
        for number in re.findall(r"\d+", found["sections"] or ""):
            section = section_of(content, number)
            if section is None:
                tree.report(path, line, f"cites section {number} of {page}, which is not there")
            elif (found["part"] or "") not in section.lower():
                tree.report(path, line, f'cites "{found["part"]}" of {page} {number}, '
                                        "which is not there")


def check_file(tree, path):
    suffix = pathlib.PurePath(path).suffix
    try:
        text = (tree.root / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return  # a fuzz input or the like
    check_mode(tree, path, text)
    lines = text.count("\n") + (not text.endswith("\n"))
    if suffix in LIMITED and lines > MAX_FILE_LINES:
        tree.report(path, MAX_FILE_LINES + 1, f"file of {lines} lines, at most {MAX_FILE_LINES}")
    if suffix in CPP | {".py", ".mjs"}:
        check_opening(tree, path, text)
    if suffix in FINISHED | {".md"} and not path.startswith("tests/fuzz/corpus"):
        check_citations(tree, path, text)
    if suffix in FINISHED and not path.startswith("tests/fuzz/"):
        tree.report_matches(path, text, UNFINISHED, "unfinished")
    if suffix in CPP:
        check_cpp(tree, path, text)
    if LOCK_FILE.search(path):
        tree.report_matches(path, text, RESOLVED, "lock file names a registry")


def test_prefix(path):
    """How the name of the source file's unit test begins; None where none is asked for."""
    layer = path.split("/")[0]
    if layer == "core":
        return TESTED_ROOMS.get(room_of(path))
    return TESTED_LAYERS.get(layer)


def check_tree(tree):
    for path in tree.files:
        layer, _, name = path.partition("/")
        if layer not in TOP_LEVEL and not layer.startswith("."):
            tree.report(path, 1, "does not belong at the top level")
        prefix = test_prefix(path)
        if prefix is not None and name.endswith(".cc"):
            stem = name[:-3].rpartition("/")[2]
            own = f"tests/unit/{prefix}{stem}_test.cc"
            test = TESTED_ELSEWHERE.get(path, own)
            if not any(file == test or file.startswith(test + "/") for file in tree.files):
                tree.report(path, 1, f"has no {test}")


def violations_in(root):
    """Every violation under a folder as (path, line, rule), in order."""
    tree = Tree(pathlib.Path(root).resolve())
    check_tree(tree)
    for path in tree.files:
        check_file(tree, path)
    return sorted(tree.violations)


def main(arguments):
    if len(arguments) > 1:
        print("usage: tidy.py [source folder]", file=sys.stderr)
        return 2
    root = arguments[0] if arguments else pathlib.Path(__file__).resolve().parents[2]
    if not pathlib.Path(root).is_dir():
        print(f"tidy.py: {root} is no folder", file=sys.stderr)
        return 2
    violations = violations_in(root)
    for path, line, rule in violations:
        print(f"{path}:{line}: {rule}")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
