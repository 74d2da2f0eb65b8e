"""A growth: what an extension adds to a sweep. Computed by a client (`core/extension.py`), taken by a lab."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from raylab.core.segment import Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """What an extension adds to a sweep that has as many segments as it had when this was computed.

    Attributes:
        folder: of the sweep's results.
        seen: how many segments the sweep had.
        segments: those to be added.
        classes: what each class of trials asks for then, where the submission says it.
        exact: whether the sweep then holds just what was asked for: no other points, no more repeats.
    """

    folder: str
    seen: int
    segments: tuple[Segment, ...] = field(repr=False)
    exact: bool
    classes: tuple[Mapping[str, float | None], ...] = ()

    @property
    def added(self) -> int:
        """How many trials."""
        return sum(segment.total for segment in self.segments)

    def fits(self, folder: str, segments: Sequence[Segment]) -> bool:
        """Whether a sweep with these segments is the one, and has not grown since."""
        return (self.folder, self.seen) == (folder, len(segments))

    def is_in(self, folder: str, segments: Sequence[Segment]) -> bool:
        """Whether a sweep with these segments is the one, and has grown by this already."""
        there = segments[self.seen : self.seen + len(self.segments)]
        return self.folder == folder and tuple(there) == self.segments
