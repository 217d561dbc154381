"""SoftHSM 2, a PKCS#11 token made of files: a token in a folder of the test's own, that can be taken away."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.components import require

LABEL = "kakehashi test"
PIN = "8472-token-pin"
SO_PIN = "0000-officer-pin"


def module() -> str:
    """The PKCS#11 module of SoftHSM, or the test is skipped."""
    require("softhsm2-util")
    return str(require("softhsm2"))


@dataclass(frozen=True)
class SoftHsm:
    """A folder of tokens, with the environment by which processes find it."""

    folder: Path
    module: str

    @property
    def configuration(self) -> Path:
        return self.folder / "softhsm2.conf"

    @property
    def environment(self) -> dict[str, str]:
        return {"SOFTHSM2_CONF": str(self.configuration)}

    @classmethod
    def make(cls, folder: Path) -> SoftHsm:
        """A folder with one token in it."""
        made = cls(folder, module())
        made._tokens.mkdir(parents=True)
        made.configuration.write_text(
            f"directories.tokendir = {made._tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
        )
        made.add(LABEL)
        return made

    def copy(self, folder: Path) -> SoftHsm:
        """The same tokens in another folder, as a backup of them would bring them to another machine."""
        made = SoftHsm(folder, self.module)
        shutil.copytree(self._tokens, made._tokens)
        made.configuration.write_text(
            self.configuration.read_text().replace(str(self._tokens), str(made._tokens))
        )
        return made

    def add(self, label: str) -> None:
        """Initialise a token of this label."""
        self._util("--init-token", "--free", "--label", label, "--so-pin", SO_PIN, "--pin", PIN)

    def change_pin(self, old: str, new: str) -> None:
        """Give the token another PIN, from a process of its own as another program of its user would."""
        program = (
            "import sys, pkcs11\n"
            "module, label, old, new = sys.argv[1:]\n"
            "token = pkcs11.lib(module).get_token(token_label=label)\n"
            "token.open(rw=True, user_pin=old).set_pin(old, new)\n"
        )
        command = [sys.executable, "-c", program, self.module, LABEL, old, new]
        subprocess.run(command, env=os.environ | self.environment, check=True, timeout=60)

    def _util(self, *arguments: str) -> None:
        subprocess.run(
            ["softhsm2-util", *arguments], env=self.environment, check=True, capture_output=True, timeout=60
        )

    def take_away(self) -> None:
        """Have the tokens vanish under whoever uses them."""
        self._tokens.rename(self.folder / "away")
        self._tokens.mkdir()

    def bring_back(self) -> None:
        """As they were."""
        self._tokens.rmdir()
        (self.folder / "away").rename(self._tokens)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Without the tokens for a while."""
        self.take_away()
        try:
            yield
        finally:
            self.bring_back()

    def octets(self) -> Iterator[tuple[Path, bytes]]:
        """Every file of the tokens."""
        for path in self._tokens.rglob("*"):
            if path.is_file():
                yield path, path.read_bytes()

    @property
    def _tokens(self) -> Path:
        return self.folder / "tokens"
