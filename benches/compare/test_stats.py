import unittest

from stats import digits, median, paired_ratio


class Ratios(unittest.TestCase):
    def test_rounds_are_paired(self):
        # A round that was slow for both sides does not count against either.
        ratio = paired_ratio([10, 100, 12], [20, 200, 20])
        self.assertEqual((ratio.median, ratio.low, ratio.high), (0.5, 0.5, 0.6))
        self.assertEqual(str(ratio), "0.50 (0.50 to 0.60)")

    def test_one_round_has_no_spread(self):
        self.assertEqual(str(paired_ratio([3], [2])), "1.50")

    def test_rounds_without_a_value_are_left_out(self):
        self.assertEqual(paired_ratio([None, 3], [1, 2]).median, 1.5)
        self.assertIsNone(paired_ratio([], [1]))
        self.assertIsNone(paired_ratio([1, -1, 0], [0, 1, 1]))

    def test_a_median_of_nothing(self):
        self.assertIsNone(median([]))
        self.assertEqual(median([3, None, 1]), 2)

    def test_three_digits(self):
        for value, shown in [
            (None, "–"),
            (0, "0"),
            (0.123, "0.12"),
            (9.876, "9.88"),
            (12.34, "12.3"),
            (1234.5, "1,234"),
        ]:
            self.assertEqual(digits(value), shown)


if __name__ == "__main__":
    unittest.main()
