# Everything is built with one profile and one feature set, so that libtorch's C++ glue is compiled once for all targets.
PROFILE ?= release
CARGO ?= cargo
PYTHON ?= python3
# `--locked` in continuous integration.
CARGO_FLAGS ?=
WORKSPACE := --workspace --features pupil-distill/torch
BUILD := --profile $(PROFILE) $(CARGO_FLAGS)
RELEASE = $${CARGO_TARGET_DIR:-target}/release
FETCH := $(PYTHON) .cargo/native/fetch.py

.DEFAULT_GOAL := help
.PHONY: help native native-runtime demo test runtime dist build lint format clippy docs guard ci students clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build ## Distil a micro student end to end, then let the shipped one solve three questions
	@$(RELEASE)/distill demo

# Tests run side by side already: more OpenMP threads than one each make them slower, and sums depend on the count.
# A failure does not hide what the crates after it would say.
test: native ## Run all tests
	OMP_NUM_THREADS=1 $(CARGO) test $(BUILD) $(WORKSPACE) --no-fail-fast

runtime: native-runtime ## Build `pupil` alone, without libtorch
	$(CARGO) build --release $(CARGO_FLAGS) -p pupil-runtime --bins

dist: native-runtime ## Build `pupil` alone for devices, optimised at link time, and check its size
	$(CARGO) build --profile dist $(CARGO_FLAGS) -p pupil-runtime --bins
	@.ci/size $${CARGO_TARGET_DIR:-target}/dist/pupil 6000000

build: native ## Build `pupil` and `distill`
	$(CARGO) build --release $(CARGO_FLAGS) $(WORKSPACE) --bins

students: build ## Train the shipped student again, from its committed experiment file
	OMP_NUM_THREADS=1 $(RELEASE)/distill run models/students/symbolic.toml
	rm -rf models/students/symbolic models/students/symbolic-float32
	cp -r runs/symbolic/bundle models/students/symbolic
	$(RELEASE)/distill export --checkpoint runs/symbolic/checkpoint --contract models/students/symbolic/reasoning.json \
		--format float32 --without-parity --out models/students/symbolic-float32

ci: lint guard dist test ## What continuous integration checks: lint, guard, dist, test

lint: format clippy docs ## Check format, clippy and documentation, warnings being errors

format:
	$(CARGO) fmt --all --check

clippy: native
	$(CARGO) clippy $(BUILD) $(WORKSPACE) --all-targets -- -D warnings
	$(CARGO) clippy $(BUILD) --workspace --all-targets -- -D warnings
	$(CARGO) clippy $(BUILD) -p pupil-runtime --features cuda --all-targets -- -D warnings

docs: native
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc $(BUILD) $(WORKSPACE) --no-deps

guard: ## Check that the lean crates stay lean
	@.ci/guard

native: ## Fetch ONNX Runtime and libtorch into .native, once
	@command -v $${CXX:-c++} >/dev/null || { echo 'error: no C++ compiler, which builds the glue to libtorch' >&2; echo 'hint: apt-get install g++' >&2; exit 2; }
	@$(call fetch,onnxruntime libtorch)

native-runtime:
	@$(call fetch,onnxruntime)

clean: ## Remove what was built (keeps .native and runs)
	$(CARGO) clean

fetch = command -v $(PYTHON) >/dev/null || { echo 'error: no $(PYTHON), which fetches the native libraries' >&2; echo 'hint: apt-get install python3 python3-pip' >&2; exit 2; }; $(FETCH) $(1)
