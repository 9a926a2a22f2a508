#!/usr/bin/env bash
# Makes .venv from requirements.txt (with --dev: requirements-dev.txt on top), and nothing at all when it is there already.
# Works on a machine that has python3 and no more: where Python lacks venv, Debian's package is installed, as root or with sudo.
# Knobs: PYTHON (interpreter to build with), VENV (where to build), and whatever configures pip and apt.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=${VENV:-$PWD/.venv}
log=$PWD/.cache/bootstrap.log
want=requirements.txt
[ "${1:-}" = --dev ] && want=requirements-dev.txt

say() { printf 'bootstrap: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# A stamp names everything that makes an environment stale: its packages, its place (scripts hold it) and its Python.
stamp() { # requirements file
  { cat requirements.txt "$1"; printf '%s\n' "$venv"; "$venv/bin/python" -c 'import sys; print(sys.version)'; } | sha256sum | cut -c1-64
}
fresh() { # requirements file
  "$venv/bin/python" -c '' 2>/dev/null && [ "$(cat "$venv/.$1.stamp" 2>/dev/null)" = "$(stamp "$1")" ]
}

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
can_venv() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

install_venv_package() {
  command -v apt-get >/dev/null || die "$1 lacks the modules venv and ensurepip: install them, or name another interpreter (PYTHON=…)."
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "the package python3-venv is missing, and installing it needs root or sudo: run this as root, or install the package."
    as_root=(sudo)
  fi
  say "installing the package python3-venv, which this machine's Python lacks"
  { "${as_root[@]}" apt-get -q update && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install python3-venv; } \
    >"$log" 2>&1 || { tail -n 5 "$log" >&2; die "apt-get could not install python3-venv (its last lines are above; all of them: $log)."; }
}

find_python() { # prints the interpreter to build with
  local name found=() candidates=("${PYTHON:-}")
  [ -n "${PYTHON:-}" ] || candidates=(python3 /usr/bin/python3 python3.13 python3.12 python3.11)
  for name in "${candidates[@]}"; do
    new_enough "$name" || continue
    if can_venv "$name"; then printf '%s\n' "$name"; return; fi
    found+=("$name")
  done
  if [ ${#found[@]} -eq 0 ]; then
    name=${PYTHON:-python3}
    local is='not there'
    command -v "$name" >/dev/null && is=$("$name" -V 2>&1)
    die "Python 3.11 or newer is needed, and $name is $is: install one, or name it (PYTHON=…)."
  fi
  install_venv_package "${found[0]}"
  for name in "${found[@]}"; do
    if can_venv "$name"; then printf '%s\n' "$name"; return; fi
  done
  die "${found[0]} still lacks the modules venv and ensurepip after installing python3-venv: name another interpreter (PYTHON=…)."
}

pip_install() { # requirements file
  # All packages are pinned, so pip need not resolve. It compiles one file after the other, so that is left to compileall below.
  "$venv/bin/python" -m pip install -qq --no-input --disable-pip-version-check --no-deps --no-compile -r "$1" >"$log" 2>&1 || {
    tail -n 5 "$log" >&2
    die "the packages of $1 could not be installed: check that pip reaches a package index (pip config list; pip's last lines are above, all of them: $log)."
  }
  # Ansible compiles a collection's plugins itself whenever it loads them; only the rest gains from byte code.
  "$venv/bin/python" -m compileall -q -j 0 -x 'ansible_collections|ansible/modules|ansible_test' "$venv"/lib/python*/site-packages >>"$log" 2>&1 \
    || say "some packages could not be compiled in advance; they work, a little slower ($log)."
  stamp "$1" >"$venv/.$1.stamp"
}

fresh requirements.txt && fresh "$want" && exit 0

mkdir -p .cache
exec 9>.cache/bootstrap.lock
flock -w 900 9 || die "another bootstrap holds .cache/bootstrap.lock since 15 minutes: end it and try again."

if ! fresh requirements.txt; then
  python=$(find_python)
  say "creating $venv with $("$python" -V)"
  "$python" -m venv --clear "$venv" >"$log" 2>&1 || { tail -n 5 "$log" >&2; die "$python could not create $venv (its last lines are above)."; }
  say "installing Ansible from requirements.txt (half a minute to a minute)"
  pip_install requirements.txt
fi
if ! fresh "$want"; then
  say "installing the tools of $want"
  pip_install "$want"
fi
