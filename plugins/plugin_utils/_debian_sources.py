# Copyright: (c) 2026, ai-micro-service team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The apt sources of an image, from those of its host."""

from __future__ import annotations

import re

from ansible.errors import AnsibleFilterError

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
RELEASES = "bullseye|bookworm|trixie|forky|duke|sid|unstable|testing|stable|oldstable|oldoldstable"


def _resolved(uri: str, mirror_lists: dict[str, str]) -> str:
    """The URL behind a URI of apt, which may be that of a file that lists mirrors."""
    if uri.startswith("mirror+file:"):
        path = uri[len("mirror+file:") :].rstrip("/")
        lines = (line.split("#")[0].split() for line in mirror_lists.get(path, "").splitlines())
        uri = next((words[0] for words in lines if words), uri)
    return uri.rstrip("/")


def debian_sources(
    indexes: list[str],
    release: str,
    mirror: str = "",
    security_mirror: str = "",
    mirror_lists: dict[str, str] | None = None,
) -> list[str]:
    """The apt sources of a Debian release, from the mirrors that a host's own indexes come from."""
    archive, security = mirror.rstrip("/"), security_mirror.rstrip("/")
    for line in indexes if not archive else []:
        origin, suite, component, uri = line.split("|", 3)
        # Origin is known once the lists are there; before that, Debian's archives are told by their path.
        known = "Debian" if "$(" in origin or not origin else origin
        path = uri.rstrip("/").rsplit("/", 1)[-1]
        if component != "main" or known != "Debian":
            continue
        if origin != "Debian" and not path.startswith("debian"):
            continue
        if re.fullmatch(rf"({RELEASES})(-security|/updates)", suite):
            security = security or _resolved(uri, mirror_lists or {})
        elif re.fullmatch(RELEASES, suite):
            archive = archive or _resolved(uri, mirror_lists or {})
    for uri in (archive, security):
        if uri and not re.match(r"https?://", uri):
            raise AnsibleFilterError(
                f"The host's apt source {uri} cannot be used inside of a build: set postgres_image_mirror and "
                "postgres_image_security_mirror to the URLs of Debian mirrors."
            )
    if not archive:
        raise AnsibleFilterError(
            "The host's apt sources name no Debian mirror: set postgres_image_mirror to one, or postgres_image_source to registry."
        )
    signed = f"deb [signed-by={KEYRING}]"
    lines = [f"{signed} {archive} {suite} main" for suite in (release, f"{release}-updates")]
    if security:
        lines.append(f"{signed} {security} {release}-security main")
    return lines
