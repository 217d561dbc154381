"""A case as a published folder, with the manifest that says what is where."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from tests.cases.general_names import name_der
from tests.cases.world import BuiltCase, MadeCertificate, point_of
from tests.relying_world import Steps, key_id


def publish(built: BuiltCase, folder: Path) -> Path:
    """Write the folder as a repository would."""
    crosses = [(_cross_path(one), one) for one in built.crosses]
    for path, one in crosses:
        _write(folder / path, one.der)
    for one in built.lists:
        crls = folder / "g" / str(one.generation) / "crl"
        _write(crls / one.scope / f"{one.draft.number or one.day}.crl", one.der)
        _write(crls / f"{one.scope}.crl", one.der)
    _write(folder / "manifest.json", json.dumps(_manifest(built, crosses)).encode())
    return folder


def _manifest(built: BuiltCase, crosses: list[tuple[str, MadeCertificate]]) -> dict[str, object]:
    made = (*built.anchors, *built.crosses, built.path[-1])
    generations = {party: None for one in made for party in (one.issuer, one.subject) if party.is_authority}
    lists = {(one.generation, one.scope): one for one in reversed(built.lists) if not one.is_delta}

    def name(steps: Steps) -> str:
        return base64.b64encode(name_der(built.marks(steps))).decode()

    return {
        "format": 1,
        "world": "toy",
        "marking": built.case.entry.manifest or built.case.entry.world,
        "anchor": str(built.anchors[0].subject),
        "authorities": [
            {
                "generation": str(party),
                "role": "bridge",
                "name": name(party.steps),
                "key_identifier": key_id(party.key).hex(),
                "certificate": f"g/{party}/self.cer",
            }
            for party in generations
        ],
        "cross": [
            {"issuer": str(one.issuer), "subject": str(one.subject), "certificate": path}
            for path, one in crosses
            if one.subject.is_authority
        ],
        "lists": [
            {
                "generation": str(generation),
                "scope": scope,
                "point": None if scope == "full" else name(point_of(generation, scope)),
                "holds": "all" if one.draft.holds == "all" else "ca" if scope == "arl" else "user",
                "url": f"g/{generation}/crl/{scope}.crl",
            }
            for (generation, scope), one in lists.items()
        ],
    }


def _cross_path(made: MadeCertificate) -> str:
    """Every cross-certificate has a path of its own: a pair may have several."""
    return f"g/{made.issuer}/cross/{made.subject}/{made.draft.serial:x}.cer"


def _write(path: Path, octets: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(octets)
