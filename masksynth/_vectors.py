"""Pointers and short vectors of float32 for the kernels, which the compiler does not find by itself.

A kernel that hands its arrays on to inlined functions counts their references in every turn of its loops, which costs
more than the work; so it takes `pointer(array)` once, and hands on that. It indexes like the flat array, without checks
and without counting from the end.

A vertex is four numbers, a texel eight: each is loaded, weighed and stored by one instruction. Inside a kernel a vector
is a value like any other; it never leaves it.

The compiler may not choose how to round: a product is added in one rounding where `plus` says so, and nowhere else.
The order in which numba hands variables on differs from process to process, and with such a choice pixels did.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

FLAGS = ("nsz",)


class Floats(types.Type):
    """A vector of float32."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(name=f"Floats{lanes}")


@register_model(Floats)
class _FloatsModel(models.PrimitiveModel):
    def __init__(self, manager: Any, of: Floats) -> None:
        super().__init__(manager, of, _form(of.lanes))  # type: ignore[no-untyped-call]


def _form(lanes: int) -> Any:
    return ir.VectorType(ir.FloatType(), lanes)


FOUR, EIGHT = Floats(4), Floats(8)


@intrinsic
def pointer(typing: Any, array: Any) -> Any:
    """The place of the first number of a contiguous array, which must outlive it."""
    if not isinstance(array, types.Array) or array.layout != "C":
        raise TypeError(f"wants a contiguous array, got {array}")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.make_array(array)(context, builder, arguments[0]).data

    return types.CPointer(array.dtype)(array), generate  # type: ignore[no-untyped-call]


def _spread(builder: Any, lanes: int, number: Any) -> Any:
    """The number in every lane."""
    undefined, zeros = ir.Constant(_form(lanes), ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), lanes), None)
    return builder.shuffle_vector(builder.insert_element(undefined, number, ir.IntType(32)(0)), undefined, zeros)


def _check(place: Any, *dtypes: Any) -> None:
    if not isinstance(place, types.CPointer) or place.dtype not in dtypes:
        raise TypeError(f"wants a pointer to {' or '.join(map(str, dtypes))}, got {place}")


@intrinsic
def four_at(typing: Any, numbers: Any, index: Any) -> Any:
    """Four numbers from the index-th on."""
    _check(numbers, types.float32)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.gep(arguments[0], [arguments[1]])
        return builder.load(builder.bitcast(place, _form(4).as_pointer()), align=4)

    return FOUR(numbers, types.int64), generate


@intrinsic
def eight_at(typing: Any, numbers: Any, index: Any) -> Any:
    """Eight numbers, float32 or the bits of float16 as uint16, from the index-th on."""
    _check(numbers, types.float32, types.uint16)
    half = numbers.dtype == types.uint16

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.gep(arguments[0], [arguments[1]])
        if not half:
            return builder.load(builder.bitcast(place, _form(8).as_pointer()), align=4)
        stored = ir.VectorType(ir.HalfType(), 8)
        return builder.fpext(builder.load(builder.bitcast(place, stored.as_pointer()), align=2), _form(8))

    return EIGHT(numbers, types.int64), generate


@intrinsic
def bytes_at(typing: Any, numbers: Any, places: Any) -> Any:
    """The uint8 at each of eight places, which are whole numbers in float32, as float32."""
    _check(numbers, types.uint8)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        whole, lanes = ir.IntType(32), places.lanes
        indices = builder.fptosi(arguments[1], ir.VectorType(whole, lanes))
        found = ir.Constant(ir.VectorType(ir.IntType(8), lanes), ir.Undefined)
        for k in range(lanes):
            index = builder.sext(builder.extract_element(indices, whole(k)), ir.IntType(64))
            found = builder.insert_element(found, builder.load(builder.gep(arguments[0], [index])), whole(k))
        return builder.uitofp(found, _form(lanes))

    return places(numbers, places), generate


@intrinsic
def fetch(typing: Any, numbers: Any, index: Any) -> Any:
    """Have the processor bring the index-th number nearer, for it is wanted soon."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte, whole = ir.IntType(8).as_pointer(), ir.IntType(32)
        place = builder.bitcast(builder.gep(arguments[0], [arguments[1]]), byte)
        call = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
            builder.module, ir.FunctionType(ir.VoidType(), [byte, whole, whole, whole]), "llvm.prefetch.p0i8"
        )
        builder.call(call, [place, whole(0), whole(3), whole(1)])
        return context.get_dummy_value()

    return types.void(numbers, types.int64), generate


@intrinsic
def put(typing: Any, numbers: Any, index: Any, vector: Any) -> Any:
    """Write a vector from the index-th number on."""
    _check(numbers, types.float32)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.gep(arguments[0], [arguments[1]])
        builder.store(arguments[2], builder.bitcast(place, _form(vector.lanes).as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(numbers, types.int64, vector), generate


class _Whole(ir.instructions.StoreInstr):  # type: ignore[misc]
    """A store that the compiler leaves as it is. Of a load, a choice and a store at one place it otherwise makes a
    masked store, which costs more than a cell's arithmetic on processors without AVX-512."""

    def descr(self, buf: list[str]) -> None:
        text: list[str] = []
        super().descr(text)
        buf.append("".join(text).replace("store ", "store volatile ", 1))


@intrinsic
def put_above(typing: Any, numbers: Any, index: Any, one: Any, other: Any, vector: Any) -> Any:
    """Write the lanes of a vector where one > other, from the index-th number on; the others stay as they were."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        numbers, index, one, other, vector = arguments
        place = builder.bitcast(builder.gep(numbers, [index]), vector.type.as_pointer())
        chosen = builder.select(builder.fcmp_ordered(">", one, other), vector, builder.load(place, align=4))
        store = _Whole(builder.block, chosen, place)
        store.align = 4
        builder._insert(store)
        return context.get_dummy_value()

    return types.void(numbers, types.int64, one, one, one), generate


@intrinsic
def plus(typing: Any, vector: Any, other: Any, by: Any) -> Any:
    """vector + other · by, rounded once."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        form = _form(vector.lanes)
        fused = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
            builder.module, ir.FunctionType(form, [form] * 3), f"llvm.fma.v{vector.lanes}f32"
        )
        return builder.call(fused, [arguments[1], _spread(builder, vector.lanes, arguments[2]), arguments[0]])

    return vector(vector, vector, types.float32), generate


@intrinsic
def minus(typing: Any, vector: Any, other: Any) -> Any:
    """vector - other"""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fsub(*arguments, flags=FLAGS)

    return vector(vector, vector), generate


@intrinsic
def product(typing: Any, vector: Any, other: Any) -> Any:
    """vector · other, lane by lane"""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fmul(*arguments, flags=FLAGS)

    return vector(vector, vector), generate


@intrinsic
def spread(typing: Any, number: Any) -> Any:
    """Eight times the number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _spread(builder, 8, arguments[0])

    return EIGHT(types.float32), generate


@intrinsic
def where_above(typing: Any, one: Any, other: Any, then: Any, otherwise: Any) -> Any:
    """Lane by lane `then` where one > other, else `otherwise`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        one, other, then, otherwise = arguments
        return builder.select(builder.fcmp_ordered(">", one, other), then, otherwise)

    return one(one, one, one, one), generate


@intrinsic
def smaller(typing: Any, one: Any, other: Any) -> Any:
    """Lane by lane the smaller."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<", *arguments), *arguments)

    return one(one, one), generate


@intrinsic
def larger(typing: Any, one: Any, other: Any) -> Any:
    """Lane by lane the larger."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *arguments), *arguments)

    return one(one, one), generate


@intrinsic
def floors(typing: Any, vector: Any) -> Any:
    """The largest whole number of each lane that is not above it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        form = _form(vector.lanes)
        floor = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
            builder.module, ir.FunctionType(form, [form]), f"llvm.floor.v{vector.lanes}f32"
        )
        return builder.call(floor, arguments)

    return vector(vector), generate


@intrinsic
def bits_above(typing: Any, one: Any, other: Any) -> Any:
    """A number whose k-th bit is set where one > other in lane k."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        flags = builder.fcmp_ordered(">", *arguments)
        return builder.zext(builder.bitcast(flags, ir.IntType(one.lanes)), ir.IntType(64))

    return types.int64(one, one), generate


@intrinsic
def first_bit(typing: Any, number: Any) -> Any:
    """The place of the lowest bit that is set; there must be one."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.IntType(1)(1))

    return types.int64(types.int64), generate


def _fold(sign: str) -> Any:
    @intrinsic
    def fold(typing: Any, vector: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            (found,), lanes = arguments, vector.lanes
            while lanes > 1:  # the upper half against the lower
                lanes //= 2
                undefined = ir.Constant(found.type, ir.Undefined)
                halves = [
                    builder.shuffle_vector(
                        found, undefined, ir.Constant(ir.VectorType(ir.IntType(32), lanes), list(range(at, at + lanes)))
                    )
                    for at in (0, lanes)
                ]
                found = builder.select(builder.fcmp_ordered(sign, *halves), *halves)
            return builder.extract_element(found, ir.IntType(32)(0))

        return types.float32(vector), generate

    return fold


smallest_lane, largest_lane = _fold("<"), _fold(">")


@intrinsic
def half_octaves(typing: Any, number: Any) -> Any:
    """How many half octaves a positive float32 lies above 1: 0 from 1, 1 from 1.5, 2 from 2, 3 from 3, 4 from 4, ...;
    by its exponent and the first bit after the point."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        whole = ir.IntType(32)
        return builder.sub(builder.ashr(builder.bitcast(arguments[0], whole), whole(22)), whole(254))

    return types.int32(types.float32), generate


@intrinsic
def share_of_level(typing: Any, level: Any) -> Any:
    """1, 3/4, 1/2, 3/8, 1/4, ... for the levels 0, 1, 2, 3, 4, ... as float32: made of bits, as a table cannot be read
    for many levels at a time."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        whole = ir.IntType(32)
        halvings = builder.ashr(arguments[0], whole(1))
        odd = builder.and_(arguments[0], whole(1))
        # of an odd level half as much again as of the next, whose exponent is one less
        exponent = builder.shl(builder.sub(whole(127), builder.add(halvings, odd)), whole(23))
        return builder.bitcast(builder.or_(exponent, builder.shl(odd, whole(22))), ir.FloatType())

    return types.float32(types.int32), generate


def _lane(number: int) -> Any:
    @intrinsic
    def lane(typing: Any, vector: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.extract_element(arguments[0], ir.IntType(32)(number))

        return types.float32(vector), generate

    return lane


lane0, lane1, lane2, lane3, lane4, lane5, lane6 = (_lane(number) for number in range(7))
