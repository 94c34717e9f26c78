"""Attention, and the cell that has it."""

from rnnkit.attention.cell import AttentionCell, alignments
from rnnkit.attention.mechanisms import (
    Attention,
    BahdanauAttention,
    LuongDotAttention,
    LuongGeneralAttention,
)

__all__ = [
    "Attention",
    "AttentionCell",
    "BahdanauAttention",
    "LuongDotAttention",
    "LuongGeneralAttention",
    "alignments",
]
