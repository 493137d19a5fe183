# `make help` lists what there is. Everything runs in .venv, made from requirements.lock.

PYTHON ?= python3
ENGINE ?= docker
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export DO_NOT_TRACK := 1
INSTALLED := .venv/.installed
BASE ?= main
HEAD ?= HEAD
SEEDS ?= 0
PICTURES ?= show
export BASE HEAD SEEDS PICTURES # branches may be called like commands, so recipes leave them to the shell

.DEFAULT_GOAL := help
.PHONY: help install repro serve snapshot-log judge-log drift-issue retrain compare report experiment pull push \
	keep-results committed-results share clean-experiments \
	test test-slow bench lint audit sbom licences check-lock lock images pictures parameters

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z -]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) .venv/plots.html ## make .venv from requirements.lock

$(INSTALLED): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "$$($(PYTHON) --version) will not do; try: make install PYTHON=python3.12" >&2; exit 2; }
	@echo "Installing $$(grep -c '==' requirements.lock) packages into .venv: about 7 GB with CUDA, some minutes."
	@test -L .venv -a -x .venv/bin/python || $(PYTHON) -m venv .venv # a link leads to a ready one
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check \
		--no-deps --require-hashes -r requirements.lock
	@touch $@

.venv/plots.html: stages/reports/plots_page.html | $(INSTALLED)
	@.venv/bin/python -m stages.reports.plots_page $@

repro: install ## run the pipeline: prepare, train, export-onnx, evaluate, drift
	@dvc repro
	@python -m stages.reports.results say

keep-results: install ## keep what this machine came to, also after committed-results
	@python -m stages.reports.results keep

committed-results: install ## take back dvc.lock, metrics, plots and outputs of the last commit
	@python -m stages.reports.results committed

serve: install ## serve data/model/model.onnx on port 8000
	@python -m server

snapshot-log: install ## copy the complete rows of data/predictions to data/current, for drift
	@python -m server.snapshot

judge-log: install ## judge the log at LOG_URL, any that DVC can reach, by the committed artefact
	@test -n "$$LOG_URL" || { echo "LOG_URL is not set; say gs://bucket/predictions" >&2; exit 2; }
	@rm -rf data/current
	@dvc get-url --quiet "$$LOG_URL" data/current
	@dvc pull --quiet export-onnx
	@dvc exp run --single-item -S drift.current=data/current drift

drift-issue: install ## open or update the issue about drift, if it alarms; needs gh
	@python -m stages.reports.drift_issue

retrain: install ## run an experiment NAME with the parameters SET, and push it
	@test -n "$$NAME" || { echo "NAME is not set; say how to call the experiment" >&2; exit 2; }
	@python -m stages.reports.share
	@for one in $$SET; do set -- "$$@" -S "$$one"; done; dvc exp run --pull --name "$$NAME" "$$@"
	@python -m stages.reports.share -- "$$NAME"

share: install ## push the experiment NAME with its data, or say why that cannot be
	@test -n "$$NAME" || { echo "NAME is not set; \`dvc exp list --all-commits\` shows names" >&2; exit 2; }
	@python -m stages.reports.share -- "$$NAME"

clean-experiments: install ## list what old experiments take up; FREE="states experiments cache" frees it
	@for one in $$FREE; do set -- "$$@" --free "$$one"; done; for one in $$KEEP; do set -- "$$@" --keep "$$one"; done; \
	python -m stages.reports.clean_experiments --days "$${DAYS:-7}" $${YES:+--yes} "$$@"

compare: install ## print HEAD, all experiments and REVISIONS in a table, the best first
	@python -m stages.reports.leaderboard -- $$REVISIONS

report: install ## compare HEAD with BASE (main), for a pull request; SEEDS=3 trains both anew
	@python -m stages.reports.pull_request --base "$$BASE" --head "$$HEAD" \
		--seeds "$$SEEDS" --pictures "$$PICTURES"

experiment: install ## run what is behind; all of it where the packages differ from BASE's
	@python -m stages.reports.experiment --base "$$BASE"

pull push: install ## fetch or store outputs, where a remote is configured
	@if [ -n "$$(dvc config core.remote 2> /dev/null)" ]; then dvc $@ $(if $(filter pull,$@),--allow-missing); \
	else echo "make $@: no DVC remote is configured (dvc remote add -d NAME gs://BUCKET/PATH)"; fi

test: install lint check-lock ## all checks and tests, on two cores; COVERAGE=--cov measures that, too
	@OMP_NUM_THREADS=1 pytest -m "not slow" --numprocesses 2 --dist loadfile --no-loadscope-reorder $(COVERAGE)

test-slow: install ## what takes minutes: a soak, fuzzing, twenty shutdowns under load
	@pytest -m slow -rP --timeout=1800

bench: install ## print how fast and how large; some minutes
	@python -m tests.benchmarks.prepare
	@python -m tests.benchmarks.train
	@python -m tests.benchmarks.evaluate
	@python -m tests.benchmarks.predict
	@python -m tests.benchmarks.precision
	@python -m tests.benchmarks.start
	@python -m tests.benchmarks.decoding
	@python -m tests.benchmarks.serving
	@python -m tests.benchmarks.overhead
	@python -m tests.benchmarks.drift
	@python -m tests.benchmarks.explain
	@python -m tests.benchmarks.cuda

lint: install ## ruff, mypy and the import contracts
	@ruff check .
	@ruff format --check .
	@mypy
	@lint-imports

audit: ## compare requirements.lock with the known vulnerabilities; needs uv and a network
	@uvx pip-audit==2.10.1 --requirement requirements.lock --no-deps --disable-pip --strict \
		$$(awk '/^[A-Z]/ {print "--ignore-vuln", $$1}' .github/vulnerabilities.txt)

sbom: ## write what each lock holds as CycloneDX into sbom/; needs uv and a network
	@mkdir -p sbom
	@for lock in requirements.lock server/locks/*.lock; do \
		PYTHONWARNINGS=ignore uvx --from cyclonedx-bom==7.5.0 cyclonedx-py requirements $$lock --pyproject pyproject.toml \
			--output-reproducible --of JSON --output-file sbom/$$(basename $$lock .lock).json || exit; \
	done

licences: install ## list the licence of each dependency, and who is not on .github/licences.txt
	@python -m tests.project.licences

pictures: install ## draw the pictures of README.md; needs chromium and data/model/model.onnx
	@python -m tests.project.pictures .github/pictures

parameters: install ## write the table of parameters into stages/README.md
	@python -m tests.project.parameters

check-lock: install ## say whether dvc.lock is behind the code and the parameters
	@python -m stages.reports.check_lock

images: ## build the images server-cpu, server and pipeline; ENGINE=podman or buildah
	@for target in server-cpu server pipeline; do \
		$(ENGINE) build --target $$target --tag image-classification-$$target \
			--build-arg SERVER_REVISION=$$(git rev-parse HEAD) $(BUILD_ARGS) . || exit; \
	done

LOCK := uv pip compile --universal --generate-hashes --no-header --quiet $(if $(UPGRADE),--upgrade)

lock: ## pin what pyproject.toml asks for into requirements.lock; UPGRADE=1 takes the newest
	@$(LOCK) pyproject.toml --extra pipeline --group dev --output-file requirements.lock
	@for extra in server server-cpu gs heif monitoring cluster; do \
		$(LOCK) pyproject.toml --extra $$extra --constraint requirements.lock \
			--output-file server/locks/requirements-$$extra.lock; \
	done
