"""Medians and ratios of paired rounds."""

import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """The median of the ratios of paired rounds, and the least and the greatest of them."""

    median: float
    low: float
    high: float

    def __str__(self):
        spread = f" ({digits(self.low)} to {digits(self.high)})" if self.low != self.high else ""
        return digits(self.median) + spread


def paired_ratio(numerators, denominators):
    """Round by round, so that what disturbs a whole round disturbs both sides; None if nothing can be compared."""
    pairs = zip(numerators, denominators, strict=False)
    # A difference of two measurements can be zero or less, and then says nothing.
    ratios = [over / under for over, under in pairs if over and under and over > 0 and under > 0]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios)) if ratios else None


def median(values):
    present = [value for value in values if value is not None]
    return statistics.median(present) if present else None


def digits(value):
    """Three significant digits, which is more than such measurements are good for."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"
