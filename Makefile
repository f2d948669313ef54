# What you can do here: install, demo, test, check, bench, attack, peers, soak. Only git, make and Python 3.11 or later are needed.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
CLIENTS_READY := .venv-clients/.ready
NODE_READY := .node-clients/.ready

.PHONY: install demo test check format bench attack peers soak lock clean

install: $(READY)

$(READY): requirements/dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed; name it with PYTHON=..."; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)

# Official clients whose requirements contradict ours: the simulators are tested with them in an environment of their own.
$(CLIENTS_READY): requirements/clients.lock
	$(PYTHON) -m venv --clear .venv-clients
	.venv-clients/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/clients.lock
	@touch $(CLIENTS_READY)

# Clients in other languages; without npm, or where its registry is out of reach, the tests that need them skip and say so.
$(NODE_READY): requirements/node/package-lock.json
	@mkdir -p .node-clients && cp requirements/node/package.json requirements/node/package-lock.json .node-clients/
	@if npm ci --prefix .node-clients --ignore-scripts --no-audit --no-fund --silent; then touch $(NODE_READY); \
		else echo "npm did not install requirements/node: what is tested with it skips"; fi

# One minute of a hostile market: make demo ARGS="--faults storm"
demo: install
	$(BIN)/gapless demo $(ARGS)

test: install $(CLIENTS_READY) $(NODE_READY)
	$(BIN)/pytest -n 2 --dist loadgroup $(ARGS)

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: install
	$(BIN)/python -m bench $(ARGS)

# Everything that a venue, a network, a disk or a user does: make attack ATTACK=short, make attack ARGS="--only storm",
# make attack VENUE=okx, make attack ATTACK=short VENUE=all
ATTACK ?= long
VENUE ?= binance
attack: install
	$(BIN)/python -m attack $(ATTACK) --venue $(VENUE) $(ARGS)

# The same attack on other collectors, in an environment of their own; cryptofeed needs Python 3.13:
# make peers PEERS_PYTHON=python3.13, make peers ARGS="--only storm --client ccxt"
PEERS_PYTHON ?= $(PYTHON)
PEERS_READY := .venv-peers/.ready
peers: install $(PEERS_READY)
	$(BIN)/python -m peers $(ARGS)

$(PEERS_READY): requirements/peers.txt
	$(PEERS_PYTHON) -m venv --clear .venv-peers
	.venv-peers/bin/pip install --quiet --disable-pip-version-check -r requirements/peers.txt
	@touch $(PEERS_READY)

# A simulated day in HOURS of the market, SPEED of them a real one: make soak HOURS=24 SPEED=60
HOURS ?= 24
SPEED ?= 1
soak: install
	$(BIN)/python -m soak --hours $(HOURS) --speed $(SPEED) $(ARGS)

# Pins every dependency anew; needs uv.
lock:
	uv pip compile --universal --generate-hashes --no-emit-index-url --python-version 3.11 --quiet \
		--custom-compile-command "make lock" --group dev --all-extras pyproject.toml -o requirements/dev.lock
	uv pip compile --universal --generate-hashes --no-emit-index-url --python-version 3.11 --quiet \
		--custom-compile-command "make lock" requirements/clients.in -o requirements/clients.lock

clean:
	rm -rf .venv .venv-clients .venv-peers .node-clients .pytest_cache .mypy_cache .ruff_cache .hypothesis dist
