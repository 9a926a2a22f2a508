#!/usr/bin/env bash
# Every linter over the tree, each once, all of them even when one finds something.
set -u
cd "$(dirname "$0")/.." || exit 1
export PATH="$PWD/.venv/bin:$PATH"
red=()

run() { # name, command...
  local name=$1; shift
  printf -- '-- %s\n' "$name"
  "$@" || red+=("$name")
}

run yamllint yamllint --strict .
run 'ruff check' ruff check .
run 'ruff format' ruff format --check --diff --quiet .
# Plugins are imported by their collection's name, so mypy sees them under it.
run 'mypy plugins' mypy -p ansible_collections.ai_micro.postgres.plugins
mapfile -t rest < <(git ls-files -c -o --exclude-standard 'scripts/*.py' 'tests/*.py' 'molecule/*.py')
run 'mypy scripts, tests, molecule' mypy "${rest[@]}"
run ansible-lint ansible-lint --nocolor -q
if command -v shellcheck >/dev/null; then
  mapfile -t shell < <(git ls-files -c -o --exclude-standard '*.sh' .ci/run)
  run shellcheck shellcheck -x "${shell[@]}"
else
  printf -- '-- shellcheck left out: the package shellcheck is not installed\n'
fi

[ ${#red[@]} -eq 0 ] && echo 'lint: all green' && exit 0
printf 'lint: red: %s\n' "$(IFS=,; echo "${red[*]}")"
exit 1
