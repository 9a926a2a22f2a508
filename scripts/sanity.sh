#!/usr/bin/env bash
# ansible-test sanity on the built artifact, with empty ignore files, on the Python of .venv.
# Left out by ansible-test itself: pslint (no PowerShell here), and shellcheck where that package cannot be had.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
export PATH="$root/.venv/bin:$PATH"

if ! command -v shellcheck >/dev/null && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
  echo 'sanity: installing the package shellcheck'
  { apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install shellcheck; } >/dev/null 2>&1 \
    || echo 'sanity: shellcheck could not be installed, its test is left out'
fi

# ansible-test fetches a script that puts pip into its environments; its cache takes one that uses Python's own ensurepip.
# The cache lives in HOME, so HOME is a folder of ours, kept between runs with the environments that were built.
home=$root/.cache/sanity/home
pip_version=$(python -c 'import inspect, re, ansible_test._internal.python_requirements as m
print(re.search(r"pip=.([0-9.]+)", inspect.getsource(m.get_venv_packages)).group(1))')
mkdir -p "$home/.ansible/test/cache"
# One run at a time: the tree below is made anew.
exec 9>.cache/sanity/lock
flock 9
cp scripts/get_pip.py "$home/.ansible/test/cache/get_pip_${pip_version//./_}.py"

tree=$root/.cache/sanity/ansible_collections/ai_micro/postgres
rm -rf "$tree" && mkdir -p "$tree"
ansible-galaxy collection build --force --output-path .cache/sanity "$root" >/dev/null
tar -xzf .cache/sanity/ai_micro-postgres-*.tar.gz -C "$tree"
cd "$tree"
# ansible-test wants a repository or a plain tree to list the files of; a plain tree of its own, not the checkout around it.
git init -q . && git add -A
HOME=$home PIP_QUIET=1 ansible-test sanity --local --requirements --python "$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')" --color no "$@"
