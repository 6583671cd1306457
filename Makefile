# make check    every machine under every engine, and every variant fails as it declares
# make exhaust  what takes longer: the larger bounds of every machine, explored and proved
# make test     the tools: lint, types, tests
# make witness  rumur counts too, at larger bounds than make test asks it for (needs rumur and gcc)
# make random SEED=1000 COUNT=500  the explorers on that many random machines
# make linux    what Linux's iommufd answers, call by call (fetches and builds a kernel once; needs QEMU)
# make qemu     the released QEMU over the specification (fetches one, once, if there is none of 11.1 or later)
# make qemu RECORD=1  and keep what it did in lockstep, for make test
# make docs     the book, in docs/_build/html
# make bench    speed of the engines beside spin and rumur, as a table and in benchmarks/results.json
# The first target that is made sets up .venv (needs a package index once).

BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: random check exhaust test witness linux qemu docs bench clean
.DELETE_ON_ERROR:

check: $(STAMP)
	@$(BIN)/viommu-spec check --suite check --no-progress

exhaust: $(STAMP)
	@$(BIN)/viommu-spec check --suite exhaust --no-progress

test: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2

witness: $(STAMP)
	$(BIN)/pytest -m witness tests/checkers/murphi

SEED := 1000
COUNT := 500

random: $(STAMP)
	$(BIN)/python -m tests.random --seed $(SEED) --count $(COUNT)

BOUNDS := small intel groups reserved host mdev queues hw-queue rare maps events page-requests arm smmus vdevices everything large
BLOCKS_FIRST := groups groups,incoherent=2
OF_SELFTEST := small,groups=2 queues hw-queue,bound_first=0 rare,bound_first=0
VT_D := vt-d vt-d-queues vt-d-reserved vt-d-large
RECORDING := tests/checkers/real/linux/recording.json

linux: $(STAMP)
	@$(BIN)/viommu-spec drive iommufd-objects --kernel --selftest
	@$(BIN)/viommu-spec drive iommufd-objects --kernel $(addprefix --bounds ,$(BOUNDS))
	@$(BIN)/viommu-spec drive iommufd-objects --kernel --blocks-first \
	    $(addprefix --bounds ,$(BLOCKS_FIRST))
	@$(BIN)/viommu-spec drive iommufd-objects --kernel --by selftest \
	    $(addprefix --bounds ,$(OF_SELFTEST))
	@$(BIN)/viommu-spec drive iommufd-objects --kernel --by vfio $(addprefix --bounds ,$(VT_D))
	@$(BIN)/viommu-spec drive iommufd-objects --kernel --by vfio --scalable \
	    $(addprefix --bounds ,$(VT_D))
	@$(BIN)/viommu-spec drive iommufd-objects --kernel --variant all
	@$(BIN)/viommu-spec drive iommufd-objects --kernel \
	    $(addprefix --bounds ,$(filter-out large,$(BOUNDS))) --record $(RECORDING)

CALLS := tests/checkers/real/qemu/calls
LOCKSTEP := tests/checkers/real/qemu/lockstep/vfio-attach.jsonl
GUESTS := 40
SETTINGS :=

qemu: $(STAMP)
	@$(BIN)/python -m checkers.real.qemu --without-kvm-check --recorded $(CALLS) \
	    $(if $(QEMU),--qemu $(QEMU)) $(if $(IF_POSSIBLE),--if-possible)
	@$(BIN)/viommu-spec drive vfio-attach --qemu $(QEMU) --without-kvm-check \
	    $(addprefix --bounds ,$(SETTINGS)) \
	    $(if $(IF_POSSIBLE),--if-possible) $(if $(RECORD),--record $(LOCKSTEP))
	@for platform in vtd smmuv3; do \
	    $(BIN)/viommu-spec drive $$platform --qemu $(QEMU) --rules-only --without-kvm-check \
	        --runs $(GUESTS) $(if $(IF_POSSIBLE),--if-possible) || exit; \
	done

docs: $(STAMP)
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

bench: $(STAMP)
	$(BIN)/python -m benchmarks

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build docs/_build *.egg-info
	find spec invariants checkers tests docs -name __pycache__ -type d -prune -exec rm -rf {} +

# Where there is no C compiler, one comes from the package index.
$(STAMP): pyproject.toml
	@extras=test,docs,cluster; \
	command -v cc >/dev/null || command -v gcc >/dev/null || command -v clang >/dev/null || \
	    extras=$$extras,compiler; \
	for python in python3.11 python3.12 python3.13 python3; do \
	    if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        echo "setting up .venv with $$python"; \
	        $$python -m venv .venv && exec $(BIN)/pip install --quiet \
	            --disable-pip-version-check -e ".[$$extras]"; \
	        exit 1; \
	    fi; \
	done; \
	echo "viommu-spec needs Python 3.11 or later; no python3.11, python3.12, python3.13 or python3 >= 3.11 in PATH" >&2; \
	exit 1
	@touch $@
