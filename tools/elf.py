"""The dynamic-linking tables of an ELF64 shared object: read them, edit them in place.

Only what `old_glibc.py` needs: which library versions a file requires, which symbols carry them, and
which of those a relocation resolves. No record changes its size, so no other offset in the file moves.

Layout: System V gABI, chapters 4 and 5; symbol versions: Linux Standard Base Core 5.0, section 10.7.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

MAGIC = b"\x7fELF\x02\x01"  # ELF, 64 bits, little-endian
HIDDEN = 0x8000  # a bit in .gnu.version that is no part of the index

FILE_HEADER = struct.Struct("<40xQ10xHH")  # section header table: offset, entry size, entries
SECTION_HEADER = struct.Struct("<4xI16xQQI20x")  # type, offset, size, link
SYMBOL = struct.Struct("<I20x")  # offset of the name
RELOCATION = struct.Struct("<12xI8x")  # index of the symbol
LIBRARY = struct.Struct("<2xHIII")  # Verneed: versions, name, first version, next library
VERSION = struct.Struct("<I2xHII")  # Vernaux: hash, index, name, next version
DEFINITION = struct.Struct("<6xH4xII")  # Verdef: names, first name, next definition
DEFINED_NAME = struct.Struct("<II")  # Verdaux: name, next name
DYNAMIC = struct.Struct("<qQ")  # tag, value
STRING_TAGS = {1, 14, 15, 29}  # DT_NEEDED, DT_SONAME, DT_RPATH, DT_RUNPATH


class ElfError(Exception):
    """The file is not what the edit expects; the message says what it is instead."""


class SectionType(IntEnum):
    """The sections that are read (`sh_type`)."""

    RELA = 4
    DYNAMIC = 6
    DYNSYM = 11
    VERDEF = 0x6FFFFFFD
    VERNEED = 0x6FFFFFFE
    VERSYM = 0x6FFFFFFF


class Section(NamedTuple):
    """One section: its type, where it lies in the file [bytes], and the section it refers to."""

    type: int
    offset: int
    size: int
    link: int


@dataclass(frozen=True, slots=True)
class Requirement:
    """One version that the object requires of one library, such as GLIBC_2.38 of libc.so.6."""

    offset: int
    index: int
    library: str
    version: str


@dataclass(frozen=True, slots=True)
class Symbol:
    """One dynamic symbol; `version` is the index of a Requirement, `resolved` if a relocation uses it."""

    offset: int
    name: str
    name_offset: int
    version: int
    resolved: bool


@dataclass(frozen=True, slots=True)
class SharedObject:
    """The tables as they were parsed, over the bytes that `rename` and `require` edit."""

    content: bytearray
    strings: Section
    requirements: tuple[Requirement, ...]
    symbols: tuple[Symbol, ...]
    string_offsets: tuple[int, ...]

    def rename(self, symbol: Symbol, name: str) -> None:
        """Let `symbol` be called `name`, which must be in the string table or fit over the old name."""
        offset = self._find(name)
        if offset is None:
            offset = self._overwrite(symbol, name)
        struct.pack_into("<I", self.content, symbol.offset, offset)

    def require(self, requirement: Requirement, version: str) -> None:
        """Let `requirement` ask for `version`, which must be in the string table already."""
        offset = self._find(version)
        if offset is None:
            raise ElfError(f"expected {version} in the string table to stand in for {requirement.version}, found none")
        struct.pack_into("<I", self.content, requirement.offset, version_hash(version))
        struct.pack_into("<I", self.content, requirement.offset + 8, offset)

    def _find(self, text: str) -> int | None:
        """Return the offset of `text` in the string table; the tail of a longer string will do."""
        start, end = self.strings.offset, self.strings.offset + self.strings.size
        at = self.content.find(text.encode() + b"\0", start, end)
        return None if at < 0 else at - start

    def _overwrite(self, symbol: Symbol, name: str) -> int:
        start, end = symbol.name_offset, symbol.name_offset + len(symbol.name)
        if len(name) > len(symbol.name):
            raise ElfError(f"expected a name no longer than {symbol.name}, received {name}")
        if sum(start <= offset < end for offset in self.string_offsets) != 1:
            raise ElfError(f"expected the string {symbol.name} to have one user, found others")
        at = self.strings.offset + start
        self.content[at : at + len(symbol.name)] = name.encode().ljust(len(symbol.name), b"\0")
        return start


def version_hash(version: str) -> int:
    """Return the System V hash of a version's name (gABI, chapter 5, "Hash Table")."""
    value = 0
    for byte in version.encode():
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ (high >> 24)) & ~high
    return value


def parse(content: bytes) -> SharedObject:
    """Read the tables of a little-endian ELF64 file; raise ElfError if it is none, or is damaged."""
    if not content.startswith(MAGIC):
        raise ElfError(f"expected a little-endian ELF64 file, received one that starts with {content[:6]!r}")
    try:
        return _parse(bytearray(content))
    except (struct.error, IndexError, KeyError, ValueError) as error:
        raise ElfError(f"expected whole dynamic-linking tables, received damaged ones: {error}") from error


def _parse(content: bytearray) -> SharedObject:
    offset, entry_size, entries = FILE_HEADER.unpack_from(content)
    headers = (SECTION_HEADER.unpack_from(content, offset + entry_size * entry) for entry in range(entries))
    sections = [Section(*header) for header in headers]
    by_type = {section.type: section for section in reversed(sections)}
    missing = [kind.name for kind in SectionType if kind not in by_type and kind is not SectionType.VERDEF]
    if missing:
        raise ElfError(f"expected the sections {', '.join(missing)}, received a file without them")
    strings = sections[by_type[SectionType.DYNSYM].link]
    requirements = tuple(_requirements(content, by_type[SectionType.VERNEED].offset, strings))
    symbols = tuple(_symbols(content, sections, by_type, strings))
    string_offsets = (*(symbol.name_offset for symbol in symbols), *_other_strings(content, by_type))
    return SharedObject(content, strings, requirements, symbols, string_offsets)


def _requirements(content: bytearray, offset: int, strings: Section) -> Iterator[Requirement]:
    for library, first, versions in _libraries(content, offset):
        at = first
        for _ in range(versions):
            _, index, name, following = VERSION.unpack_from(content, at)
            yield Requirement(at, index, _text(content, strings, library), _text(content, strings, name))
            at += following


def _libraries(content: bytearray, offset: int) -> Iterator[tuple[int, int, int]]:
    """Yield each library's name in the string table, the file offset of its first version, their number."""
    following = -1
    while following:
        versions, library, first, following = LIBRARY.unpack_from(content, offset)
        yield library, offset + first, versions
        offset += following


def _symbols(
    content: bytearray, sections: list[Section], by_type: dict[int, Section], strings: Section
) -> Iterator[Symbol]:
    table, versions = by_type[SectionType.DYNSYM], by_type[SectionType.VERSYM]
    resolved = _resolved(content, sections)
    for index in range(table.size // SYMBOL.size):
        offset = table.offset + index * SYMBOL.size
        (name,) = SYMBOL.unpack_from(content, offset)
        (version,) = struct.unpack_from("<H", content, versions.offset + 2 * index)
        yield Symbol(offset, _text(content, strings, name), name, version & ~HIDDEN, index in resolved)


def _resolved(content: bytearray, sections: list[Section]) -> set[int]:
    """Return the indices of the symbols that some relocation names: the loader looks up no others."""
    tables = [section for section in sections if section.type == SectionType.RELA]
    records = (content[table.offset : table.offset + table.size] for table in tables)
    return {symbol for record in records for (symbol,) in RELOCATION.iter_unpack(record)}


def _other_strings(content: bytearray, by_type: dict[int, Section]) -> Iterator[int]:
    """Yield each offset into the string table that is no symbol's name."""
    for library, first, versions in _libraries(content, by_type[SectionType.VERNEED].offset):
        yield library
        yield from _chain(content, VERSION, first, versions)
    if SectionType.VERDEF in by_type:
        yield from _defined(content, by_type[SectionType.VERDEF].offset)
    dynamic = by_type[SectionType.DYNAMIC]
    entries = DYNAMIC.iter_unpack(content[dynamic.offset : dynamic.offset + dynamic.size])
    yield from (value for tag, value in entries if tag in STRING_TAGS)


def _defined(content: bytearray, offset: int) -> Iterator[int]:
    following = -1
    while following:
        names, first, following = DEFINITION.unpack_from(content, offset)
        yield from _chain(content, DEFINED_NAME, offset + first, names)
        offset += following


def _chain(content: bytearray, record: struct.Struct, offset: int, length: int) -> Iterator[int]:
    """Yield the name in each of a chain of records that end with (name, distance to the next)."""
    for _ in range(length):
        *_, name, following = record.unpack_from(content, offset)
        yield name
        offset += following


def _text(content: bytearray, strings: Section, offset: int) -> str:
    start = strings.offset + offset
    return content[start : content.index(0, start)].decode()
