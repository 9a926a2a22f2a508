#!/usr/bin/env bash
# What Ansible Galaxy's import says of the artifact, and what ansible-builder reads from it for an execution environment. Both come
# from the package index into an environment of their own; neither asks Galaxy. A warning of the import is an error here.
# REPOSITORY: the address that the published collection names, without which Galaxy takes none; galaxy.yml names none that is not there.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD place=$PWD/.cache/galaxy tools='galaxy-importer==0.4.44 ansible-builder==3.2.0'
python=$root/.venv/bin/python

if [ "$(cat "$place/tools" 2>/dev/null)" != "$tools" ]; then
  rm -rf "$place"
  "$python" -m venv "$place/venv"
  # shellcheck disable=SC2086  # the words are packages
  "$place/venv/bin/pip" install -qq --disable-pip-version-check $tools
  # ansible-lint resolves the modules of the declared dependencies, which the package `ansible` brings.
  site=$("$place/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  ln -s "$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/ansible_collections" "$site/ansible_collections"
  printf '%s\n' "$tools" >"$place/tools"
fi

rm -rf "$place/source" "$place/artifact" && mkdir -p "$place/source" "$place/artifact/ansible_collections/ai_micro/postgres"
git ls-files -z -c -o --exclude-standard -x .venv | xargs -0 tar -c --ignore-failed-read 2>/dev/null | tar -x -C "$place/source"
printf 'repository: %s\n' "${REPOSITORY:-https://git.example.com/ai_micro/postgres}" >>"$place/source/galaxy.yml"
"$root/.venv/bin/ansible-galaxy" collection build --output-path "$place/artifact" "$place/source" >/dev/null

cd "$place/artifact"
status=0
PATH=$place/venv/bin:/usr/local/bin:/usr/bin:/bin "$place/venv/bin/python" -m galaxy_importer.main ai_micro-postgres-*.tar.gz >"$place/import.log" 2>&1 || status=$?
if [ "$status" -ne 0 ] || grep -E '^(ERROR|WARNING)' "$place/import.log"; then
  tail -n 20 "$place/import.log"
  printf 'galaxy: the import ended with status %s and the words above (all of them: %s)\n' "$status" "$place/import.log"
  exit 1
fi
tar -xzf ai_micro-postgres-*.tar.gz -C ansible_collections/ai_micro/postgres
said=$("$place/venv/bin/ansible-builder" introspect "$place/artifact")
for needed in cryptography openssh-client; do
  grep -q "$needed" <<<"$said" || { printf 'galaxy: ansible-builder finds no %s:\n%s\n' "$needed" "$said"; exit 1; }
done
printf '%s\ngalaxy: the import is clean\n' "$said"
