"""No secret stands in the source (requirements SEC-19): every file that could be committed is looked at.

What looks like a secret and is none says so on its line with `# not a secret`, in any kind of comment.
"""

import ast
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
EXCUSE: Final = "not a secret"
LARGEST: Final = 2_000_000

ANYWHERE: Final = {
    "a private key": re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----"),
    # The keys of AWS's own documentation end in EXAMPLE.
    "an AWS key": re.compile(r"\b(?:AKIA|ASIA)(?![0-9A-Z]{9}EXAMPLE\b)[0-9A-Z]{16}\b"),
    "a live key of Stripe": re.compile(r"\b[sr]k_live_[0-9A-Za-z]{10,}"),
    "a signed token": re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}"),
    "a token of GitHub": re.compile(r"\bgh[pousr]_[0-9A-Za-z]{36}\b|\bgithub_pat_\w{50,}"),
    "a token of Slack": re.compile(r"\bxox[abprs]-[0-9A-Za-z-]{10,}"),
    "a key of Google": re.compile(r"\bAIza[\w-]{35}\b"),
    "an API key of ours": re.compile(r"\bgm_(?!(?:0123456789abcdef){4})[0-9a-f]{64}\b"),
}
SECRET_NAME: Final = re.compile(
    r"(?i)(?:^|[_-])(?:password|passwd|passphrase|pwd|pass|secret|pepper|api_?key|secret_?key|access_?key|private_?key"
    r"|encryption_?key|auth_?token|api_?token)$"
)
CONFIGURED: Final = re.compile(
    r"""^\s*(?:-\s*)?(?:ENV\s+|export\s+)?["']?([A-Za-z_][\w.-]*)["']?\s*[:=]\s*(.*?)\s*$"""
)
# A reference to the environment, a mounted file, or nothing at all.
REFERENCE: Final = re.compile(r"""["']?(?:\$\{[^}]*\}|\$\w+|/run/secrets/\S+|\{\{.*\}\}|null|~|)["']?""")
URL: Final = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s:/@\"'`<>{}$]*:([^\s:/@\"'`<>{}$]+)@")
PLACEHOLDERS: Final = frozenset(
    {"password", "secret", "pw", "pass", "token", "...", "***", "xxx", "PASSWORD"}
)

CONFIGURATION: Final = frozenset(
    {".yml", ".yaml", ".env", ".example", ".toml", ".ini", ".cfg", ".conf", ".sh", ".service"}
)
CONFIGURATION_NAMES: Final = frozenset({"Dockerfile", "Makefile", "Containerfile", ".env"})


def findings(path: Path, text: str, *, is_test: bool) -> Iterator[str]:
    """What is suspicious in one file; the suspicious text itself is not repeated."""
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        if EXCUSE in line:
            continue
        for what, pattern in ANYWHERE.items():
            if pattern.search(line):
                yield f"{path}:{number}: {what}"
        if is_test:
            continue
        if any(password not in PLACEHOLDERS for password in URL.findall(line)):
            yield f"{path}:{number}: a password in a URL"
        if path.suffix in CONFIGURATION or path.name in CONFIGURATION_NAMES:
            match = CONFIGURED.match(line)
            if (
                match
                and SECRET_NAME.search(match[1])
                and not REFERENCE.fullmatch(match[2].split(" #")[0].strip())
            ):
                yield f"{path}:{number}: a literal {match[1]}"
    if path.suffix == ".py" and not is_test:
        for number, name in literal_secrets(ast.parse(text)):
            if EXCUSE not in lines[number - 1]:
                yield f"{path}:{number}: a literal {name}"


def literal_secrets(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Where a text is given to a name that is one of a secret: `password = "..."`, `f(password="...")`, `{"password": "..."}`."""
    for node in ast.walk(tree):
        pairs: list[tuple[str, ast.expr | None]] = []
        match node:
            case ast.Assign(targets=targets, value=value):
                pairs = [(name_of(target), value) for target in targets]
            case ast.AnnAssign(target=target, value=value):
                pairs = [(name_of(target), value)]
            case ast.keyword(arg=str(name), value=value):
                pairs = [(name, value)]
            case ast.Dict(keys=keys, values=values):
                pairs = [(name_of(key), value) for key, value in zip(keys, values, strict=True)]
            case ast.arguments():
                named = [*node.posonlyargs, *node.args]
                pairs = [
                    (argument.arg, value)
                    for argument, value in zip(reversed(named), reversed(node.defaults), strict=False)
                ]
                pairs += [
                    (argument.arg, value)
                    for argument, value in zip(node.kwonlyargs, node.kw_defaults, strict=True)
                ]
        for name, value in pairs:
            if SECRET_NAME.search(name) and isinstance(value, ast.Constant) and isinstance(value.value, str):
                words = value.value.lower().replace("-", "_")
                # `PASSWORD = "password"` names the thing; it is not one.
                if value.value and words != name.lower() and words not in PLACEHOLDERS and " " not in words:
                    yield value.lineno, name


def name_of(node: ast.expr | None) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Constant(value=str(name)) | ast.Subscript(slice=ast.Constant(value=str(name))):
            return name
    return ""


def committable_files() -> list[Path]:
    """What git would keep; in an unpacked archive without git, everything but hidden and generated folders."""
    git = shutil.which("git")
    if git is not None and (ROOT / ".git").exists():
        listed = subprocess.run(
            [git, "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            capture_output=True,
            check=False,
            timeout=30,
        )
        if listed.returncode == 0:
            return [ROOT / os.fsdecode(name) for name in listed.stdout.split(b"\0") if name]
    skipped = {"node_modules", "build", "dist", "__pycache__", "htmlcov"}
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [
            name for name in folders if name not in skipped and not (name.startswith(".") and name != ".ci")
        ]
        found += [Path(folder, name) for name in names if name != ".env"]
    return found


def test_no_file_holds_a_secret() -> None:
    looked_at = 0
    found: list[str] = []
    for path in committable_files():
        if path.name == "uv.lock" or not path.is_file() or path.stat().st_size > LARGEST:
            continue
        content = path.read_bytes()
        if b"\0" in content[:8192]:
            continue
        looked_at += 1
        inside = path.relative_to(ROOT)
        found += findings(inside, content.decode("utf-8", "replace"), is_test=inside.parts[0] == "tests")
    assert looked_at > 10
    assert found == []


def test_a_file_of_secrets_is_never_committed() -> None:
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert ".env" in ignored
    assert ".daftar/" in ignored
    assert ROOT / ".env" not in committable_files()


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("notes.md", "-----BEGIN " + "RSA PRIVATE KEY-----"),
        ("notes.md", "-----BEGIN " + "PRIVATE KEY-----"),
        ("tests/test_x.py", "KEY = 'AKIA" + "Q3EGRZ7XK2M4PLVT'"),
        ("tests/test_x.py", "KEY = 'sk_" + "live_51HxAbCdEf9k2'"),
        ("README.md", "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0" + ".dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"),
        ("README.md", "ghp_" + "a1B2" * 9),
        ("api/x.py", "'gm_" + "a1b2c3d4" * 8 + "'"),
        ("docker-compose.yml", "      POSTGRES_PASSWORD: techhub_pw"),
        ("docker-compose.yml", "      - JWT_SECRET=ultramarket_jwt_secret"),
        ("docker-compose.yml", "      DATABASE_URL: postgresql://daftar:hunter2@db/daftar"),
        ("Dockerfile", "ENV PASSWORD_PEPPER=salt"),
        (".env.example", "JWT_SECRET=abc"),
        ("infrastructure/x.py", 'password = "hunter2"'),
        ("infrastructure/x.py", 'DB_PASSWORD: Final = "hunter2"'),
        ("infrastructure/x.py", 'connect(host="db", password="hunter2")'),
        ("infrastructure/x.py", 'settings = {"jwt_secret": "ultramarket_jwt_secret"}'),
        ("infrastructure/x.py", 'settings["api_key"] = "k123"'),
        ("infrastructure/x.py", 'def connect(host, password="hunter2"): ...'),
        ("infrastructure/x.py", 'def connect(*, password="hunter2"): ...'),
        ("infrastructure/x.py", 'url = "redis://:hunter2@cache"'),
    ],
)  # fmt: skip
def test_a_secret_would_be_found(name: str, line: str) -> None:
    path = Path(name)
    assert list(findings(path, line, is_test=path.parts[0] == "tests"))
    assert not list(findings(path, f"{line}  # {EXCUSE}", is_test=path.parts[0] == "tests"))


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("docker-compose.yml", "      POSTGRES_PASSWORD: ${DB_PASSWORD:?set it}"),
        ("docker-compose.yml", "      POSTGRES_PASSWORD_FILE: /run/secrets/db"),
        ("docker-compose.yml", "      DATABASE_URL: postgresql://daftar:${DB_PASSWORD}@db/daftar"),
        (".env.example", "JWT_SECRET="),
        ("infrastructure/x.py", "password = settings.database.password"),
        ("infrastructure/x.py", 'PASSWORD = "password"'),
        ("infrastructure/x.py", 'raise Refused(password="must be longer than that")'),
        ("infrastructure/x.py", 'TOKEN_KIND = "access"'),
        ("README.md", "postgresql://user:password@host/name"),
        ("tests/test_x.py", 'password = "hunter2"'),
    ],
)
def test_a_reference_to_a_secret_is_not_one(name: str, line: str) -> None:
    path = Path(name)
    assert not list(findings(path, line, is_test=path.parts[0] == "tests"))
