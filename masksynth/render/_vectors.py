"""One vector instruction for the eight channels of a texel, which the compiler does not find by itself."""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

CHANNELS = 8
FLAGS = ("contract", "nsz", "arcp", "reassoc")


@intrinsic
def between_texels(typing: Any, texels: Any, row: Any, side: Any, w00: Any, w01: Any, w10: Any, w11: Any) -> Any:
    """(8,) all channels between four texels of texels (N, 8), contiguous, f4 or the bits of f2 as u2. `row` is that of
    the upper left one, `row + side` of the one below it. No checks."""
    contiguous = isinstance(texels, types.Array) and texels.ndim == 2 and texels.layout == "C"
    if not contiguous or texels.dtype not in (types.float32, types.uint16):
        raise TypeError("texels are a contiguous (N, 8) array of float32 or of the bits of float16")
    result = types.UniTuple(types.float32, CHANNELS)  # type: ignore[no-untyped-call]

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, row, side, *weights = arguments
        data = context.make_array(texels)(context, builder, array).data
        vector, integer = ir.VectorType(ir.FloatType(), CHANNELS), ir.IntType(64)
        stored = vector if texels.dtype == types.float32 else ir.VectorType(ir.HalfType(), CHANNELS)
        below = builder.add(row, side)
        rows = [row, builder.add(row, integer(1)), below, builder.add(below, integer(1))]
        total = None
        for at, weight in zip(rows, weights, strict=True):
            place = builder.gep(data, [builder.mul(at, integer(CHANNELS))])
            texel = builder.load(builder.bitcast(place, stored.as_pointer()), align=2)
            if stored is not vector:
                texel = builder.fpext(texel, vector)
            first = builder.insert_element(ir.Constant(vector, ir.Undefined), weight, ir.IntType(32)(0))
            spread = builder.shuffle_vector(
                first, ir.Constant(vector, ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), CHANNELS), [0] * 8)
            )
            term = builder.fmul(texel, spread, flags=FLAGS)
            total = term if total is None else builder.fadd(total, term, flags=FLAGS)
        values = [builder.extract_element(total, ir.IntType(32)(c)) for c in range(CHANNELS)]
        return context.make_tuple(builder, signature.return_type, values)

    return result(texels, types.int64, types.int64, *[types.float32] * 4), generate
