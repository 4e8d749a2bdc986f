# `make demo` and `make test` are all a newcomer needs; both set up what is missing.
# Never installs outside of .venv and build/ but for the system packages of cmake/packages.sh.
# Rules: CONTRACT §1; docs/testing.md says what each target proves.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := build
.NOTPARALLEL:

PYTHON ?= python3
FUZZ_SECONDS ?= 300
DEMO_ARGS ?=
BENCH_ARGS ?=
PYTEST_ARGS ?=
THREAD_TESTS := threads parallel provider kafka_login kafka_batch kinesis_loop work_pool gateway

VENV := $(CURDIR)/.venv
BIN := $(VENV)/bin
STAMPS := build/stamps
VENV_STAMPS := .venv/stamps
REQUIREMENTS := bindings/python/requirements
export PATH := $(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

package_sources := CMakeLists.txt pyproject.toml README.md LICENSE \
	$(shell find cmake include libpinpipe bindings/python -type f -not -name '*.pyc')

.PHONY: build demo test test-c test-python test-sanitized test-threads test-real bench soak fuzz lint packages manual clean

build: $(VENV_STAMPS)/package
	cmake --preset default >build/configure.log || { cat build/configure.log; exit 1; }
	cmake --build --preset default --target pinpipe pinpipe_static

demo: $(VENV_STAMPS)/package
	$(BIN)/pinpipe demo $(DEMO_ARGS)

test: test-c test-sanitized test-threads test-python

test-c: $(VENV_STAMPS)/test
	cmake --preset default >build/configure.log || { cat build/configure.log; exit 1; }
	cmake --build --preset default
	ctest --test-dir build --output-on-failure -j 2

test-sanitized: $(VENV_STAMPS)/test
	cmake --preset asan >build/configure.log || { cat build/configure.log; exit 1; }
	cmake --build --preset asan
	ctest --test-dir build/asan --output-on-failure -j 2

test-threads: $(VENV_STAMPS)/test
	cmake --preset tsan >build/configure.log || { cat build/configure.log; exit 1; }
	cmake --build --preset tsan --target $(THREAD_TESTS:%=%_test)
	ctest --test-dir build/tsan --output-on-failure -R '^($(subst $() ,|,$(THREAD_TESTS)))_test$$'

test-python: $(VENV_STAMPS)/test test-c
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/python tests/house $(PYTEST_ARGS)

test-real: $(STAMPS)/packages-levels $(STAMPS)/packages-kafka $(STAMPS)/packages-debian $(STAMPS)/packages-manual \
		$(STAMPS)/packages-units $(VENV_STAMPS)/real
	@missing=""; for tool in java mvn go node npm; do command -v $$tool >/dev/null || missing+=" $$tool"; done; \
	[[ -z "$$missing" ]] || { echo "test-real: missing:$$missing (JDK 17, Maven, Go and Node are expected)"; exit 1; }
	$(BIN)/python -m pytest -n 3 --dist loadfile tests/integration $(PYTEST_ARGS)

bench: $(STAMPS)/packages-bench $(VENV_STAMPS)/test
	cmake --preset default >build/configure.log || { cat build/configure.log; exit 1; }
	cmake --build --preset default
	$(BIN)/python bench/clean.py --program build/bench/decode $(BENCH_ARGS)

soak: $(STAMPS)/packages-kafka $(VENV_STAMPS)/real
	$(BIN)/python -m pytest tests -m soak --soak full $(PYTEST_ARGS)

fuzz: $(STAMPS)/packages-fuzz $(VENV_STAMPS)/test
	cmake --preset fuzz >build/configure.log || { cat build/configure.log; exit 1; }
	cmake --build --preset fuzz
	$(BIN)/python tests/fuzz/run.py --build build/fuzz --seconds $(FUZZ_SECONDS)

lint: $(STAMPS)/packages-lint $(VENV_STAMPS)/test
	cmake --preset werror >build/configure.log || { cat build/configure.log; exit 1; }
	cmake --build --preset werror
	$(BIN)/python tests/house/lint.py --build build/werror
	$(BIN)/python tests/house/tidy.py --build build/werror

packages: $(STAMPS)/packages-build $(STAMPS)/packages-debian
	cmake --preset debian >build/configure.log || { cat build/configure.log; exit 1; }
	cmake --build --preset debian
	cd build/debian && rm -f *.deb && cpack >cpack.log || { cat cpack.log; exit 1; }
	lintian --fail-on error,warning build/debian/*.deb

manual: $(STAMPS)/packages-manual
	mkdir -p build
	doxygen docs/Doxyfile

clean:
	rm -rf build demo-out

# The stamps: system packages, the virtual environment, its packages, and this package in it.
$(STAMPS)/packages-%: cmake/packages.sh
	mkdir -p $(STAMPS)
	cmake/packages.sh $*
	touch $@

$(VENV_STAMPS)/venv: | $(STAMPS)/packages-build
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "set-up: Python 3.11 or later is needed")'
	$(PYTHON) -m venv $(VENV)
	mkdir -p $(VENV_STAMPS)
	touch $@

$(VENV_STAMPS)/demo: $(VENV_STAMPS)/venv $(REQUIREMENTS)/build.txt $(REQUIREMENTS)/demo.txt
	$(BIN)/pip install -q -r $(REQUIREMENTS)/build.txt -r $(REQUIREMENTS)/demo.txt
	touch $@

$(VENV_STAMPS)/package: $(VENV_STAMPS)/demo $(package_sources)
	mkdir -p build
	$(BIN)/pip install -q --no-build-isolation --no-deps --force-reinstall .
	touch $@

$(VENV_STAMPS)/test: $(VENV_STAMPS)/package $(REQUIREMENTS)/test.txt
	$(BIN)/pip install -q -r $(REQUIREMENTS)/test.txt
	touch $@

$(VENV_STAMPS)/real: $(VENV_STAMPS)/test $(REQUIREMENTS)/real.txt
	$(BIN)/pip install -q --no-deps -r $(REQUIREMENTS)/real.txt
	touch $@
