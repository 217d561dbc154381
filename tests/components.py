"""What tests need of the machine: programs that are not Python's, each under one name.

``require("certtool")`` skips the test and says what is missing and how to install it; with
``KAKEHASHI_REQUIRE_COMPONENTS=1``, as ``.ci/run`` sets it, a missing component fails the test instead.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

VARIABLE = "KAKEHASHI_REQUIRE_COMPONENTS"


@dataclass(frozen=True)
class Component:
    """A program, or a file by its pattern under the root folder; the Debian package that brings it."""

    sought: str
    package: str

    def find(self) -> Path | None:
        """Where it is; the newest if there are several, None if there is none."""
        if "/" not in self.sought:
            found = shutil.which(self.sought)
            return None if found is None else Path(found)
        return max(Path("/").glob(self.sought), default=None)


COMPONENTS = {
    "openssl": Component("openssl", "openssl"),
    "curl": Component("curl", "curl"),
    "certtool": Component("certtool", "gnutls-bin"),
    "gnutls": Component("usr/lib/*/libgnutls.so.30", "libgnutls30"),
    "ocsptool": Component("ocsptool", "gnutls-bin"),
    "java": Component("java", "openjdk-17-jdk-headless"),
    "javac": Component("javac", "openjdk-17-jdk-headless"),
    "keytool": Component("keytool", "openjdk-17-jdk-headless"),
    "nginx": Component("usr/sbin/nginx", "nginx-light"),
    "slapd": Component("usr/sbin/slapd", "slapd"),
    "ldapsearch": Component("ldapsearch", "ldap-utils"),
    "postgresql": Component("usr/lib/postgresql/*/bin/initdb", "postgresql"),
    "softhsm2-util": Component("softhsm2-util", "softhsm2"),
    "softhsm2": Component("usr/lib/*/softhsm/libsofthsm2.so", "softhsm2"),
    "gothic": Component("usr/share/fonts/opentype/ipaexfont-gothic/ipaexg.ttf", "fonts-ipaexfont-gothic"),
    "mincho": Component("usr/share/fonts/truetype/ipamj/ipamjm.ttf", "fonts-ipamj-mincho"),
    "pdftotext": Component("pdftotext", "poppler-utils"),
    "chromium": Component("chromium", "chromium"),
    "go": Component("go", "golang-go"),
    "wrk": Component("wrk", "wrk"),
}
"""By the name that tests use. Go and wrk are for the benchmark only."""


@cache
def found(name: str) -> Path | None:
    """Where a component is, or None. Looked for once."""
    return COMPONENTS[name].find()


def require(*names: str) -> Path:
    """Where the first component is; without any of them the test is skipped, or fails where all are required."""
    for name in names:
        if found(name) is None:
            missing(f"{name} is not installed: apt-get install {COMPONENTS[name].package}")
    first = found(names[0])
    assert first is not None
    return first


def missing(words: str) -> None:
    """Skip the test for a lack of the machine, in these words; or fail it, where everything is required."""
    if os.environ.get(VARIABLE) == "1":
        pytest.fail(f"{words} ({VARIABLE}=1)", pytrace=False)
    pytest.skip(words)
