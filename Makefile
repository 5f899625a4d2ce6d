SHELL := /bin/bash
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true
export NO_ALBUMENTATIONS_UPDATE := 1

.PHONY: setup repro plan submission test lint ui serve review bench bench-labels bench-others bench-ingest bench-train ablations walkthrough lock clean

setup: .venv/ready

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv --clear .venv
	pip install --quiet --no-deps --requirement requirements.lock
	pip install --quiet --no-deps --editable .
	touch $@

repro: setup ## SET="group=choice key=value ..."
	python -m facemask.params $(SET)
	python -m facemask.repro

submission: setup ## SET="model=nfnet": submission.csv of that choice; what is trained is not trained again
	python -m facemask.params $(SET)
	python -m facemask.repro submit export

plan: setup ## SET="..." as for repro: what that run would cost here; HOURS=8: what would fit; WRITE=1: as scale=budget
	python -m facemask.$(if $(HOURS),budget $(HOURS) $(if $(WRITE),--write),plan) $(SET)

test: setup
	python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: setup ## style, types, imports, and the size of the code
	ruff check . && ruff format --check . && lint-imports && mypy && python bench/house.py

ui: setup
	python stages/mirror.py --needed
	@case "$$MLFLOW_TRACKING_URI" in \
	http://* | https://*) echo "MLflow: open $$MLFLOW_TRACKING_URI" ;; \
	*) mlflow ui --host 127.0.0.1 --backend-store-uri "$${MLFLOW_TRACKING_URI:-sqlite:///$(CURDIR)/mlflow.db}" ;; \
	esac

serve: setup ## PORT=5001
	python stages/mirror.py --needed
	python -m facemask.serve --port $(or $(PORT),5001)

review: setup
	python stages/review.py

bench: setup
	python bench/yardstick.py

bench-labels: setup
	python bench/labels.py $(if $(DIR),--given $(DIR))

bench-others: setup ## DIR=folder or zip of a tree and its truth: this pipeline beside a plain loop
	python bench/others.py $(DIR)

bench-ingest: setup
	python bench/ingest.py

walkthrough: setup ## runs docs/experiments.md and writes its output
	python bench/walkthrough.py

bench-train: setup
	python bench/train.py

ablations: setup ## hours: docs/ablations.md from experiments over several seeds; SET="scale=smoke" tries it
	python bench/ablations.py $(if $(SET),--set $(SET))

lock: ## after a change of pyproject.toml
	uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-header --extra cluster --extra dev pyproject.toml -o requirements.lock

clean: ## what the pipeline made; the environment and the raw data stay
	rm -rf data/code data/drawn data/photos data/features data/labels data/training data/pretrained data/models data/predictions
	rm -rf data/teachers data/persons data/ensemble data/explain data/neighbours data/sheets data/findings.json
	rm -rf .checkpoints submission.csv report.html mlflow.db mlruns
