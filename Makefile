# A thin front for CMake. `make help` lists the targets.
BUILD ?= build
JOBS ?= $(shell nproc)
CONFIGURE = cmake -G Ninja -S .
SECONDS_EACH ?= 60
BENCH ?=
APPS = node-red@4.1.8 node-red-dashboard@3.6.6

.DEFAULT_GOAL := all
.PHONY: all deps test-deps clang-deps run test apps bench-deps bench many fair asan clang coverage sim soak fuzz install clean help

all: deps ## build sluice, sluice-echo and sluice-bench into build/bin
	@$(CONFIGURE) -B $(BUILD) >/dev/null
	@cmake --build $(BUILD) -j $(JOBS)

deps: ## install what building needs, where it is missing (Debian packages)
	@.ci/deps build

test-deps:
	@.ci/deps test

clang-deps:
	@.ci/deps clang

run: deps ## build, then serve conf/sluice.conf on 127.0.0.1:8080 with sluice-echo behind it
	@$(CONFIGURE) -B $(BUILD) >/dev/null
	@cmake --build $(BUILD) -j $(JOBS) --target sluice sluice-echo sluice-bench
	@.ci/serve $(BUILD)/bin

test: test-deps ## build and run every test
	@$(CONFIGURE) -B $(BUILD) >/dev/null
	@cmake --build $(BUILD) -j $(JOBS)
	@ctest --test-dir $(BUILD) --output-on-failure --timeout 600 -j $(JOBS)

apps: test-deps ## install Jupyter and Node-RED, use both through one listener in headless Chromium
	@.ci/deps apps
	@$(CONFIGURE) -B $(BUILD) >/dev/null
	@cmake --build $(BUILD) -j $(JOBS) --target sluice
	@node tests/interop/install_deps.mjs $(BUILD)/interop
	@npm install --prefix $(BUILD)/apps --no-audit --no-fund --ignore-scripts $(APPS)
	@node tests/interop/apps_test.mjs $(BUILD)/bin $(BUILD)/interop $(BUILD)/apps

bench-deps: ## install what sluice is compared with and by, nginx, haproxy and wrk, not started as services
	@.ci/deps bench

bench: all bench-deps ## install nginx and haproxy, measure sluice beside them: table, JSON, a page
	@$(BUILD)/bin/frame-bench
	@tests/load/bench.py $(BUILD)/bin $(BENCH)

many: all ## hold as many idle sessions as the machine permits
	@tests/load/many.py $(BUILD)/bin

fair: all bench-deps ## latency of 100 quiet sessions beside one that pushes
	@tests/load/fair.py $(BUILD)/bin

asan: test-deps ## build with ASan and UBSan, run the tests that may tell them something
	@$(CONFIGURE) -C .cmake/asan.cmake -B $(BUILD)/asan >/dev/null
	@cmake --build $(BUILD)/asan -j $(JOBS)
	@ctest --test-dir $(BUILD)/asan --output-on-failure --timeout 900 -j $(JOBS)

clang: clang-deps ## build with clang, where warnings are errors, too
	@CC=clang CXX=clang++ $(CONFIGURE) -C .cmake/clang.cmake -B $(BUILD)/clang >/dev/null
	@cmake --build $(BUILD)/clang -j $(JOBS)

coverage: test-deps clang-deps ## run the tests under clang's coverage, print it per folder with what is missed
	@CC=clang CXX=clang++ $(CONFIGURE) -C .cmake/coverage.cmake -B $(BUILD)/coverage >/dev/null
	@cmake --build $(BUILD)/coverage -j $(JOBS)
	@rm -rf $(BUILD)/coverage/profiles
	@LLVM_PROFILE_FILE=$(abspath $(BUILD))/coverage/profiles/%p%c.profraw \
	  ctest --test-dir $(BUILD)/coverage --output-on-failure --timeout 600 -j $(JOBS); \
	  status=$$?; tests/coverage/report.py $(BUILD)/coverage . && exit $$status

sim: all ## run the simulator on fresh seeds until stopped
	@$(BUILD)/bin/sim --forever

soak: all ## open, use and abort sessions for SECONDS_EACH seconds, print what is left behind
	@tests/integration/soak.py $(BUILD)/bin $(SECONDS_EACH)

fuzz: clang-deps ## run each fuzz target for SECONDS_EACH seconds (clang)
	@CC=clang CXX=clang++ $(CONFIGURE) -C .cmake/fuzz.cmake -B $(BUILD)/fuzz >/dev/null
	@cmake --build $(BUILD)/fuzz -j $(JOBS) --target fuzzers
	@tests/fuzz/run.sh $(BUILD)/fuzz/bin $(SECONDS_EACH)

install: deps ## build what is installed; programs and man pages under /usr/local, the conf under /etc
	@$(CONFIGURE) -B $(BUILD) >/dev/null
	@cmake --build $(BUILD) -j $(JOBS) --target sluice sluice-echo sluice-bench
	@cmake --install $(BUILD)

clean: ## remove what was built
	@rm -rf $(BUILD)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
