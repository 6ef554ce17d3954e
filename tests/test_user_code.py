"""What of a user's code is imported: found by every process alike, and without importing it."""

import importlib
import subprocess
import sys

import pytest
from helpers.own_modules import begin_anew, write

from automl import user_code

FILES = {
    "mine/__init__.py": "",
    "mine/nets/__init__.py": "from .small import Small\n",
    "mine/nets/small.py": "from ..parts import *\nclass Small: ...\n",
    "mine/parts.py": "SIZE = 1\n",
    "loose/inner/part.py": "def f():\n    from loose.inner import other\n",
    "loose/inner/other.py": "SIZE = 1\n",
    "round.py": "import round_again\n",
    "round_again.py": "import round\nSIZE = 1\n",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(tmp_path)
    write(tmp_path, FILES)
    yield tmp_path
    begin_anew(tmp_path)


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("import mine.parts", "mine/parts.py"),
        ("from mine import parts", "mine/parts.py"),
        ("def f():\n    import mine.parts as p", "mine/parts.py"),
        ("from mine.nets.small import Small", "mine/parts.py"),
        ("from mine.nets import Small", "mine/nets/small.py"),
        ("from mine.nets import anything", "mine/__init__.py"),
        ("import loose.inner.part", "loose/inner/other.py"),
        ("import round", "round_again.py"),
    ],
)
def test_code_that_is_imported_counts_whether_it_is_loaded_or_not(folder, text, file):
    found = [user_code.of_imports(text)]
    assert not {"mine", "loose", "round"} & sys.modules.keys()
    begin_anew(folder)
    for name in FILES:
        importlib.import_module(name.removesuffix(".py").replace("/", ".").replace(".__init__", ""))
    found.append(user_code.of_imports(text))
    write(folder, {file: FILES[file] + "MORE = 1\n"})
    found.append(user_code.of_imports(text))
    assert found[0] == found[1] != found[2]


def test_it_counts_by_what_it_says_and_not_by_where_it_stands(folder, tmp_path, monkeypatch):
    found = [user_code.of_imports("import mine.nets")]
    for comment in ("", "# more"):
        monkeypatch.syspath_prepend(tmp_path / "elsewhere")
        write(tmp_path / "elsewhere", {n: text + comment for n, text in FILES.items()})
        begin_anew(tmp_path)
        found.append(user_code.of_imports("import mine.nets"))
    assert found[0] == found[1] == found[2] != ""


def test_a_process_that_has_loaded_code_goes_on_with_it(folder):
    found = user_code.of_imports("import mine.parts")
    (folder / "mine/parts.py").write_text("SIZE = 22\n")
    assert user_code.of_imports("import mine.parts") == found
    assert user_code.of_imports("import mine.parts\nimport round") != found
    begin_anew(folder)
    assert user_code.of_imports("import mine.parts") != found


@pytest.mark.parametrize(
    "text",
    [
        "import json, torch.nn, numpy, automl.models.mlp",
        "import nothing_of_that_name.at_all\nfrom mine import nothing",
        "from . import parts\nfrom ..mine import parts",
        "import broken",
        "import __main__",
        "import installed_by_pip, installed_package.part",
    ],
)
def test_what_is_not_the_users_does_not_count(folder, text):
    record = "installed_by_pip.py,sha256=a,9\ninstalled_package/part.py,sha256=b,9\n"
    installed = {
        "apart/some-1.0.dist-info/RECORD": record,
        "apart/installed_by_pip.py": "import mine.parts",
        "apart/installed_package/part.py": "import mine.parts",
    }
    write(folder, {"broken.py": "a = (", **installed})
    sys.path.insert(0, str(folder / "apart"))
    assert user_code.of_imports(text) == ""
    assert user_code.of_imports("import round") != ""


def test_other_processes_find_the_same(folder):
    text = "import mine.nets, loose.inner.part"
    command = f"import sys\nfrom automl import user_code\nprint(user_code.of_imports({text!r}))"
    for first in ("", "import loose.inner.other, mine.parts\n"):
        run = [
            sys.executable,
            "-c",
            f"import sys\nsys.path.insert(0, {str(folder)!r})\n{first}{command}",
        ]
        told = subprocess.run(run, check=True, capture_output=True, text=True).stdout
        assert told.strip() == user_code.of_imports(text)
