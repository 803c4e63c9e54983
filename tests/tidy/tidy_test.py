#!/usr/bin/env python3
# Tests of tidy.py: every rule fires on a small tree that breaks it, at its line and alone, and none
# fires on clean code.
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import tidy  # noqa: E402

SCRIPT = pathlib.Path(tidy.__file__)
UNFINISHED_WORDS = ["TO" "DO", "FIX" "ME", "XX" "X"]  # spelled so that this file passes

CLEAN = {
    "Makefile": "all:\n",
    "core/session/session.h": '// A session.\n#pragma once\n#include "net/ring.h"\n',
    "core/session/session.cc": '// A session.\n#include "core/session/session.h"\n#include <vector>\n'
                       '#include "protocol/frames.h"\n#include "tls/context.h"\n',
    "net/ring.h": '// A ring.\n#pragma once\n#include "net/check.h"\n',
    "net/ring.cc": '// A ring.\n#include "net/ring.h"\n#include <unistd.h>\n#include <net/if.h>\n'
                   "long now() { return clock_gettime(0, nullptr) + ::close(1); }\n",
    "net/check.h": "// Assertions.\n#pragma once\n#ifdef SLUICE_DEBUG_CHECKS\n#endif\n",
    "net/result.h": "// A value or a fault.\n#pragma once\n",
    "protocol/frames.h": '// Frames.\n#pragma once\n#include "net/check.h"\n',
    "protocol/frames.cc": '// Frames.\n#include "protocol/frames.h"\n#include "net/result.h"\n',
    "tls/context.h": '// A context.\n#pragma once\n#include "net/ring.h"\n#ifdef OPENSSL\n#endif\n',
    "tests/unit/ring_test.cc": '// Ring.\n#include "net/ring.h"\n#include "core/session/session.h"\n'
                               "#include <memory>\nstd::shared_ptr<int> anything_goes;\n",
    "tests/unit/frames_test.cc": '// Frames.\n#include "protocol/frames.h"\n',
    "tests/unit/tls_x_test.cc": "// What the tests below call tls/x.cc.\n",
    **{f"tests/unit/{name}_test.cc": "// What the tests below call by that name.\n"
       for name in ("x", "long", "session", "tricky", "worker", "master", "router", "log",
                    "upstream", "conf", "conf_directives", "conf_machine_inputs")},
    "tests/interop/package-lock.json": '{"lockfileVersion": 3, "packages": {}}\n',
    "tests/interop/ws_test.mjs": "// Interop.\n",
    "tests/tidy/tool.py": "#!/usr/bin/env python3\n# A tool.\n",
    "core/DESIGN.md": "## 1. House\n## 2. Path\nRings.\n## 4. Processes\n"
                      "## 7. Exactly\nWords, leaving a leg.\n",
    "tests/tidy/other.py": '"""A tool."""\n',
}

# What looks like a violation and is none.
TRICKY = r"""// Mentions of shared_ptr, ::recv( and std::random_device in a comment are fine.
#include "core/session/session.h"
/* #include "core/nothing.h"
   #ifdef NOTHING } } } */
const char* const text = "{ ::send( std::shared_ptr \" rand() { // no comment";
const char* const raw = R"x({{{ )" " #ifdef time(nullptr) {)x";
const char quote = '"', brace = '{', escaped = '\'', many = u8'"';
constexpr long separated = 1'000'000 + 0xff'ff'00;
#define OPEN_SCOPE namespace {
struct Randomness {
  int rand_count = 0, brand() const;
  bool operator()(int a) const { return a == rand_count; }
};
void run(Clock& clock) {
  sys::recv(1);
  clock.time(nullptr);
  Connection::close(2);
  mktemp("sluice-XXXXXX");
}
"""


def body(lines, head="void f() {", end="}"):
    """A block of that many lines, head and end among them."""
    return "\n".join([head] + ["  step();"] * (lines - 2) + [end]) + "\n"


class TidyTest(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="tidy-"))
        self.addCleanup(shutil.rmtree, self.root)

    def build(self, files):
        for path, text in files.items():
            target = self.root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
            target.chmod(0o755 if text.startswith("#!") else 0o644)

    def violations(self, changed):
        shutil.rmtree(self.root)
        self.build({**CLEAN, **changed})
        return tidy.violations_in(self.root)

    def expect(self, path, text, *expected):
        """The clean tree with one file changed breaks these rules at these lines, no others."""
        with self.subTest(path=path, text=text[:200]):
            found = self.violations({path: text})
            self.assertEqual([(path, line) for line, _ in expected],
                             [(file, line) for file, line, _ in found], found)
            for (_, words), (_, _, rule) in zip(expected, found):
                self.assertIn(words, rule)

    def expect_clean(self, path, text):
        self.expect(path, text)

    def test_clean_tree(self):
        self.assertEqual(self.violations({}), [])
        self.expect_clean("core/session/tricky.cc", TRICKY)

    def test_include_direction(self):
        cases = [
            ("net/ring.h", "protocol/frames.h"), ("net/ring.h", "core/session/session.h"),
            ("net/ring.h", "tls/context.h"), ("protocol/frames.cc", "net/ring.h"),
            ("protocol/frames.cc", "core/session/session.h"), ("protocol/frames.cc", "tls/context.h"),
            ("tls/context.h", "protocol/frames.h"), ("tls/context.h", "core/session/session.h"),
            ("core/session/session.cc", "tests/unit/main.h"),
            ("core/session/session.cc", "core/process/worker.h"),
            ("core/session/session.cc", "core/conf/conf.h"),
            ("core/conf/conf.cc", "core/session/session.h"),
            ("core/observe/log.cc", "core/session/session.h"),
            ("core/peers/upstream.cc", "core/session/session.h"),
            ("core/router.cc", "core/session/session.h"),
        ]
        for path, name in cases:
            once = "#pragma once\n" if path.endswith(".h") else "\n"
            self.expect(path, f'// Opens.\n{once}  # include "{name}"\n', (3, "must not include"))
        for path, name in [("core/process/worker.cc", "core/session/session.h"),
                           ("core/session/session.cc", "core/observe/log.h"),
                           ("core/session/session.cc", "core/config.h"),
                           ("core/router.cc", "core/config.h")]:
            self.expect_clean(path, f'// Opens.\n#include "{name}"\n')
        self.expect("net/ring.cc", "// Opens.\n#include <core/session/session.h>\n",
                    (2, "net/ must not include core/session/session.h"))
        for name in ["session.h", "../net/ring.h", "net/../core/session/session.h"]:
            self.expect("core/session/session.cc", f'// Opens.\n#include "{name}"\n', (2, "from the top"))

    def test_what_says_who_runs_it_can_be_run(self):
        for mode, path, words in [(0o644, "tests/tidy/tool.py", "is not executable"),
                                  (0o755, "tests/tidy/other.py", "does not begin with #!"),
                                  (0o755, "net/ring.h", "does not begin with #!")]:
            self.assertEqual(self.violations({}), [])
            (self.root / path).chmod(mode)
            [(file, line, rule)] = tidy.violations_in(self.root)
            self.assertEqual((file, line), (path, 1))
            self.assertIn(words, rule)

    def test_conf_asks_its_inputs(self):
        for call in ['std::fopen("x", "r")', 'getenv("X")', "::glob(pattern, 0, nullptr, &found)",
                     "sys::find_user(name)", "std::filesystem::exists(path)", "::getpwnam(name)",
                     "resolve_blocking(host, 80)", "std::ifstream file(path)"]:
            text = f"// Opens.\nauto x = {call};\n"
            self.expect("core/conf/setters.cc", text, (2, "outside MachineInputs"))
            self.expect_clean("core/conf/machine_inputs.cc", text)
            self.expect_clean("core/process/master.cc", text)
        for call in ["inputs.glob(pattern)", "sys::wall_clock_ms()", "std::filesystem::path(text)"]:
            self.expect_clean("core/conf/setters.cc", f"// Opens.\nauto x = {call};\n")

    def test_function_length(self):
        heads = [
            "void f() {",
            "template <class T>\nstatic std::vector<T> X<T>::f(int a, int b = {}) const noexcept {",
            "auto f(int a) -> std::vector<int> {",
            'TEST_CASE("a { brace") {',
            "X::X(int a) : a_{a}, b_(a), c_{} {",
            "X::X(int a)\n    : a_(a),\n      c_{1} {",
            "bool operator==(const X& a, const X& b) {",
            "struct stat f(void (*g)()) {",
            "const auto f = [](int a) mutable {",
        ]
        for head in heads:
            more = head.count("\n")
            end = "};" if "auto f =" in head else "}"
            before = "// Opens.\nnamespace a::b {\nenum class E : int { one };\n"
            fits = body(70 - more, head, end)
            self.expect_clean("core/long.cc", before + fits + body(70) + "}\n")
            self.expect("core/long.cc", before + body(71 - more, head, end) + "}\n",
                        (4, "function of 71 lines, at most 70"))
        long_body = body(71, "  int f() const override {", "  }")
        self.expect("net/ring.h", "// Opens.\n#pragma once\nclass X final : public Y {\n public:\n"
                    "  int a() { return 1; }\n" + long_body + "};\n", (6, "71 lines"))
        fits = body(70, "  int f() const override {", "  }")
        self.expect_clean("core/long.h", "// Opens.\n#pragma once\nclass X {\n private:\n\n"
                          "  // Why.\n" + fits + "};\n")
        self.expect("tests/unit/ring_test.cc", "// Opens.\n" + body(71), (2, "71 lines"))
        table = body(80, "const Row rows[] = {\n {1, [] {", " }}};")
        self.expect("core/long.cc", "// Opens.\n" + table, (3, "80 lines"))

    def test_long_blocks_that_are_no_functions(self):
        for head, end in [("namespace {", "}"), ('extern "C" {', "}"), ("struct X : Y<int> {", "};"),
                          ("template <class T> class X {", "};"), ("enum class E {", "};"),
                          ("const int table[] = {", "};"), ("constexpr std::array<int, 3> t{", "};"),
                          ("Row rows[3] {", "};"), ("const Row row = f({", "});")]:
            rows = [head] + ["  // row"] * 100 + [end]
            self.expect_clean("core/long.cc", "// Opens.\n" + "\n".join(rows) + "\n")

    def test_braces_that_do_not_match(self):
        for text in ["void f() {\n", "}\n", "#if A\nvoid f() {\n#else\nvoid g() {\n#endif\n}\n"]:
            found = self.violations({"tls/x.cc": "// Opens.\n" + text})
            self.assertEqual([(path, line) for path, line, _ in found], [("tls/x.cc", 1)])
            self.assertIn("braces do not match", found[0][2])

    def test_file_length(self):
        for path, mark in [("core/x.h", "//"), ("core/x.cc", "//"), ("tests/x.py", "#"),
                           ("tests/interop/x.mjs", "//"), ("tests/x.sh", "#")]:
            once = "#pragma once" if path.endswith(".h") else mark
            lines = f"{mark} Opens.\n{once}\n" + f"{mark}\n" * 498
            self.expect_clean(path, lines)
            self.expect(path, lines + mark + "\n", (501, "file of 501 lines, at most 500"))
        self.expect_clean("tests/x.json", "\n" * 600)

    def test_opening_comment(self):
        for path, text in [
            ("core/x.cc", '#include "core/config.h"\n'), ("core/x.cc", ""),
            ("core/x.cc", "\n// Late.\n"), ("core/x.h", "#pragma once\n// Late.\n"),
            ("tests/x.py", "import sys\n"), ("tests/x.py", "#!/usr/bin/env python3\nimport sys\n"),
            ("tests/interop/x.mjs", "#!/usr/bin/env node\nimport 'fs';\n"),
        ]:
            self.expect(path, text, (1, "does not open with a comment"))
        self.expect_clean("tests/interop/x.mjs", "#!/usr/bin/env node\n/* Opens. */\n")

    def test_pragma_once(self):
        self.expect("core/x.h", "// Opens.\n// #pragma once\n", (1, "without #pragma once"))
        self.expect("tests/unit/x.h", "// Opens.\n", (1, "without #pragma once"))

    def test_conditional_compilation(self):
        for path in ["core/session/session.cc", "net/ring.cc", "protocol/frames.cc"]:
            for line in ["#ifdef A", "#ifndef A", "#if defined(A)", "  # if A"]:
                self.expect(path, f"// Opens.\n\n{line}\n#endif\n", (3, "conditional compilation"))

    def test_syscalls(self):
        for path in ["core/session/session.cc", "protocol/frames.cc", "tls/x.cc"]:
            for call in ["::recv(1, p, 2, 0)", "x = ::send (1)", "::epoll_wait(1)", "(::close(1))"]:
                self.expect(path, f"// Opens.\nint x;\nint y = {call};\n", (3, "syscall"))
            for header in ["sys/epoll.h", "unistd.h", "fcntl.h", "sys/event.h"]:
                self.expect(path, f"// Opens.\n#include <{header}>\n", (2, f"<{header}>"))

    def test_clocks_and_randomness(self):
        for path in ["core/session/session.cc", "protocol/frames.cc", "tls/x.cc"]:
            for use in ["clock_gettime(CLOCK_MONOTONIC, &t)", "std::chrono::steady_clock::now()",
                        "std::chrono::system_clock::now()", "time(nullptr)", "std::time(&t)"]:
                self.expect(path, f"// Opens.\n\nauto x = {use};\n", (3, "clock outside net/sys"))
            for use in ["getrandom(p, 4, 0)", "std::random_device()()", "rand() % 2", "std::rand()"]:
                self.expect(path, f"// Opens.\n\nauto x = {use};\n", (3, "randomness outside"))

    def test_unfinished(self):
        for word in UNFINISHED_WORDS:
            for path, mark in [("core/session/session.cc", "//"), ("tests/x.sh", "#"), ("Makefile", "#"),
                               ("tests/CMakeLists.txt", "#"), ("tests/interop/ws_test.mjs", "//")]:
                self.expect(path, f"{mark} Opens.\n{mark} {word}: later\n", (2, "unfinished"))
            self.expect("tests/x.py", f"# Opens.\nx = '{word}(me)'\n", (2, "unfinished"))

    def test_shared_pointers(self):
        for path in ["core/session/session.cc", "net/ring.cc", "protocol/frames.cc"]:
            for use in ["std::shared_ptr<int> x;", "auto x = std::make_shared<int>(1);"]:
                self.expect(path, f"// Opens.\n\n{use}\n", (3, "shared ownership"))

    def test_every_source_has_its_test(self):
        for path, name in [("net/pool.cc", "pool"), ("protocol/uri.cc", "uri"),
                           ("tls/pool.cc", "tls_pool"), ("core/conf/words.cc", "conf_words"),
                           ("core/peers/health.cc", "health"), ("core/health.cc", "health"),
                           ("core/observe/status.cc", "status")]:
            self.expect(path, "// Opens.\n", (1, f"has no tests/unit/{name}_test.cc"))
            tested = {path: "// Opens.\n", f"tests/unit/{name}_test.cc": "// Opens.\n"}
            self.assertEqual(self.violations(tested), [])
        self.expect("net/poller_kqueue.cc", "// Opens.\n", (1, "has no tests/kqueue"))
        tested = {"net/poller_kqueue.cc": "// Opens.\n", "tests/kqueue/poller_test.cc": "// Opens.\n"}
        self.assertEqual(self.violations(tested), [])

    def test_lock_files(self):
        self.expect("tests/interop/package-lock.json",
                    '{"packages": {"a": {\n  "resolved": "https://example.org/a.tgz"\n}}}\n',
                    (2, "lock file"))
        self.expect("tests/interop/yarn.lock", 'a@1:\n  resolved "https://example.org"\n',
                    (2, "lock file"))
        self.expect_clean("tests/interop/clock.mjs", "// Opens.\nconst x = {\n  resolved: 1 };\n")

    def test_top_level(self):
        for path in ["notes.md", "src/main.c", "docs/x.md"]:
            self.expect(path, "text\n", (1, "top level"))
        for path in ["README.md", "CHANGELOG.md", "conf/x.conf", ".gitignore", ".ci/x.yml"]:
            self.expect_clean(path, "text\n")

    def test_citations(self):
        for good in ["core/DESIGN.md", "core/DESIGN.md section 2, rings", "core/DESIGN.md 2 and 7",
                     "core/DESIGN.md, section 9", "core/DESIGN.md section 7,\n// words", "README.md"]:
            self.expect_clean("core/x.cc", f"// Opens ({good}).\n")
        for bad, rule in [("core/OTHER.md", "core/OTHER.md"), ("DESIGN.md", "cites DESIGN.md"),
                          ("core/DESIGN.md section 3", "section 3"),
                          ("core/DESIGN.md sections 2 and 5", "section 5"),
                          ("core/DESIGN.md section 2, words", '"words"')]:
            self.expect("tests/x.cc", f"// Opens.\n// See {bad}.\n", (2, rule))
        self.expect_clean("core/x.md", "DESIGN.md beside this page, section 2.\n")

    def test_git_decides_what_belongs_to_the_tree(self):
        self.build({**CLEAN, ".gitignore": "/out/\n/*.log\n", "out/x.h": "bad", "a.log": "bad"})
        environment = {name: value for name, value in os.environ.items() if "GIT_" not in name}
        try:
            subprocess.run(["git", "init", "-q", self.root], check=True, env=environment)
        except FileNotFoundError:
            self.skipTest("no git")
        self.assertEqual(tidy.violations_in(self.root), [])
        self.build({"added.txt": "not yet committed\n"})
        self.assertEqual([path for path, _, _ in tidy.violations_in(self.root)], ["added.txt"])

    def run_script(self, script, *arguments):
        done = subprocess.run([sys.executable, "-B", str(script), *arguments], cwd="/",
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        return done.returncode, done.stdout.decode()

    def test_command_line(self):
        self.build(CLEAN)
        self.assertEqual(self.run_script(SCRIPT, str(self.root)), (0, ""))
        self.build({"core/x.cc": "// Opens.\n#ifdef A\n#endif\n"})
        expected = (1, "core/x.cc:2: conditional compilation: #ifdef\n")
        self.assertEqual(self.run_script(SCRIPT, str(self.root)), expected)
        own = self.root / "tests/tidy/tidy.py"
        shutil.copy(SCRIPT, own)
        self.assertEqual(self.run_script(own), expected)
        self.assertEqual(self.run_script(SCRIPT, "/nowhere/at/all")[0], 2)
        self.assertEqual(self.run_script(SCRIPT, "a", "b")[0], 2)


if __name__ == "__main__":
    unittest.main()
