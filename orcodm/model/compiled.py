"""Functions of Python that are written for one class: all generated code is made here.

A field costs a look at the type of its value, where a call for each would cost several times as much; what
is below it is converted within the same expression, or by the function of the nested class. The functions
take what fits and raise an exception, most often `Unfit`, where something does not: then the readable
functions of `mapping` and `schema`, which give the same results, tell what it is. The source is known to
`linecache`, so that tracebacks and debuggers show it.
"""

from __future__ import annotations

import itertools
import linecache
from binascii import b2a_base64
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from functools import singledispatch
from typing import Any, Final, Protocol

import attrs

from ..values import copied, storable
from .mapping import Anything, Choice, Kind, Mapped, Optional, Scalar, Several, Text
from .misfits import BAD, unfit

_numbers = itertools.count()


class Names:
    """The objects that generated code uses, each under a name of its own."""

    def __init__(self, prefix: str = "k") -> None:
        self.known: dict[str, Any] = {"unfit": unfit, "missing": BAD}
        self._of: dict[int, str] = {}
        self._prefix = prefix

    def __call__(self, used: Any) -> str:
        name = self._of.get(id(used))
        if name is None:
            name = self._of[id(used)] = f"{self._prefix}{len(self._of)}"
            self.known[name] = used
        return name


def function(signature: str, lines: Iterable[str], names: Names, about: str) -> Callable[..., Any]:
    """A function with a signature and the lines of its body; `about` says what it is for, in tracebacks."""
    source = "\n    ".join([f"def {signature}:", *lines]) + "\n"
    file = f"<orcodm {about} {next(_numbers)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    space = dict(names.known)
    exec(compile(source, file, "exec"), space)
    made: Callable[..., Any] = space[signature.partition("(")[0]]
    return made


# -- expressions -----------------------------------------------------------------------------------


@singledispatch
def loads(kind: Kind, v: str, names: Names) -> str:
    """The expression that loads the JSON value in a variable, or raises an exception."""
    return f"{names(kind)}.read({v})"


@singledispatch
def dumps(kind: Kind, v: str, names: Names) -> str:
    """The expression that dumps the value in a variable, or raises an exception."""
    return f"{names(kind)}.write({v})"


@singledispatch
def tests(kind: Kind, v: str, names: Names) -> str:
    """The expression that is true where the value in a variable can be dumped; else false, or it raises."""
    return f"{names(kind)}.write({v}) is not missing"


_SCALAR: Final = {
    str: "type({0}) is str",
    int: "type({0}) is int",
    bool: "type({0}) is bool",
    float: "(type({0}) is float or type({0}) is int)",
    type(None): "{0} is None",
}


@loads.register
def _(kind: Scalar, v: str, names: Names) -> str:
    return f"({v} if {_SCALAR[kind.type].format(v)} else unfit())"


@dumps.register
def _(kind: Scalar, v: str, names: Names) -> str:
    return f"({v} if {_SCALAR[kind.type].format(v)} else {names(kind)}.write({v}))"


@tests.register
def _(kind: Scalar, v: str, names: Names) -> str:
    return f"({_SCALAR[kind.type].format(v)} or {names(kind)}.write({v}) is not missing)"


@loads.register
def _(kind: Anything, v: str, names: Names) -> str:
    return f"{names(copied)}({v})"


@dumps.register
def _(kind: Anything, v: str, names: Names) -> str:
    return v  # what it holds is looked at when it is encoded


@tests.register
def _(kind: Anything, v: str, names: Names) -> str:
    return "True"  # what it holds is looked at when it is encoded


_PARSED: Final[dict[Any, Any]] = {
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    time: time.fromisoformat,
}
_SPELLED: Final = {
    datetime: "{0}.isoformat()",
    date: "{0}.isoformat()",
    time: "{0}.isoformat()",
    Decimal: "str({0})",
    bytes: "{encode}({0}, newline=False).decode()",
}


@loads.register
def _(kind: Text, v: str, names: Names) -> str:
    if kind.type is Decimal:
        made = f"({v}d if ({v}d := {names(Decimal)}({v})).is_finite() else unfit())"
    else:
        made = f"{names(_PARSED.get(kind.type, kind.parse))}({v})"
    return f"({made} if type({v}) is str else unfit())"


@dumps.register
def _(kind: Text, v: str, names: Names) -> str:
    spelled = _SPELLED.get(kind.type)
    if spelled is None:
        return f"{names(kind)}.write({v})"
    spelled = spelled.format(v, encode=names(b2a_base64))
    return f"({spelled} if {_known_text(kind, v, names)} else {names(kind)}.write({v}))"


@tests.register
def _(kind: Text, v: str, names: Names) -> str:
    return f"({_known_text(kind, v, names)} or {names(kind)}.write({v}) is not missing)"


def _known_text(kind: Text, v: str, names: Names) -> str:
    finite = f" and {v}.is_finite()" if kind.type is Decimal else ""
    return f"type({v}) is {names(kind.type)}{finite}"


@loads.register
def _(kind: Choice, v: str, names: Names) -> str:
    if kind.values and all(type_ is str for type_, _ in kind.values):
        texts = {text: value for (_, text), value in kind.values.items()}
        return f"{names(texts)}[{v}]"
    return f"{names(kind)}.read({v})"


@dumps.register
def _(kind: Choice, v: str, names: Names) -> str:
    if kind.is_enum and kind.values and all(type_ in (str, int, bool) for type_, _ in kind.values):
        return f"({v}._value_ if type({v}) is {names(kind.type)} else {names(kind)}.write({v}))"
    return f"{names(kind)}.write({v})"


@loads.register
def _(kind: Optional, v: str, names: Names) -> str:
    return f"(None if {v} is None else {loads(kind.inner, v, names)})"


@dumps.register
def _(kind: Optional, v: str, names: Names) -> str:
    return f"(None if {v} is None else {dumps(kind.inner, v, names)})"


@tests.register
def _(kind: Optional, v: str, names: Names) -> str:
    return f"({v} is None or {tests(kind.inner, v, names)})"


def plain_elements(kind: Several) -> type | None:
    """The type of the elements of a plain list: of texts, integers or booleans."""
    element = kind.element
    plain = kind.type is list and isinstance(element, Scalar) and element.type in (str, int, bool)
    return element.type if plain else None  # type: ignore[attr-defined]


@loads.register
def _(kind: Several, v: str, names: Names) -> str:
    inner = f"{v}e"
    if isinstance(kind.element, Anything):
        made = f"{names(copied)}({v})"
    else:
        made = f"[{loads(kind.element, inner, names)} for {inner} in {v}]"
    if kind.type is not list:
        made = f"{names(kind.type)}({made})"
    return f"({made} if type({v}) is list else unfit())"


@dumps.register
def _(kind: Several, v: str, names: Names) -> str:
    inner = f"{v}e"
    made = f"[{dumps(kind.element, inner, names)} for {inner} in {v}]"
    if kind.sorted:
        made = f"{names(sorted)}({made})"
    return f"({made} if type({v}) is {names(kind.type)} else {names(kind)}.write({v}))"


@tests.register
def _(kind: Several, v: str, names: Names) -> str:
    if kind.sorted:
        return f"{names(kind)}.write({v}) is not missing"
    if isinstance(kind.element, Anything):
        every = f"{names(storable)}({v})"
        return f"(type({v}) is {names(kind.type)} and {every} or {names(kind)}.write({v}) is not missing)"
    inner = f"{v}e"
    every = f"all([{tests(kind.element, inner, names)} for {inner} in {v}])"
    return f"(type({v}) is {names(kind.type)} and {every} or {names(kind)}.write({v}) is not missing)"


@loads.register
def _(kind: Mapped, v: str, names: Names) -> str:
    if not _by_text(kind):
        return f"{names(kind)}.read({v})"
    return f"({_members(kind, v, names, loads)} if type({v}) is dict else unfit())"


@dumps.register
def _(kind: Mapped, v: str, names: Names) -> str:
    if not _by_text(kind):
        return f"{names(kind)}.write({v})"
    return f"({_members(kind, v, names, dumps)} if type({v}) is dict else {names(kind)}.write({v}))"


@tests.register
def _(kind: Mapped, v: str, names: Names) -> str:
    if not _by_text(kind):
        return f"{names(kind)}.write({v}) is not missing"
    if isinstance(kind.member, Anything):
        every = f"{names(storable)}({v})"
    else:
        name, member = f"{v}n", f"{v}m"
        each = f"type({name}) is str and {tests(kind.member, member, names)}"
        every = f"all([{each} for {name}, {member} in {v}.items()])"
    return f"(type({v}) is dict and {every} or {names(kind)}.write({v}) is not missing)"


def _by_text(kind: Mapped) -> bool:
    return isinstance(kind.key, Scalar) and kind.key.type is str


def _members(kind: Mapped, v: str, names: Names, convert: Callable[[Kind, str, Names], str]) -> str:
    if isinstance(kind.member, Anything):
        return f"{names(copied)}({v})" if convert is loads else f"{v}.copy()"
    name, member = f"{v}n", f"{v}m"
    key = f"({name} if type({name}) is str else unfit())"
    return f"{{{key}: {convert(kind.member, member, names)} for {name}, {member} in {v}.items()}}"


# -- the functions of a class ----------------------------------------------------------------------


class Attribute(Protocol):
    """What is to know of a field."""

    name: str
    member: str
    kind: Kind
    default: Any


Attributes = Iterable[Attribute]


HELD: Final = "held = instance.__dict__"  # what a class does when it is assigned to is for who changes it


def _loaded(kind: Kind, v: str, names: Names) -> list[str]:
    """The lines that load the value in a variable into the same variable."""
    if isinstance(kind, Scalar):
        return [f"if not ({_SCALAR[kind.type].format(v)}): unfit()"]
    if isinstance(kind, Optional) and isinstance(kind.inner, Scalar):
        return [f"if not ({v} is None or {_SCALAR[kind.inner.type].format(v)}): unfit()"]
    if isinstance(kind, Optional) and isinstance(kind.inner, Several) and plain_elements(kind.inner):
        return [f"if {v} is not None:", *_indented(_loaded(kind.inner, v, names))]
    if isinstance(kind, Several) and (element := plain_elements(kind)):
        return [
            f"if type({v}) is not list: unfit()",
            f"for each in {v}:",
            f"    if not ({_SCALAR[element].format('each')}): unfit()",
            f"{v} = {v}.copy()",
        ]
    return [f"{v} = {loads(kind, v, names)}"]


def _dumped(kind: Kind, v: str, names: Names) -> list[str]:
    """The lines that dump the value in a variable into the same variable."""
    if isinstance(kind, Scalar):
        return [f"if not ({_SCALAR[kind.type].format(v)}): {v} = {names(kind)}.write({v})"]
    if isinstance(kind, Optional) and isinstance(kind.inner, Scalar):
        fits = f"{v} is None or {_SCALAR[kind.inner.type].format(v)}"
        return [f"if not ({fits}): {v} = {names(kind)}.write({v})"]
    if isinstance(kind, Several) and (element := plain_elements(kind)):
        return [
            f"if type({v}) is not list: unfit()",
            f"for each in {v}:",
            f"    if not ({_SCALAR[element].format('each')}): unfit()",
            f"{v} = {v}.copy()",
        ]
    return [f"{v} = {dumps(kind, v, names)}"]


def checked(kind: Kind, v: str, names: Names) -> list[str]:
    """The lines that see that the JSON value in a variable can be loaded."""
    if isinstance(kind, Anything):
        return []
    if isinstance(kind, Optional):
        inner = checked(kind.inner, v, names)
        return [f"if {v} is not None:", *_indented(inner)] if inner else []
    if isinstance(kind, Scalar):
        return [f"if not ({_SCALAR[kind.type].format(v)}): unfit()"]
    if isinstance(kind, Several) and kind.type is list:
        inner = checked(kind.element, f"{v}e", names)
        every = [f"for {v}e in {v}:", *_indented(inner)] if inner else []
        return [f"if type({v}) is not list: unfit()", *every]
    if isinstance(kind, Mapped) and _by_text(kind):
        inner = checked(kind.member, f"{v}m", names)
        every = [f"for {v}m in {v}.values():", *_indented(inner)] if inner else []
        return [f"if type({v}) is not dict: unfit()", *every]
    return [checks(kind, v, names)]


@singledispatch
def checks(kind: Kind, v: str, names: Names) -> str:
    """The expression that raises an exception where the JSON value in a variable cannot be loaded."""
    return loads(kind, v, names)


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _read(kind: Kind, v: str, names: Names) -> list[str]:
    """The lines for the field of a stored thing: what can change is loaded later, when it is asked for."""
    return _loaded(kind, v, names) if kind.constant else checked(kind, v, names)


def filler(
    model: type, attributes: Attributes, tag: tuple[str, str] | None, outside: Iterable[str]
) -> Callable[..., Any]:
    """`fill(value, instance)`: what `Schema.read` does with an object of just the fields' members."""
    names = Names()
    lines = [] if tag is None else [f"if value[{tag[0]!r}] != {tag[1]!r}: unfit()"]
    put, read = [HELD], [f"held.get({name!r})" for name in outside]
    for number, each in enumerate(attributes):
        v = f"v{number}"
        read.append(v)
        lines += [f"{v} = value[{each.member!r}]", *_read(each.kind, v, names)]
        if each.kind.constant:
            put.append(f"held[{each.name!r}] = {v}")
    last = f"return ({', '.join(read)}, None)"
    return function("fill(value, instance)", [*lines, *put, last], names, f"fill {model.__name__}")


def part_filler(
    model: type,
    attributes: Sequence[Attribute],
    tag: tuple[str, str] | None,
    outside: Iterable[str],
    default: Callable[[Any, Any], Any],
) -> Callable[..., Any]:
    """`fill_part(value, instance)`: the same for an object with other members, or without some."""
    names = Names()
    order = (*(each.member for each in attributes), *(tag or ())[:1])
    tagged = "" if tag is None else f" + ({tag[0]!r} in value)"
    lines, put = [HELD, f"found = {len(attributes)}{tagged}"], []
    read = [f"held.get({name!r})" for name in outside]
    for number, each in enumerate(attributes):
        v = f"v{number}"
        read.append(v)
        lines += [
            f"{v} = value.get({each.member!r}, missing)",
            f"if {v} is missing:",
            "    found -= 1",
            *_indented(_defaulted(each, v, names, default)),
            "else:",
            *_indented(_read(each.kind, v, names) or ["pass"]),
        ]
        if each.kind.constant:
            put.append(f"held[{each.name!r}] = {v}")
    extra = f"{{name: value[name] for name in value if name not in {names(order)}}}"
    last = [
        f"extra = {extra} if found != len(value) else None",
        f"if extra: held['_extra'] = {names(copied)}(extra)",
        f"return ({', '.join(read)}, extra)",
    ]
    about = f"fill {model.__name__} in part"
    return function("fill_part(value, instance)", [*lines, *put, *last], names, about)


def _defaulted(attribute: Attribute, v: str, names: Names, default: Callable[[Any, Any], Any]) -> list[str]:
    if attribute.default is attrs.NOTHING:
        return ["unfit()"]
    return [f"{v} = {names(default)}({names(attribute)}, instance)"] if attribute.kind.constant else []


def one_loader(attribute: Attribute) -> Callable[..., Any]:
    """`load(value)`: the value of one field from its JSON."""
    names = Names()
    lines = [*_loaded(attribute.kind, "value", names), "return value"]
    return function("load(value)", lines, names, f"load {attribute.name}")


def one_dumper(attribute: Attribute) -> Callable[..., Any]:
    """`dump(value)`: the JSON of the value of one field."""
    names = Names()
    lines = [*_dumped(attribute.kind, "value", names), "return value"]
    return function("dump(value)", lines, names, f"dump {attribute.name}")


def touched(model: type, attributes: Attributes, outside: Sequence[str]) -> Callable[..., Any]:
    """`touched(instance, read)`: the places of fields that are not what was read, or may have changed."""
    lines = [HELD, "found = []"]
    lines += [
        f"if held.get({name!r}) is not read[{number}]: found.append({number})"
        for number, name in enumerate(outside)
    ]
    for number, each in enumerate(attributes, len(outside)):
        other = (
            f"held[{each.name!r}] is not read[{number}]" if each.kind.constant else f"{each.name!r} in held"
        )
        lines.append(f"if {other}: found.append({number})")
    lines += ["if '_extra' in held: found.append(-1)", "return found"]
    return function("touched(instance, read)", lines, Names(), f"compare {model.__name__}")


def checker(model: type, attributes: Attributes, part: Callable[[Any], Any]) -> Callable[..., Any]:
    """`check(value)`: sees that an object can be loaded; `part` loads one with other members."""
    names = Names()
    first, known = _members_of(attributes, names, part)
    lines = [line for each, v in known for line in checked(each.kind, v, names)]
    return function("check(value)", [*first, *lines], names, f"check {model.__name__}")


def loader(model: type, attributes: Attributes, part: Callable[[Any], Any]) -> Callable[..., Any]:
    """`load(value)`: a new instance from an object; `part` takes one with other members."""
    names = Names()
    first, known = _members_of(attributes, names, part)
    lines = [line for each, v in known for line in _loaded(each.kind, v, names)]
    lines += [f"instance = {names(model.__new__)}({names(model)})", HELD]
    lines += [f"held[{each.name!r}] = {v}" for each, v in known]
    return function("load(value)", [*first, *lines, "return instance"], names, f"load {model.__name__}")


def _members_of(
    attributes: Attributes, names: Names, part: Callable[[Any], Any]
) -> tuple[list[str], list[tuple[Attribute, str]]]:
    """The lines that put an object's members into variables, and which those are.

    One with other members goes to `part` before anything was converted, so that nothing is twice.
    """
    known = [(each, f"v{number}") for number, each in enumerate(attributes)]
    other = f"return {names(part)}(value)"
    lines = ["if type(value) is not dict: unfit()", f"if len(value) != {len(known)}: {other}"]
    if known:
        lines += [
            "try:",
            *(f"    {v} = value[{each.member!r}]" for each, v in known),
            f"except KeyError: {other}",
        ]
    return lines, known


def dumper(model: type, attributes: Attributes, tag: tuple[str, str] | None) -> Callable[..., Any]:
    """`dump(instance)`: the object of an instance."""
    names, lines = Names(), []
    members = [] if tag is None else [f"{tag[0]!r}: {tag[1]!r}"]
    for number, each in enumerate(attributes):
        v = f"v{number}"
        lines += [f"{v} = instance.{each.name}", *_dumped(each.kind, v, names)]
        members.append(f"{each.member!r}: {v}")
    lines += [
        f"value = {{{', '.join(members)}}}",
        "if instance._extra:",
        "    for name, member in instance._extra.items(): value.setdefault(name, member)",
        "return value",
    ]
    return function("dump(instance)", lines, names, f"dump {model.__name__}")


def fitter(model: type, attributes: Attributes) -> Callable[..., Any]:
    """`fits(instance)`: whether an instance can be dumped."""
    names, lines = Names(), []
    for number, each in enumerate(attributes):
        v = f"v{number}"
        lines += [f"{v} = instance.{each.name}", f"if not ({tests(each.kind, v, names)}): return False"]
    return function("fits(instance)", [*lines, "return True"], names, f"check {model.__name__}")


def blank(model: type, outside: Iterable[str]) -> Callable[..., Any]:
    """`blank(value)`: an instance without its fields; the value, if there is one, is those outside."""
    names = Names()
    lines = [f"instance = {names(model.__new__)}({names(model)})"]
    lines += [f"if value is not None: instance.__dict__[{name!r}] = value" for name in outside]
    return function("blank(value)", [*lines, "return instance"], names, f"blank {model.__name__}")


def constructor(
    model: type,
    name: str,
    attributes: Iterable[Any],
    outside: Iterable[str],
    assigns: bool,
    wrong: Callable[..., Exception],
) -> Callable[..., Any]:
    """The constructor of a model, which takes the fields as keywords; `wrong` makes the error of other ones.

    It is like that of attrs, but for wrong arguments, which it names all at once: attrs leaves them to
    Python, which names the first, and a wrapper would cost half as much again. Where it `assigns`, the class
    has a say in that.
    """
    names = Names("_orcodm_")  # a parameter may be called anything else
    absent = names(MISSING)
    parameters: list[str] = []
    required: list[str] = []
    lines = [] if assigns else ["_held = self.__dict__"]
    for one in attributes:
        default, value = one.default, one.name
        made = default is attrs.NOTHING or isinstance(default, attrs.Factory)  # type: ignore[arg-type]
        if default is attrs.NOTHING:
            required.append(one.name)
        elif made:
            new = f"{names(default.factory)}({'self' if default.takes_self else ''})"
            value = f"({new} if {one.name} is {absent} else {one.name})"
        parameters.append(f"{one.name}={absent if made else names(default)}")
        if one.converter is not None:
            value = f"{names(one.converter)}({value})"
        put = f"self.{one.name} = {value}" if assigns else f"_held[{one.name!r}] = {value}"
        lines.append(f"if {one.name} is not None: {put}" if one.name in outside else put)
    fails = " or ".join(["_args", "_rest", *(f"{field} is {absent}" for field in required)])
    given = ", ".join(f"{one.name!r}: {one.name}" for one in attributes)
    return function(
        f"{name}(self, *_args, {''.join(f'{one}, ' for one in parameters)}**_rest)",
        [
            f"if {fails}:",
            f"    raise {names(wrong)}(_args, _rest, {{{given}}})",
            *lines,
            "self.__attrs_post_init__()",
        ],
        names,
        f"make {model.__name__}",
    )


class _Missing:
    def __repr__(self) -> str:
        return "..."


MISSING: Final[Any] = _Missing()
"""What a constructor has for a field that it was not given, where the default is none or is made anew."""
