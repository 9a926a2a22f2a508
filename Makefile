# Every target is one short line; `make help` lists them. ARGS goes to Ansible or pytest, STAGES to the test runner.
SHELL := /bin/bash
.DEFAULT_GOAL := help
INVENTORY ?= inventories/local
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: help venv venv-dev site test lint sanity unit meta integration molecule galaxy debian13 multi backups offsite chaos versions fresh bench docs changelog clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
venv: ## Ansible in .venv, from pinned requirements
	@scripts/bootstrap.sh
venv-dev: ## The same with lint, type and test tools
	@scripts/bootstrap.sh --dev
site: venv ## This machine becomes a running, verified ai-micro-postgres (ARGS="--tags databases")
	@.venv/bin/ansible-playbook site.yml -i $(INVENTORY) $(ARGS)
test: venv-dev ## Everything CI runs (STAGES="lint unit" for some)
	@.venv/bin/python scripts/test.py $(STAGES)
lint: venv-dev ## ansible-lint, yamllint, ruff, mypy, shellcheck
	@scripts/lint.sh
sanity: venv-dev ## ansible-test sanity on the built artifact
	@scripts/sanity.sh
unit: venv-dev ## Unit tests
	@.venv/bin/python -m pytest tests/unit $(ARGS)
meta: venv-dev ## Tests about the repository itself: specs, docs, artifact
	@.venv/bin/python -m pytest tests/meta $(ARGS)
integration: venv-dev ## Tests on a real container, bad input among them
	@.venv/bin/python -m pytest tests/integration $(ARGS)
molecule: venv-dev ## molecule test (ARGS="-s default")
	@.venv/bin/molecule test $(ARGS)
galaxy: venv-dev ## What Galaxy's import and ansible-builder say of the artifact
	@scripts/galaxy.sh
debian13: venv-dev ## The molecule scenario on a Debian 13 host
	@.venv/bin/python scripts/test.py debian13
multi: venv-dev ## Several hosts over SSH: inventories/prod and split, and one without a way out
	@.venv/bin/python scripts/test.py multi
backups: venv-dev ## Backups in depth: the schedule fires, what is damaged, full, too old or differs is found
	@.venv/bin/python scripts/test.py backups
offsite: venv-dev ## Backups with a second repository off site, on a local S3 server
	@.venv/bin/python scripts/test.py offsite
chaos: venv-dev ## Restores killed at every moment around the swap of two volumes' data
	@.venv/bin/python scripts/test.py chaos
versions: venv-dev ## The suite's core part on every supported ansible-core
	@.venv/bin/python scripts/test.py versions
fresh: venv-dev ## make site on a bare host, twice
	@.venv/bin/python -m pytest tests/fresh $(ARGS)
bench: venv-dev ## Times of make site against a plain script, of a second run, of comparing schemas, and pgbench
	@.venv/bin/python scripts/bench.py $(ARGS)
docs: venv-dev ## Regenerate the variable tables of the roles' READMEs from their argument specs
	@.venv/bin/python scripts/docs.py
changelog: venv-dev ## Regenerate the changelog from its fragments
	@.venv/bin/antsibull-changelog release --update-existing --refresh
clean: ## Remove .venv and .cache
	@rm -rf .venv .cache
