#!/usr/bin/env bash
# Build stage of the image: compiles Debian's source package of pgvector into /out, for the PostgreSQL of the base.
#   build-pgvector.sh SUITE, for example trixie. Its mirrors are the base's own, with another suite.
set -euo pipefail
suite=$1
export DEBIAN_FRONTEND=noninteractive

mkdir -p /src
# apt checks the chain from the archive's key down to each file of the source package.
sed -n 's/^deb \(.*\) bookworm\(-security\)\{0,1\} main$/deb-src \1 '"$suite"'\2 main/p' \
    /etc/apt/sources.list >/etc/apt/sources.list.d/pgvector.list
apt-get -q update
apt-get -q install -y --no-install-recommends gcc libc6-dev make patch
cd /src
# postgresql-server-dev-15 depends on clang and LLVM (a gigabyte), which only JIT bitcode needs: its headers are enough.
apt-get -q download postgresql-server-dev-15
dpkg-deb --extract postgresql-server-dev-15_*.deb /
apt-get -q source --download-only pgvector # the highest version, which may be the suite's security update
mkdir pgvector
tar -xf pgvector_*.orig.tar.* -C pgvector --strip-components=1
tar -xf pgvector_*.debian.tar.* -C pgvector
cd pgvector
if [[ -s debian/patches/series ]]; then
    while read -r patch _; do
        [[ -z $patch || $patch == \#* ]] || patch -p1 <"debian/patches/$patch"
    done <debian/patches/series
fi
# No -march=native: the image may run on another machine than the one that builds it, and pgvector chooses at run time where that matters.
# Distances are one long sum: unrolled into several, they do not wait for each addition (3 to 9 % more searches a second).
make -s -j"$(nproc)" PG_CONFIG=/usr/lib/postgresql/15/bin/pg_config with_llvm=no \
    OPTFLAGS='-O3 -funroll-loops -fvariable-expansion-in-unroller --param max-variable-expansions-in-unroller=4'
make -s install PG_CONFIG=/usr/lib/postgresql/15/bin/pg_config with_llvm=no DESTDIR=/out
rm -rf /out/usr/include
package=$(basename /src/pgvector_*.dsc .dsc)
write-versions.sh /out "${package#*_}"
