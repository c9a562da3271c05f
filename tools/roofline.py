#!/usr/bin/env python3
"""roofline.py FILE...: draws docs/roofline.svg from the output of `r1 bench --json`, or of `r1 bench MODEL --profile --json`.

The roofs are the first file's machine: reading memory (slope), multiplying bytes (level) and, below, floats. A point is an op of a profiled
row that takes at least a hundredth of its time, or a whole row where there was no profile: operations for each byte read against
operations a second; a ring for decoding, a square for prompts. Colours are number formats; the costliest op of each row bears its name. A
file of `r1 bench --machine --json` gives roofs alone. `make roofline` does all.
"""
import argparse
import collections
import html
import json
import math
import os
import re
import sys

WIDTH, HEIGHT = 860, 560
LEFT, RIGHT, TOP, BOTTOM = 80, 210, 40, 60
COLOURS = ('#2f6fde', '#c2571a', '#238551', '#8f49c2', '#b0892a', '#c23b68', '#3f8fa8', '#7a7a2f', '#5b6b7b', '#d08020')
# Grey of middling lightness and no background: the same picture on white and on black paper.
STYLE = 'text{font:13px sans-serif;fill:#777}.title{font-size:16px}.grid{stroke:#888;stroke-opacity:.25}.roof{stroke:#888;stroke-width:2;fill:none}'


class NotABench(Exception):
    pass


def read_bench(path):
    """(machine, model, rows) of a file; a machine's file has no rows."""
    try:
        with open(path, encoding='utf-8') as file:
            data = json.load(file)
        machine = data.get('machine', data)
        for key in ('read_gb_per_s', 'f32_gop_per_s', 'int8_gop_per_s'):
            if not machine[key] > 0:
                raise NotABench(f'{path}: {key} is {machine[key]}, a roof must be above zero')
        return machine, os.path.basename(data.get('model', '')), data.get('rows', [])
    except OSError as error:
        raise NotABench(f'{path}: {error.strerror}') from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotABench(f'{path}: not the output of r1 bench --json ({error!r})') from error


Point = collections.namedtuple('Point', 'x y kind name is_decode is_labelled')  # x: operations a byte, y: Gop/s


def kind_of(op):
    """'linear [64, 256] Q4_K' -> 'Q4_K'; ops without a format are their own kind."""
    last = op.split()[-1]
    return last if re.fullmatch(r'[A-Z]+\d\w*', last) else op.split()[0]


def points_of(model, rows):
    """Every op, or row, of which both bytes and operations are known."""
    for row in rows:
        name = f'{model}, {row["test"]}' + (f' at {row["depth"]}' if row['depth'] else '')
        is_decode = row['test'].startswith('decode')
        ops = row.get('ops') or [{'op': 'all', 'ms': 1, 'gb_per_s': row.get('gb_per_s'), 'gop_per_s': row.get('gop_per_s')}]
        least, known = sum(op['ms'] for op in ops) / 100, [op for op in ops if op['gb_per_s'] and op['gop_per_s']]
        costliest = max(known, key=lambda op: op['ms'], default=None)
        for op in known:
            if op['ms'] >= least:
                yield Point(op['gop_per_s'] / op['gb_per_s'], op['gop_per_s'], kind_of(op['op']), f'{op["op"]}: {name}', is_decode,
                            op is costliest)


class Axes:
    """Logarithmic both, whole decades, wide enough for the points and for where the roofs bend."""

    def __init__(self, machine, points):
        bend = machine['int8_gop_per_s'] / machine['read_gb_per_s']
        xs = [point.x for point in points] + [1, bend]
        ys = [point.y for point in points] + [machine['read_gb_per_s'], machine['int8_gop_per_s']]
        self.x0, self.x1 = math.floor(math.log10(min(xs))), math.floor(math.log10(max(xs))) + 1
        self.y0, self.y1 = math.floor(math.log10(min(ys))), math.floor(math.log10(max(ys))) + 1

    def x(self, value):
        return LEFT + (math.log10(value) - self.x0) / (self.x1 - self.x0) * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        return HEIGHT - BOTTOM - (math.log10(value) - self.y0) / (self.y1 - self.y0) * (HEIGHT - TOP - BOTTOM)


def text(x, y, content, more=''):
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{html.escape(content)}</text>'


def line(x0, y0, x1, y1, kind):
    return f'<line class="{kind}" x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}"/>'


def number(exponent):
    return f'{10 ** exponent:,}' if exponent >= 0 else f'{10.0 ** exponent:g}'


def grid(axes):
    for e in range(axes.x0, axes.x1 + 1):
        x = axes.x(10.0 ** e)
        yield line(x, TOP, x, HEIGHT - BOTTOM, 'grid')
        yield text(x, HEIGHT - BOTTOM + 18, number(e), 'text-anchor="middle"')
    for e in range(axes.y0, axes.y1 + 1):
        y = axes.y(10.0 ** e)
        yield line(LEFT, y, WIDTH - RIGHT, y, 'grid')
        yield text(LEFT - 8, y + 4, number(e), 'text-anchor="end"')
    yield text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, 'operations for each byte read', 'text-anchor="middle"')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    yield text(18, middle, 'Gop/s', f'text-anchor="middle" transform="rotate(-90 18 {middle:.1f})"')


def roofs(axes, machine):
    read, end = machine['read_gb_per_s'], 10.0 ** axes.x1
    lowest = max(10.0 ** axes.x0, 10.0 ** axes.y0 / read)
    for key, name in (('int8_gop_per_s', 'bytes'), ('f32_gop_per_s', 'floats')):
        peak = machine[key]
        yield line(axes.x(peak / read), axes.y(peak), axes.x(end), axes.y(peak), 'roof')
        yield text(axes.x(end) - 4, axes.y(peak) - 6, f'{name}: {peak:,.0f} Gop/s', 'text-anchor="end"')
    peak = max(machine['int8_gop_per_s'], machine['f32_gop_per_s'])
    yield line(axes.x(lowest), axes.y(lowest * read), axes.x(peak / read), axes.y(peak), 'roof')
    yield text(axes.x(lowest) + 10, axes.y(lowest * read) - 18, f'memory: {read:.1f} GB/s')


def mark(x, y, is_decode, colour):
    if is_decode:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="none" stroke="{colour}" stroke-width="2.5">'
    return f'<rect x="{x - 5:.1f}" y="{y - 5:.1f}" width="10" height="10" fill="{colour}" fill-opacity=".85">'


def legend(kinds):
    for i, (kind, colour) in enumerate(kinds.items()):
        yield f'<rect x="{WIDTH - RIGHT + 20}" y="{TOP + 4 + 20 * i}" width="12" height="12" fill="{colour}"/>'
        yield text(WIDTH - RIGHT + 40, TOP + 15 + 20 * i, kind)
    y = TOP + 30 + 20 * len(kinds)
    for i, (is_decode, name) in enumerate(((True, 'decode'), (False, 'prompt'))):
        yield mark(WIDTH - RIGHT + 26, y + 20 * i - 4, is_decode, '#888') + ('</circle>' if is_decode else '</rect>')
        yield text(WIDTH - RIGHT + 40, y + 20 * i, name)


def marks(axes, points, kinds):
    for point in points:
        x, y = axes.x(point.x), axes.y(point.y)
        title = f'{point.name}: {point.y:,.1f} Gop/s, {point.x:.2g} a byte'
        yield mark(x, y, point.is_decode, kinds[point.kind]) + f'<title>{html.escape(title)}</title>' + (
            '</circle>' if point.is_decode else '</rect>')
        if point.is_labelled:
            yield text(x + 9, y + 14, point.name.split(':')[0])


def draw(benches):
    machine = benches[0][0]
    points = [point for _, model, rows in benches for point in points_of(model, rows)]
    kinds = {kind: COLOURS[i % len(COLOURS)] for i, kind in enumerate(sorted({point.kind for point in points}))}
    axes = Axes(machine, points)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">', f'<style>{STYLE}</style>']
    title = f'{machine.get("cpu") or "this machine"}, {machine.get("threads", "?")} threads, {machine.get("instruction_set", "?")}'
    parts += [f'<title>Roofline: {html.escape(title)}</title>', text(LEFT, 24, title, 'class="title"')]
    parts += [*grid(axes), *roofs(axes, machine), *marks(axes, points, kinds), *legend(kinds)]
    return '\n'.join(parts) + '\n</svg>\n'


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('files', nargs='+')
    parser.add_argument('-o', default='docs/roofline.svg')
    arguments = parser.parse_args()
    try:
        svg = draw([read_bench(path) for path in arguments.files])
    except NotABench as error:
        sys.exit(f'roofline: {error}')
    except (KeyError, TypeError) as error:
        sys.exit(f'roofline: {", ".join(arguments.files)}: a row without the fields of r1 bench --json ({error!r})')
    with open(arguments.o, 'w', encoding='utf-8') as file:
        file.write(svg)


if __name__ == '__main__':
    main()
