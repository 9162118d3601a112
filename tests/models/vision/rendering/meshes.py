"""What the tests of the renderer measure meshes with."""

from __future__ import annotations

import numpy as np

from models.vision.rendering.solids import Floats, Solid


def volume(solid: Solid, about: Floats | None = None) -> float:
    """By the divergence theorem: cubic metres, negative if the mesh is inside out.

    A mesh with one flat hole is measured as if it were closed, `about` a point in that hole.
    """
    corners = solid.vertices[solid.faces] - (0.0 if about is None else about)
    cross = np.cross(corners[:, 1], corners[:, 2])
    return float(np.einsum("ij,ij->", corners[:, 0], cross) / 6)


def agreeing_share(solid: Solid) -> float:
    """Share of the surface whose normals point to the side that its winding calls outside."""
    corners = solid.vertices[solid.faces]
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(flat, axis=1)
    said = solid.normals[solid.faces].mean(axis=1)
    return float(area[(flat * said).sum(axis=1) > 0].sum() / area.sum())


def open_edges(solid: Solid) -> int:
    """Edges that no second face shares; corners closer than a tenth of a micrometre are one."""
    _, one = np.unique(np.rint(solid.vertices * 1e7), axis=0, return_inverse=True)
    faces = one.reshape(-1)[solid.faces]
    sides = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    sides = sides[sides[:, 0] != sides[:, 1]]
    counted: dict[tuple[int, int], int] = {}
    for start, end in sides.tolist():
        counted[start, end] = counted.get((start, end), 0) + 1
    return sum(abs(count - counted.get((end, start), 0)) for (start, end), count in counted.items())
