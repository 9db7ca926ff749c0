"""run.py on a small project of its own: packages made here, no network."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import ROOT

BACKEND = """
import base64, hashlib, os, zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "servery-0-py3-none-any.whl"
    info = "servery-0.dist-info"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("servery.pth", os.getcwd())
        wheel.writestr(info + "/METADATA", "Metadata-Version: 2.1\\nName: servery\\nVersion: 0\\n")
        wheel.writestr(info + "/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "/RECORD", "")
    return name
"""  # noqa: E501
COMMAND_LINE = """
import json, os, sys
import extra
print(json.dumps({"arguments": sys.argv[1:], "cwd": os.getcwd(), "path": sys.path,
                  "foreign": [n for n in ("PYTHONPATH", "VIRTUAL_ENV") if n in os.environ]}))
"""


def make_wheel(folder: Path, name: str, source: str) -> str:
    """Write a wheel of one module; return its line of a lock file."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [f"{info}/RECORD,,"]
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        record.append(f"{path},sha256={digest.decode()},{len(text.encode())}")
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        archive.writestr(f"{info}/RECORD", "\n".join(record) + "\n")
    return f"{name}==1.0 \\\n    --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


class Project:
    """A folder with run.py, lock files and a `desktop` package that says how it was called."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "Sérvery, a çopy"
        self.wheels = folder / "wheels"
        self.wheels.mkdir()
        (self.root / "desktop").mkdir(parents=True)
        for name in ("run.py", "slim.py"):
            shutil.copy(ROOT / name, self.root)
        (self.root / "desktop" / "cli.py").write_text(COMMAND_LINE)
        (self.root / "pyproject.toml").write_text(
            '[build-system]\nrequires = []\nbuild-backend = "builder"\n'
        )
        lock = make_wheel(self.wheels, "builder", BACKEND) + make_wheel(self.wheels, "extra", "")
        self.lock = self.root / "requirements.lock"
        self.lock.write_text(lock)
        (self.root / "requirements-test.lock").write_text(lock)

    def run(
        self, *arguments: str, cwd: Path | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
        }
        offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": self.wheels.as_uri()}
        return subprocess.run(
            [sys.executable, str(self.root / "run.py"), *arguments],
            cwd=cwd or self.root,
            env={**environment, **offline, **variables},
            capture_output=True,
            text=True,
            timeout=120,
        )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def first(project: Project) -> subprocess.CompletedProcess[str]:
    """The first start, from another folder and from inside a foreign environment."""
    return project.run(
        "classify",
        "a b.jpg",
        cwd=project.wheels,
        PYTHONPATH="/nowhere",
        VIRTUAL_ENV="/nowhere",
        PIP_USER="1",
    )


@pytest.fixture(scope="module")
def module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("servery_run", ROOT / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_first_start_installs_with_progress_and_passes_the_command_on(
    project: Project, first: subprocess.CompletedProcess[str]
) -> None:
    assert first.returncode == 0, first.stderr
    *progress, answer = first.stdout.splitlines()
    assert "Fetching 1 of 2 builder 1.0" in progress
    assert "Fetching 2 of 2 extra 1.0" in progress
    assert "Removed 0 MB that nothing here uses." in progress
    result = json.loads(answer)
    assert result["arguments"] == ["classify", "a b.jpg"]
    assert result["cwd"] == str(project.wheels)
    assert result["foreign"] == []
    assert str(project.wheels) not in result["path"], "modules in the caller's folder are not ours"


@pytest.mark.usefixtures("first")
def test_a_second_start_only_becomes_the_program(project: Project) -> None:
    watched = (
        "import runpy, sys\n"
        "def note(event, arguments):\n"
        "    if event in ('subprocess.Popen', 'os.exec', 'os.fork', 'os.posix_spawn'):\n"
        "        print(event, flush=True)\n"
        "sys.addaudithook(note)\n"
        f"sys.argv = [{str(project.root / 'run.py')!r}, 'models']\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    again = subprocess.run(
        [sys.executable, "-c", watched], capture_output=True, text=True, timeout=60
    )
    *events, answer = again.stdout.splitlines()
    assert events == ["os.exec"], "installing, or looking for something to install, takes processes"
    assert json.loads(answer)["arguments"] == ["models"]


@pytest.mark.usefixtures("first")
def test_a_start_without_a_screen_says_so_and_serves(project: Project) -> None:
    result = project.run()
    sentence, answer = result.stdout.splitlines()
    assert sentence.startswith("There is no screen here")
    assert json.loads(answer)["arguments"] == ["serve"]


@pytest.mark.usefixtures("first")
def test_an_interrupted_installation_starts_over(project: Project) -> None:
    (project.root / ".venv" / "unfinished").touch()
    shutil.rmtree(next((project.root / ".venv").glob("lib/*/site-packages/pip")))
    again = project.run("models")
    assert again.returncode == 0, again.stderr
    assert "starting over" in again.stdout


@pytest.mark.usefixtures("first")
def test_a_changed_lock_is_installed_over_the_old_one(project: Project) -> None:
    before = project.lock.read_text()
    project.lock.write_text(before + make_wheel(project.wheels, "later", ""))
    changed = project.run("models")
    assert "Fetching 3 of 3 later 1.0" in changed.stdout
    assert (next((project.root / ".venv").glob("lib/*/site-packages")) / "later.py").exists()


@pytest.mark.usefixtures("first")
def test_a_package_that_is_not_what_the_lock_names_is_refused(project: Project) -> None:
    before = project.lock.read_text()
    make_line = make_wheel(project.wheels, "forged", "")
    try:
        project.lock.write_text(before + make_line.replace("sha256:", "sha256:00", 1)[:-3] + "\n")
        refused = project.run("models")
    finally:
        project.lock.write_text(before)
    assert refused.returncode == 1
    assert "not the one that the lock file names" in refused.stderr
    assert refused.stderr.count("\n") == 1


@pytest.mark.usefixtures("first")
def test_no_network_is_one_sentence(project: Project) -> None:
    before = project.lock.read_text()
    try:
        project.lock.write_text(before + "absent==1.0 \\\n    --hash=sha256:" + "0" * 64 + "\n")
        unreachable = project.run(
            "models", PIP_NO_INDEX="", PIP_INDEX_URL="http://127.0.0.1:9/", PIP_RETRIES="1"
        )
    finally:
        project.lock.write_text(before)
    assert unreachable.returncode == 1
    assert unreachable.stderr.startswith("run.py: The network does not reach the package index.")
    assert unreachable.stderr.count("\n") == 1


def write_program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def start_as_python(version: str, path: str) -> subprocess.CompletedProcess[str]:
    pretend = (
        f"import runpy, sys; sys.version_info = {version}; sys.argv[0] = {str(ROOT / 'run.py')!r};"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    return subprocess.run(
        [sys.executable, "-c", pretend, "models"],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_another_python_is_named(tmp_path: Path) -> None:
    # As of a program that manages several Pythons.
    write_program(tmp_path / "python3.12", "echo no such version >&2; exit 127")
    result = start_as_python("(3, 14, 1)", f"{tmp_path}")
    assert result.returncode == 1
    assert "needs Python 3.11, 3.12 or 3.13; this is Python 3.14, and none" in result.stderr
    assert result.stderr.count("\n") == 1


RIGHT_PYTHON = 'case "$1" in -c) echo True;; *) echo "went on: $2";; esac'


@pytest.mark.parametrize("name", ["python3.11", "python3.12", "python3.13"])
def test_another_python_hands_over_to_a_right_one(tmp_path: Path, name: str) -> None:
    write_program(tmp_path / name, RIGHT_PYTHON)
    result = start_as_python("(3, 9, 2)", f"{tmp_path}")
    assert (result.returncode, result.stdout) == (0, "went on: models\n")


def test_another_python_hands_over_to_one_of_uv(tmp_path: Path) -> None:
    write_program(tmp_path / "managed", RIGHT_PYTHON)
    write_program(tmp_path / "uv", f"echo {tmp_path / 'managed'}")
    result = start_as_python("(3, 14, 0)", f"{tmp_path}")
    assert (result.returncode, result.stdout) == (0, "went on: models\n")
    write_program(tmp_path / "uv", "exit 2")
    refused = start_as_python("(3, 14, 0)", f"{tmp_path}")
    assert refused.returncode == 1
    assert "Install one (`uv python install 3.13` does)" in refused.stderr


@pytest.mark.usefixtures("first")
def test_the_tensorflow_of_an_earlier_lock_is_removed(
    project: Project, module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "VENV", project.root / ".venv")
    monkeypatch.setattr(module, "PYTHON", project.root / ".venv" / "bin" / "python")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    pip = module.pip("install", "--no-index", "--no-deps", "--find-links", str(project.wheels))
    for name in ("tensorflow", "tensorflow_cpu", "libclang", "nvidia_cuda_runtime_cu12"):
        make_wheel(project.wheels, name, "")
    subprocess.run([*pip, "tensorflow", "nvidia_cuda_runtime_cu12"], check=True)
    module.remove_unused()
    assert module.has("tensorflow"), "a person has installed it for an NVIDIA card"
    subprocess.run([*module.pip("uninstall", "-y"), "nvidia_cuda_runtime_cu12"], check=True)
    subprocess.run([*pip, "tensorflow_cpu", "libclang"], check=True)
    module.remove_unused()
    installed = [name for name in ("tensorflow", "tensorflow-cpu", "libclang") if module.has(name)]
    assert installed == []
    subprocess.run([*pip, "tensorflow_cpu"], check=True)
    module.remove_unused()
    assert module.has("tensorflow-cpu")


@pytest.mark.skipif(sys.platform != "linux", reason="system libraries are a matter of Linux")
def test_missing_libraries_are_named_with_the_command_that_brings_them(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "QT_LIBRARIES", {"libnot-there.so.7": "libnot-there7"})
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(module.InstallError) as result:
        module.ensure_libraries()
    if shutil.which("apt-get"):
        command = "sudo apt-get install --yes --no-install-recommends libnot-there7"
        assert str(result.value).endswith(command)
    else:
        assert "libnot-there7" in str(result.value)


@pytest.mark.skipif(sys.platform != "linux", reason="system libraries are a matter of Linux")
def test_libraries_that_are_there_are_found(module: ModuleType) -> None:
    assert module.is_loadable("libc.so.6")
    assert not module.is_loadable("libnot-there.so.7")


def test_a_library_that_qt_misses_is_one_that_run_py_knows(module: ModuleType) -> None:
    if sys.platform != "linux" or shutil.which("ldd") is None:
        pytest.skip("there is no ldd here")
    import PySide6

    plugins = Path(PySide6.__path__[0]) / "Qt" / "plugins" / "platforms"
    files = [str(plugins / name) for name in ("libqxcb.so", "libqwayland.so")]
    listed = subprocess.run(["ldd", *files], capture_output=True, text=True).stdout
    needed = {line.split()[0] for line in listed.splitlines() if "=>" in line}
    missing = {line.split()[0] for line in listed.splitlines() if "not found" in line}
    assert missing <= set(module.QT_LIBRARIES)
    assert {"libEGL.so.1", "libxcb-cursor.so.0", "libxkbcommon-x11.so.0"} <= needed


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("OSError: [Errno 28] No space left on device", "The disk is full."),
        ("ReadTimeoutError: Read timed out.", "The network does not reach"),
        ("certificate verify failed: CERTIFICATE_VERIFY_FAILED", "its certificate is not one"),
        ("PermissionError: [Errno 13] Permission denied: 'x'", "cannot be written to"),
        ("Looking\nERROR: something odd\nmore", "It failed. ERROR: something odd"),
    ],
)
def test_what_pip_says_becomes_a_sentence(module: ModuleType, output: str, sentence: str) -> None:
    assert sentence in module.explain(output, "It failed.")


def test_checks_run_side_by_side_and_are_printed_one_after_the_other(
    module: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    monkeypatch.setattr(module, "PYTHON", Path("/bin/sh"))
    checks = {
        # Ends only if the second one runs beside it.
        "first": ["sh", "-c", f"cat {pipe}"],
        "second": ["sh", "-c", f"echo go > {pipe}; echo bad >&2; exit 1"],
    }
    monkeypatch.setattr(module, "CHECKS", checks)
    assert module.run_checks() == ["second"]
    printed = capsys.readouterr().out.splitlines()
    assert [printed[0], printed[1], *printed[3:5]] == ["== first", "go", "== second", "bad"]
    assert ["passed in" in printed[2], "failed in" in printed[5]] == [True, True]
