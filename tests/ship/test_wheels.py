"""The bundle for machines without internet: deploy/wheels.txt has a wheel for everything that base and trap import."""

import re
import tomllib
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

from trapship.machine.plan import ROLES

ROOT = Path(__file__).resolve().parents[2]


def make_wheels() -> ModuleType:
    loader = SourceFileLoader("make_wheels", str(ROOT / "deploy" / "make-wheels"))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


MAKE = make_wheels()


def taken_by(arch: str, python: str) -> set[Tag]:
    """What pip takes on Debian with that Python: glibc 2.36 and older."""
    version = (3, int(python.partition(".")[2]))
    platforms = [f"manylinux_2_{minor}_{arch}" for minor in range(17, MAKE.NEWEST_GLIBC + 1)] + [
        f"manylinux2014_{arch}"
    ]
    interpreter = f"cp3{version[1]}"
    return {*cpython_tags(version, platforms=platforms), *compatible_tags(version, interpreter, platforms)}


@pytest.mark.parametrize("python", MAKE.PYTHONS)
@pytest.mark.parametrize("arch", MAKE.ARCHES)
def test_every_runtime_dependency_has_a_wheel_in_the_list(arch: str, python: str) -> None:
    taken = taken_by(arch, python)
    there = set()
    for name in MAKE.listed():
        distribution, version, _, tags = parse_wheel_filename(name)
        if tags & taken:
            there.add((distribution, str(version)))
    wanted = {(canonicalize_name(name), version) for name, version in MAKE.needed(arch, python).items()}
    assert len(wanted) > 20
    assert wanted - there == set(), "say deploy/make-wheels --list"


def test_the_list_keeps_to_the_versions_that_the_tests_were_run_with() -> None:
    lines = (ROOT / "deploy" / "constraints.txt").read_text().split()
    pinned = {canonicalize_name(line.partition("==")[0]): line.partition("==")[2] for line in lines}
    listed = {(name, str(version)) for name, version, _, _ in (parse_wheel_filename(one) for one in MAKE.listed())}
    assert {(name, version) for name, version in listed if pinned.get(name) != version} == set()


def test_a_bundle_has_what_each_role_asks_for() -> None:
    assert {extra for role in ROLES.values() for extra in role.extras} <= set(MAKE.EXTRAS)
    needed = {file.source.partition("/")[0] for role in ROLES.values() for file in role.files}
    assert needed - {".."} <= set(MAKE.CARRIED)


def test_what_the_roles_ask_for_is_declared() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(MAKE.EXTRAS) <= set(extras)


def test_a_list_that_was_cut_is_no_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut = tmp_path / "wheels.txt"
    cut.write_text(re.sub(r"(?m)^[0-9a-f]{32}", "", (ROOT / "deploy" / "wheels.txt").read_text()))
    monkeypatch.setattr(MAKE, "LIST", cut)
    with pytest.raises(ValueError, match="each line is a SHA-256"):
        MAKE.listed()
