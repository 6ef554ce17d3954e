"""Mutations of real files: bytes and lines that are changed, cut, doubled, moved or made up."""

from collections.abc import Callable
from pathlib import Path
from random import Random

BYTES = b"\0\xff\xfe\n\r\"',;\t|:@#%{}[]()\\-.0195eNxX ?\x80\xc3\xe9PK"
TEXTS = (
    *(b"", b"nan", b"NaN", b"inf", b"-1", b"1e400", b"1e-400", b"0x1F", b"1_0", b"?", b"NA"),
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"\0", b"\r", b"\r\n"),
    *(b'"', b'""', b"'", b"1,5", b"1.000,5", b"9" * 40, b"true", b"null", b"{}", b"[" * 50),
    *(b"2020-01-01", b"10:20", b"PK\x03\x04", b"PAR1", b"\x1f\x8b\x08", b"@data", b"\xc2\xa0"),
)


def mutated(content: bytes, random: Random) -> bytes:
    """The bytes of a file after one to four changes."""
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        content = random.choice(MUTATIONS)(content, random)
    return content


def _place(content: bytes, random: Random) -> int:
    """A place in a file: often near one of its ends, where headers stand."""
    at = random.randrange(len(content) + 1)
    near = min(len(content), int(random.expovariate(1 / 40)))
    return random.choice((at, at, near, len(content) - near))


def flip_a_bit(content: bytes, random: Random) -> bytes:
    if not content:
        return content
    changed = bytearray(content)
    changed[min(_place(content, random), len(content) - 1)] ^= 1 << random.randrange(8)
    return bytes(changed)


def set_a_byte(content: bytes, random: Random) -> bytes:
    at = _place(content, random)
    return content[:at] + bytes([random.choice(BYTES)]) + content[at + 1 :]


def insert(content: bytes, random: Random) -> bytes:
    at = _place(content, random)
    return content[:at] + random.choice(TEXTS) + content[at:]


def replace_a_field(content: bytes, random: Random) -> bytes:
    separator = random.choice((b",", b"\n", b":", b'"'))
    fields = content.split(separator)
    fields[random.randrange(len(fields))] = random.choice(TEXTS)
    return separator.join(fields)


def cut(content: bytes, random: Random) -> bytes:
    at = _place(content, random)
    return random.choice((content[:at], content[at:], content[:at] + content[at + 7 :]))


def double(content: bytes, random: Random) -> bytes:
    a, b = sorted((_place(content, random), _place(content, random)))
    b = min(b, a + 2000)
    return content[:b] + content[a:b] + content[b:]


def change_lines(content: bytes, random: Random) -> bytes:
    lines = content.split(b"\n")
    at, other = random.randrange(len(lines)), random.randrange(len(lines))
    kind = random.randrange(3)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines[at], lines[other] = lines[other], lines[at]
    else:
        lines.insert(at, lines[other])
    return b"\n".join(lines)


def set_a_number(content: bytes, random: Random) -> bytes:
    """Four bytes that stand for a number, as lengths in headers do."""
    at = _place(content, random)
    number = random.choice((0, 1, 2**15, 2**31 - 1, 2**31, 2**32 - 1))
    order = random.choice(("big", "little"))
    return content[:at] + number.to_bytes(4, order) + content[at + 4 :]  # type: ignore[arg-type]


MUTATIONS: tuple[Callable[[bytes, Random], bytes], ...] = (
    *(flip_a_bit, set_a_byte, insert, replace_a_field, cut, double, change_lines, set_a_number),
)


def mutate_a_file(path: Path, random: Random) -> Callable[[], None]:
    """Change one of the files at a path or below; returns what puts it back."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    file = random.choice(files)
    content = file.read_bytes()
    file.write_bytes(mutated(content, random))
    return lambda: file.write_bytes(content) and None
