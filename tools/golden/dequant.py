#!/usr/bin/env python3
"""dequant.py: writes tests/golden/dequant/blocks.txt: random blocks of every GGML format we read, and the f32 values an
independent decoder (PyPI package gguf, gguf.quants.dequantize) gives for them.

    pip install gguf numpy && tools/golden/dequant.py > tests/golden/dequant/blocks.txt

A line is: type, block bytes in hex, values as f32 bits in hex. All bytes are random but the half-float scales, which run
through extremes: zero, smallest subnormal, largest finite, negative, and usual sizes.
"""
import numpy as np
from gguf import GGMLQuantizationType as T
from gguf.quants import dequantize

# type: bytes a block, offsets of its half-float fields
LAYOUTS = {
    'Q4_0': (18, [0]), 'Q4_1': (20, [0, 2]), 'Q5_0': (22, [0]), 'Q5_1': (24, [0, 2]), 'Q8_0': (34, [0]),
    'Q2_K': (84, [80, 82]), 'Q3_K': (110, [108]), 'Q4_K': (144, [0, 2]), 'Q5_K': (176, [0, 2]), 'Q6_K': (210, [208]),
    'IQ4_NL': (18, [0]), 'IQ4_XS': (136, [0]),
}
SCALES = [0.0123, -0.5, 65504.0, 2.0 ** -24, 0.0, -1e-5, 3.0, -65504.0]


def main():
    rng = np.random.default_rng(2025)
    print('# made by tools/golden/dequant.py with gguf.quants.dequantize; type, block, f32 values (little-endian hex)')
    for name, (n_bytes, halves) in LAYOUTS.items():
        n_blocks = 8 if n_bytes < 40 else 6
        blocks = rng.integers(0, 256, (n_blocks, n_bytes), dtype=np.uint8)
        for b in range(n_blocks):
            for i, offset in enumerate(halves):
                blocks[b, offset:offset + 2] = np.array([SCALES[(b + 3 * i) % len(SCALES)]], '<f2').view(np.uint8)
        for block in blocks:
            values = dequantize(block.reshape(1, -1), T[name]).astype('<f4')
            assert np.isfinite(values).all()
            print(name, block.tobytes().hex(), values.tobytes().hex())


if __name__ == '__main__':
    main()
