import json
import tempfile
import unittest
import xml.etree.ElementTree
from pathlib import Path

import report
import svg


def result(other_work=0.01, **more):
    return {
        "scenario": "warm",
        "checked": "status 200",
        "rounds": 3,
        "seconds": 1,
        "taken": "2026-01-01 00:00 UTC",
        "other_work": [other_work, other_work],
        "machine": {"cpu": "a CPU", "cores": 2, "memory_gib": 8, "kernel": "6", "system": "a system"},
        "versions": {"egret": "1", "haproxy": "2", "squid": "3"},
        "latency_rate": 5000,
        "peers": {
            "egret": {
                "cpu_us": [22, 20, 24],
                "rated_cpu_us": [30, 31, 32],
                "rate": [9000, 9100, 9200],
                "p50_us": [100],
                "p99_us": [200],
                "p999_us": [900],
            },
            "haproxy": {
                "cpu_us": [20, 20, 20],
                "rated_cpu_us": [30, 31, 32],
                "rate": [9000, 9100, 9200],
                "p50_us": [110],
                "p99_us": [220],
                "p999_us": [990],
            },
            "squid": {"cpu_us": [80, 80, 80], "rate": [900, 910, 920]},
        },
        **more,
    }


class Report(unittest.TestCase):
    def test_a_table(self):
        self.assertEqual(
            report.table(result()),
            [
                "|  | CPU a request, µs | Egret's to it | CPU a request at the same rate, µs | Egret's to it | requests/s "
                "| p50 / p99 / p99.9, µs, at 5,000/s |",
                "|---|---|---|---|---|---|---|",
                "| **egret** | 22.0 |  | 31.0 |  | 9,100 | 100 / 200 / 900 |",
                "| haproxy | 20.0 | **1.10 (1.00 to 1.20)** | 31.0 | 1.00 | 9,100 | 110 / 220 / 990 |",
                "| squid | 80.0 | 0.28 (0.25 to 0.30) | – |  | 910 | cannot carry it |",
            ],
        )

    def test_a_busy_machine_has_no_latencies(self):
        found = "\n".join(report.section(result(other_work=0.9)))
        self.assertNotIn("p99", found)
        self.assertNotIn("requests/s", found)
        self.assertIn("left out", found)

    def test_the_overview_is_bold_where_egret_needs_more(self):
        lines, rows = report.overview([result()])
        self.assertEqual(lines[-1], "| [Warm requests](#warm-requests): CPU a request | **1.10** | 0.28 |")
        self.assertEqual(rows, [("warm", [("haproxy", 1.1), ("squid", 0.275)])])

    def test_charts_are_xml_and_the_page_shows_each(self):
        text, drawn = report.page([result()])
        for name, _, picture in drawn:
            xml.etree.ElementTree.fromstring(picture)
            self.assertIn(f"(images/{name})", text)

    def test_results_become_a_page(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            (folder / "warm.json").write_text(json.dumps(result()))
            report.write(folder, folder)
            self.assertIn("## Warm requests", (folder / "benchmarks.md").read_text())
            self.assertTrue((folder / "images/bench-overview.svg").exists())

    def test_the_page_is_made_of_the_results(self):
        results = report.read(Path(report.__file__).with_name("results"))
        if not results:
            self.skipTest("nothing was measured yet")
        text, drawn = report.page(results)
        self.assertEqual(text, (report.DOCS / "benchmarks.md").read_text(), "benches/compare/run --report")
        for name, _, picture in drawn:
            self.assertEqual(picture, (report.DOCS / "images" / name).read_text(), name)

    def test_scales(self):
        place, marks = svg.logarithmic(3, 250)
        self.assertEqual(marks, [1, 10, 100, 1000])
        self.assertLess(place(3), place(250))


if __name__ == "__main__":
    unittest.main()
