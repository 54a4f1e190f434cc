# SPDX-License-Identifier: GPL-3.0-or-later
# `make` lists what there is. INVENTORY chooses the hosts:
#   make demo INVENTORY=inventories/stories

INVENTORY ?= inventories/sandbox
SCENARIO ?=
ONLY ?=
ARGS ?=

# The first Python that is new enough and can make a virtual environment.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
PLAYBOOK = ansible-playbook -i $(INVENTORY) $(ARGS)
SANDBOXES = $(foreach name,sandbox sandbox_cluster academy stories,-i inventories/$(name))
COLLECTION = .collections/ansible_collections/firstbell/stack

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export ANSIBLE_VAULT_PASSWORD_FILE := $(CURDIR)/.vault_password

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev secrets sandbox sandbox-remove site deploy rollback simulate drill check verify verify-full maintain update-images diagnose load-test setup-load demo test engine lint unit molecule benchmark clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/setup .vault_password ## make the virtual environment for Ansible
	@mkdir -p $(COLLECTION)
	@for item in galaxy.yml images meta playbooks plugins roles; do ln -sfn ../../../../$$item $(COLLECTION)/$$item; done

setup-dev: setup .venv/setup-dev ## the same with everything the tests need

setup-load: setup .venv/setup-load ## the same with what load tests need

.venv/setup-load: .venv/setup requirements-load.txt
	.venv/bin/pip install --quiet --requirement requirements-load.txt
	@touch $@

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo 'Python 3.11 or newer with its venv module is needed: sudo apt-get install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/setup: .venv/bin/python requirements.txt
	.venv/bin/pip install --quiet --requirement requirements.txt
	@touch $@

.venv/setup-dev: .venv/setup requirements-dev.txt
	.venv/bin/pip install --quiet --requirement requirements-dev.txt
	@touch $@

.vault_password:
	@umask 077; $(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(32))' >$@

secrets: setup ## generate the secrets that the inventory lacks
	$(PLAYBOOK) playbooks/secrets.yml

sandbox: setup ## make virtual hosts on this machine for the hosts of the inventory
	$(PLAYBOOK) playbooks/sandbox.yml -e sandbox_state=present

sandbox-remove: setup ## remove the virtual hosts of the inventory
	$(PLAYBOOK) playbooks/sandbox.yml -e sandbox_state=absent

site: setup ## build the stack on the hosts of the inventory
	$(PLAYBOOK) playbooks/site.yml

deploy: setup ## roll out a new version of the application, and nothing else
	$(PLAYBOOK) playbooks/deploy.yml

rollback: setup ## go back to the version before
	$(PLAYBOOK) playbooks/rollback.yml

simulate: setup ## replay school weeks through the scaling calendar; asks no host
	$(PLAYBOOK) playbooks/simulate.yml

drill: setup ## rehearse a restore; ARGS="--tags rollout" for roll-outs under load
	$(PLAYBOOK) playbooks/drill.yml

check: setup ## show what `make site` would change
	$(PLAYBOOK) playbooks/site.yml --check --diff

verify: setup ## go through the checklist on the running stack; ONLY=S31,S107 for some rows
	$(PLAYBOOK) playbooks/verify.yml $(if $(ONLY),-e verify_only=$(ONLY))

verify-full: setup-load ## the same after all rehearsals and a load test; a real site: ARGS="-e verify_confirm=STACK"
	$(PLAYBOOK) playbooks/verify.yml -e verify_profile=full

maintain: setup ## the reports of the day, the week and the month; ARGS="--tags daily" for one
	$(PLAYBOOK) playbooks/maintain.yml

update-images: setup ## build all images anew from Debian's current packages, and run the services from them
	$(PLAYBOOK) playbooks/update_images.yml

diagnose: setup ## why is it slow, full or out of connections? changes nothing
	$(PLAYBOOK) playbooks/diagnose.yml

load-test: setup-load ## load the stack as its users do; ARGS="-e load_test_mode=capacity" finds out how many it carries
	$(PLAYBOOK) playbooks/load_test.yml

demo: ## everything: from a fresh machine to a served app on a virtual host
	@$(MAKE) --no-print-directory secrets sandbox site
	$(PLAYBOOK) playbooks/demo.yml
	$(PLAYBOOK) playbooks/verify.yml

test: setup-dev engine ## all tests; ARGS="unit lint" for some stages (see tests/run.py)
	.venv/bin/python tests/run.py $(ARGS)

engine: setup ## see that a Docker engine runs here: Debian's is installed and started where none answers
	ansible-playbook -i inventories/sandbox playbooks/sandbox.yml -e sandbox_state=engine

lint: ## style, types and good practice
	@$(MAKE) --no-print-directory test ARGS=lint

unit: ## tests without servers
	@$(MAKE) --no-print-directory test ARGS=unit

molecule: ## tests on virtual hosts; SCENARIO=edge for one
	@$(MAKE) --no-print-directory test ARGS=molecule$(if $(SCENARIO),/$(SCENARIO))

benchmark: setup-dev engine ## claims (docs/benchmarks.md), modules for PostgreSQL, backups; ARGS=claims, ARGS=backup_impact or ARGS=pg_settings for one
	$(if $(filter-out claims backup_impact,$(or $(ARGS),all)),.venv/bin/python tests/benchmark/run.py $(ARGS))
	$(if $(ARGS),,.venv/bin/python tests/benchmark/many_indexes.py)
	$(if $(ARGS),,.venv/bin/python tests/benchmark/backup_compression.py)
	$(if $(filter claims all,$(or $(ARGS),all)),ansible-playbook -i inventories/sandbox playbooks/benchmark.yml)
	$(if $(filter backup_impact all,$(or $(ARGS),all)),.venv/bin/python tests/benchmark/backup_impact.py --inventory $(INVENTORY))

clean: ## remove the virtual hosts, our Docker engine, and everything generated but secrets
	@if [ -e .venv/setup ]; then ansible-playbook $(SANDBOXES) playbooks/sandbox.yml -e sandbox_state=absent -e sandbox_purge=true; fi
	rm -rf .ansible .cache .collections .mypy_cache .pytest_cache .ruff_cache .venv build
