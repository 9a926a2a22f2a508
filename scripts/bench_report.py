"""How benchmarks print what they measured, and whether a target holds."""

from __future__ import annotations

import statistics


def show(name: str, seconds: list[float]) -> float:
    """Print one row of figures and give their median."""
    median = statistics.median(seconds)
    print(f"  {name:<28} median {median:7.1f} s   ({', '.join(f'{each:.1f}' for each in seconds)})", flush=True)
    return median


def verdict(text: str, held: bool) -> bool:
    """Print whether a target holds."""
    print(f"  {'holds ' if held else 'MISSED'}  {text}", flush=True)
    return held
