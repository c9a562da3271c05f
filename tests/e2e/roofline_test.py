#!/usr/bin/env python3
"""roofline_test.py: tools/roofline.py on a small recorded run, and on files that are none."""
import json
import math
import os
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../..')
RUN = os.path.join(ROOT, 'tests/data/roofline/mini_q4_k_m.json')
SVG = '{http://www.w3.org/2000/svg}'


class Roofline(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def draw(self, *paths):
        self.svg = os.path.join(self.folder, 'out.svg')
        return subprocess.run([sys.executable, '-B', os.path.join(ROOT, 'tools/roofline.py'), *paths, '-o', self.svg],
                              capture_output=True, text=True, timeout=60)

    def test_draws_roofs_and_every_costly_op_below_them(self):
        result = self.draw(RUN)
        self.assertEqual((result.returncode, result.stderr), (0, ''))
        root = xml.parse(self.svg).getroot()
        with open(RUN, encoding='utf-8') as file:
            run = json.load(file)
        ops = [op for row in run['rows'] for op in row['ops']
               if op['gb_per_s'] and op['gop_per_s'] and op['ms'] >= sum(each['ms'] for each in row['ops']) / 100]
        titles = [mark.find(f'{SVG}title').text for mark in root.iter() if mark.tag in (f'{SVG}circle', f'{SVG}rect')
                  and mark.find(f'{SVG}title') is not None]
        self.assertGreater(len(ops), 4)
        self.assertEqual(sorted(title.split(':')[0] for title in titles), sorted(op['op'] for op in ops))
        words = [each.text for each in root.iter(f'{SVG}text')]
        for word in ('operations for each byte read', 'Gop/s', 'memory: 23.8 GB/s', 'bytes: 14,135 Gop/s', 'floats: 479 Gop/s', 'Q4_K'):
            self.assertIn(word, words)

    def test_axes_are_logarithmic_and_the_slope_meets_the_level_where_it_must(self):
        self.draw(RUN)
        roofs = [each for each in xml.parse(self.svg).getroot().iter(f'{SVG}line') if each.get('class') == 'roof']
        level, _, slope = ([float(each.get(key)) for key in ('x1', 'y1', 'x2', 'y2')] for each in roofs)
        self.assertEqual(level[:2], slope[2:])  # the bend
        self.assertEqual(level[1], level[3])
        grid = [each for each in xml.parse(self.svg).getroot().iter(f'{SVG}line') if each.get('class') == 'grid']
        columns = sorted(float(each.get('x1')) for each in grid if each.get('x1') == each.get('x2'))
        widths = [b - a for a, b in zip(columns, columns[1:])]
        self.assertTrue(all(math.isclose(width, widths[0], abs_tol=0.2) for width in widths), widths)

    def test_a_file_that_is_no_run_is_named(self):
        bad = os.path.join(self.folder, 'bad.json')
        for content in ('', '[]', '{}', '{"machine": {"read_gb_per_s": 0, "f32_gop_per_s": 1, "int8_gop_per_s": 1}}',
                        '{"read_gb_per_s": 1, "f32_gop_per_s": 1, "int8_gop_per_s": 1, "rows": [{}]}'):
            with open(bad, 'w', encoding='utf-8') as file:
                file.write(content)
            result = self.draw(bad)
            self.assertEqual(result.returncode, 1, content)
            self.assertTrue(result.stderr.startswith('roofline: ') and 'bad.json' in result.stderr, result.stderr)
            self.assertEqual(len(result.stderr.splitlines()), 1)
        self.assertIn('/no/file', self.draw('/no/file').stderr)


if __name__ == '__main__':
    unittest.main()
