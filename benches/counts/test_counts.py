"""What counts are read from, and when they are over their budget."""

import unittest

import budgets
from fakes import answer
from scenarios import SCENARIOS
from tools import read_callgrind

CALLGRIND = """\
fn=(1) main
calls=2 100
cfn=(2) mi_malloc
calls=3 0
fn=(2)
cfn=(3) mi_theap_malloc
calls=3 0
fn=(4) other
cfn=(2)
calls=4 0
summary: 12345
"""


class Counts(unittest.TestCase):
    def test_an_allocation_is_counted_where_the_allocator_is_entered(self):
        self.assertEqual(read_callgrind(CALLGRIND), {"instructions": 12345, "allocations": 7})

    def test_more_than_three_percent_is_over_budget(self):
        known = {"machine": "here", "scenarios": {"a": {"instructions": 100, "allocations": 10}}}

        def over(figures, here="here"):
            return list(budgets.over_budget({"a": figures}, known, here))

        self.assertEqual(over({"instructions": 103, "allocations": 10.3}), [])
        self.assertEqual(over({"instructions": 104}), ["a: instructions 104.00, budget 100.00 (+4.0%)"])
        self.assertEqual(over({"instructions": 104}, here="elsewhere"), [])
        self.assertEqual(len(over({"allocations": 11}, here="elsewhere")), 1)
        self.assertEqual(len(over({"system calls": 1})), 1)

    def test_full_telemetry_is_counted_beside_none(self):
        name, beside, figure, most = budgets.RATIOS[0]
        self.assertLessEqual({name, beside}, set(SCENARIOS))

        def over(value):
            counted = {name: {figure: value}, beside: {figure: 100}}
            return list(budgets.over_budget(counted, {"machine": "", "scenarios": {}}, "elsewhere"))

        self.assertEqual(over(100 * most), [])
        told = f"{name}: instructions are 1.23 times those of {beside}, at most 1.22"
        self.assertEqual(over(123), [told])

    def test_every_scenario_has_a_budget_and_the_page_has_them(self):
        scenarios = budgets.read()["scenarios"]
        self.assertEqual(list(scenarios), list(SCENARIOS))
        self.assertIn(budgets.BEGIN + "\n" + budgets.table(scenarios) + budgets.END, budgets.PAGE.read_text())

    def test_the_name_server_answers_questions_for_addresses(self):
        question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x04test\x00\x00\x01\x00\x01"
        reply = answer(question)
        self.assertEqual(reply[:2] + reply[6:8], b"\x12\x34\x00\x01")
        self.assertTrue(reply.endswith(b"\x00\x04\x7f\x00\x00\x01"))


if __name__ == "__main__":
    unittest.main()
